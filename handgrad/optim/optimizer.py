"""Optimizer: what all update rules share; each rule itself is a few lines in rules.py."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from handgrad.arrays import Array, array_module, zeros
from handgrad.optim.checks import check_number
from handgrad.optim.clipping import clip_by_norm, clip_by_value
from handgrad.optim.runs import Layout, Run, check_prefixes, decays, dict_layout, merge, scale_of
from handgrad.optim.schedules import Schedule

LearningRate = float | Callable[[int], float]  # η, or a schedule
Piece = tuple[Run, Array, Array]  # a run, and its part of the parameters and the gradients


class Optimizer:
    """Base of the update rules, which share these two forms and these options.

        optimizer.step(network)           # flat network.parameters, network.gradients
        optimizer.update(params, grads)   # two dicts of arrays with the same keys

    A subclass names its state arrays in `state_names` and writes `rule`, which works in place.

    lr:           η, a number or a schedule: a callable from the number of updates made so far.
    l2:           λ of the loss term λ/2 ΣW² (see `penalty`): adds λW to the gradient.
    weight_decay: λ of the decoupled decay W ← W - ηλW, which the rule does not see.
    decay_on:     paths under which parameters decay, in both ways; by default those with two
                  or more axes, so not biases. [""] means every parameter.
    lr_scale:     {path: factor}: multiplies lr under that path; the longest path counts;
                  factor 0 leaves the parameters as they are, to the bit.
    clip_value:   limit of the size of each entry of the gradient.
    clip_norm:    limit of the length of the gradient of all parameters as one vector.

    A gradient is treated in the order l2, clip_value, clip_norm, on a copy. Parameters that
    are frozen (`network.frozen`, or factor 0) neither change nor count in the norm.

    Errors: ValueError for an option out of range, a path that no parameter has, dicts that do
    not match, state of another size; FloatingPointError when clip_norm meets NaN or infinity.

    Source: Loshchilov, Hutter, "Decoupled weight decay regularization", ICLR 2019, for the two
    kinds of decay.
    """

    state_names: tuple[str, ...] = ()

    def __init__(
        self,
        lr: LearningRate = 0.01,
        *,
        l2: float = 0.0,
        weight_decay: float = 0.0,
        decay_on: Iterable[str] | None = None,
        lr_scale: Mapping[str, float] | None = None,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ):
        self.lr = lr
        self.l2 = self._number("l2", l2)
        self.weight_decay = self._number("weight_decay", weight_decay)
        self.decay_on = None if decay_on is None else list(decay_on)
        self.lr_scale = {k: self._number("lr_scale", v) for k, v in (lr_scale or {}).items()}
        self.clip_norm = None if clip_norm is None else self._number("clip_norm", clip_norm)
        self.clip_value = None if clip_value is None else self._number("clip_value", clip_value)
        self.steps = 0
        self.state: dict[str, Array] = {name: np.empty(0) for name in self.state_names}
        self._bound: tuple[Any, ...] = (None,)
        self._runs: list[Run] = []
        self._scratch = np.empty(0)
        self.learning_rate()

    def rule(self, *args: Any, **kwargs: Any) -> None:
        """rule(p, g, lr, scratch, *state): change p and its state arrays in place.

        `scratch` is an array of p's shape to compute in; g is not to be written to.
        """
        raise NotImplementedError(f"{type(self).__name__} must define rule()")

    def learning_rate(self, after: int | None = None) -> float:
        """The learning rate of the next update, or of the one after so many updates."""
        steps = self.steps if after is None else after
        return self._number("lr", self.lr(steps) if callable(self.lr) else self.lr)

    def learning_rates(self, count: int) -> Array:
        """The learning rates of the next `count` updates, as far as they can be known now."""
        if not callable(self.lr):
            return np.full(count, self.learning_rate())
        if hasattr(self.lr, "many"):  # a schedule that takes an array of steps
            return np.asarray(self.lr.many(self.steps + np.arange(count)), float)
        return np.array([self._number("lr", self.lr(self.steps + i)) for i in range(count)])

    def observe(self, value: float) -> None:
        """Tell the schedule, if there is one, the number it watches: once per epoch."""
        if isinstance(self.lr, Schedule):
            self.lr.observe(value)

    def step(self, network: Any) -> None:
        """Update all parameters of a network from its gradients."""
        p, g = network.parameters, network.gradients
        if p.shape != g.shape:
            raise ValueError(f"{self._name}: {p.size} parameters, but {g.size} gradients")
        self._advance([(run, p[run.where], g[run.where]) for run in self.runs(network)])

    def runs(self, network: Any) -> list[Run]:
        """The stretches of a network's parameters that are updated; makes their state."""
        frozen = frozenset(getattr(network, "frozen", ()))
        self._bind("network", network.layout, frozen, network.parameters)
        return self._runs

    def skip(self, count: int) -> None:
        """Count updates that were made elsewhere, with this optimizer's state."""
        self.steps += count

    def update(self, params: Mapping[str, Array], grads: Mapping[str, Array]) -> None:
        """Update the arrays of `params` in place from those of `grads`."""
        layout = dict_layout(self._name, params, grads)
        widest = max(params.values(), key=lambda p: p.dtype.itemsize, default=np.empty(0))
        self._bind("dict", layout, frozenset(), widest)
        self._advance([(run, params[run.path], grads[run.path]) for run in self._runs])

    def penalty(self, network: Any) -> float:
        """The loss term λ/2 ΣW² whose gradient `l2` adds, summed in float64."""
        weights = [network.parameters[where] for where in self.penalized(network)]
        return self.l2 / 2 * sum(float(np.square(w, dtype=np.float64).sum()) for w in weights)

    def penalized(self, network: Any) -> list[slice]:
        """The stretches of the parameters in `penalty`, also of frozen ones."""
        runs = [
            Run(path, slice(start, stop), 1.0, True)
            for path, start, stop, shape in network.layout
            if self.l2 and decays(path, shape, self.decay_on)
        ]
        return [run.where for run in merge(runs)]

    def state_dict(self) -> dict[str, Any]:
        """Everything that an exact continuation needs, as numbers and copied arrays."""
        schedule = self.lr.state_dict() if isinstance(self.lr, Schedule) else {}
        numbers = {f"lr.{name}": value for name, value in schedule.items()}
        arrays = {name: array.copy() for name, array in self.state.items()}
        return {"steps": self.steps, **numbers, **arrays}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` of an optimizer with the same rule and schedule gave."""
        need = self.state_dict().keys()
        if state.keys() != need:
            raise ValueError(
                f"{self._name}: a state must have {', '.join(need)}; got {', '.join(state)}"
            )
        if isinstance(self.lr, Schedule):
            self.lr.load_state_dict({k[3:]: v for k, v in state.items() if k.startswith("lr.")})
        self.steps = int(state["steps"])
        self.state = {name: np.array(state[name]) for name in self.state_names}
        self._bound = (None,)

    def __repr__(self) -> str:
        hidden = ("steps", "state", "_bound", "_runs", "_scratch")
        given = {k: v for k, v in vars(self).items() if k not in hidden and (v or k == "lr")}
        return f"{self._name}({', '.join(f'{k}={v!r}' for k, v in given.items())})"

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _number(self, option: str, value: Any, below: float = math.inf) -> float:
        return check_number(self._name, option, value, below)

    def _bind(self, form: str, layout: Layout, frozen: frozenset[str], like: Array) -> None:
        """Plan the runs, and make state and scratch memory, if anything changed since before."""
        bound = (form, layout, frozen, like.dtype)
        if bound == self._bound:  # quick where the parts are the same objects
            return
        check_prefixes(self._name, "lr_scale", self.lr_scale, layout)
        check_prefixes(self._name, "decay_on", self.decay_on or (), layout)
        decaying = bool(self.l2 or self.weight_decay)
        runs = [
            Run(
                path,
                slice(start, stop),
                0.0 if path in frozen else scale_of(path, self.lr_scale),
                decaying and decays(path, shape, self.decay_on),
            )
            for path, start, stop, shape in layout
        ]
        size = layout[-1][2] if layout else 0
        self._make_state(size, like)
        self._runs = [r for r in (merge(runs) if form == "network" else runs) if r.scale]
        self._scratch = array_module(like).empty(size, like.dtype)
        self._bound = bound

    def _make_state(self, size: int, like: Array) -> None:
        """Zeros for state that is still empty; ValueError if it belongs to something else."""
        for name, array in self.state.items():
            if not array.size:
                self.state[name] = zeros(size, like.dtype, like)
            elif (array.size, array.dtype) != (size, like.dtype):
                raise ValueError(
                    f"{self._name}: its state {name} belongs to {array.size} {array.dtype} "
                    f"parameters, these are {size} {like.dtype}; use a new optimizer for them"
                )

    def _advance(self, pieces: list[Piece]) -> None:
        """One update of every piece."""
        lr = self.learning_rate()
        if self.l2 or self.clip_norm is not None or self.clip_value is not None:
            pieces = self._treat(pieces)
        self.steps += 1
        states = self.state.values()
        for run, p, g in pieces:
            rate = lr * run.scale
            if self.weight_decay and run.decays:
                p *= 1 - rate * self.weight_decay
            own = [array[run.where].reshape(p.shape) for array in (self._scratch, *states)]
            self.rule(p, g, rate, *own)

    def _treat(self, pieces: list[Piece]) -> list[Piece]:
        """The pieces with gradients that hold l2 and are clipped; those given stay as they are."""
        treated = [
            (run, p, g + self.l2 * p if run.decays and self.l2 else g.copy())
            for run, p, g in pieces
        ]
        gradients = [g for _, _, g in treated]
        if self.clip_value is not None:
            clip_by_value(gradients, self.clip_value)
        if self.clip_norm is not None:
            clip_by_norm(gradients, self.clip_norm)
        return treated
