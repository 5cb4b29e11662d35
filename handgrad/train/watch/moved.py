"""Why a weight moves: one update of one weight, as a sum of what the rule adds up.

    Δw = gradient + l2 + clipping + schedule + lr_scale + momentum + scaling + decay + rounding

With η₀ the learning rate of the first update, η the present one, s the weight's lr_scale, g the
gradient of the data and ĝ what l2 and clipping make of it: −η₀ g, −η₀ λ w, −η₀ (ĝ − g − λ w),
−(η − η₀) ĝ and −(s − 1) η ĝ are together −s η ĝ, the step of SGD. Momentum is what the mean of
the gradients puts in place of ĝ, scaling what a rule makes of that by the sizes of gradients.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.inside import untouched
from handgrad.layer import slots
from handgrad.network import Network
from handgrad.optim import (
    SGD,
    AdaDelta,
    AdaGrad,
    Adam,
    AdamW,
    AMSGrad,
    Lion,
    Momentum,
    NAdam,
    Nesterov,
    Optimizer,
    RAdam,
    RMSProp,
    clip_by_norm,
    clip_by_value,
)
from handgrad.optim.full_batch import FullBatch
from handgrad.optim.own_rule import OwnRule
from handgrad.train.checks import check_optimizer
from handgrad.train.engine import NumPyEngine, TrainState, prepared
from handgrad.train.engine.numpy_engine import Gradients


@dataclass(frozen=True)
class Part:
    """A summand of an update: its name, what it is in a formula with numbers, and its value."""

    name: str
    formula: str
    value: float


@dataclass(frozen=True)
class Move:
    """One update of one weight; the values of the parts sum to after − before.

    step: updates made before it. rule: the optimizer's name.
    """

    path: str
    index: tuple[int, ...]
    step: int
    rule: str
    before: float
    after: float
    parts: list[Part]

    @property
    def update(self) -> float:
        """after − before."""
        return self.after - self.before

    def __getitem__(self, name: str) -> float:
        """The value of a part; 0 where there is none of this name."""
        return sum(part.value for part in self.parts if part.name == name)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, fit for JSON."""
        return asdict(self)

    def __str__(self) -> str:
        at = ", ".join(map(str, self.index))
        rows = [(p.name, p.formula, f"{p.value:+.6g}") for p in self.parts]
        rows.append(("update", "", f"{self.update:+.6g}"))
        widths = [max(len(row[i]) for row in rows) for i in range(3)]
        lines = [f"  {a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
        rule = "  " + "─" * (sum(widths) + 4)
        head = (
            f"{self.path}[{at}], update {self.step + 1:,} by {self.rule}: "
            f"{self.before:.6g} → {self.after:.6g}"
        )
        return "\n".join([head, *lines[:-1], rule, lines[-1]])


def why_moved(
    subject: Any, path: str, index: int | Sequence[int] = (), *, optimizer: Any = None
) -> Move:
    """The next update of one weight, split into its parts; nothing is changed.

    subject: a `Trainer`, of whose next update the gradient is computed; or a network after a
    backward, and the optimizer whose `step(network)` it is about.
    path: of the parameter, as in `network.named_parameters()`; index: of the weight in it.

    Raises ValueError for a path or an index that is not there, for a network without an
    optimizer, and for one of full batches without its Trainer.
    """
    trainer = None if isinstance(subject, Network) else subject
    if trainer is not None and not hasattr(trainer, "task"):
        raise ValueError(
            f"why_moved: a Trainer, or a network and its optimizer, is needed, got {subject!r:.60}"
        )
    if trainer is None and optimizer is None:
        raise ValueError("why_moved: a network needs optimizer=, the rule that is to move it")
    network = subject if trainer is None else trainer.network
    rule = check_optimizer(optimizer) if trainer is None else trainer.state.optimizer
    if trainer is not None:
        network.build(trainer.x[: trainer.task.batch])
    k, at = _find(network, path, index)
    gradients = network.gradients.copy() if trainer is None else _next_gradients(trainer)
    after = _after(network, rule, gradients, trainer)
    before = float(network.parameters[k])
    parts = _parts(network, rule, gradients, k)
    rest = float(after[k]) - before - sum(part.value for part in parts)
    whole = isinstance(rule, FullBatch | OwnRule) or not parts or _mean(rule) is None
    if whole and parts:
        parts.append(Part("rule", f"what {type(rule).__name__} makes of it", rest))
    elif rest:
        parts.append(Part("rounding", str(network.parameters.dtype), rest))
    name = type(getattr(rule, "own", rule)).__name__
    return Move(path, at, rule.steps, name, before, float(after[k]), parts)


def _find(network: Network, path: str, index: int | Sequence[int]) -> tuple[int, tuple[int, ...]]:
    """The weight's number in the flat arrays, and its index."""
    shapes = {p: (start, shape) for p, start, _, shape in network.layout}
    if path not in shapes:
        known = ", ".join(shapes)
        raise ValueError(f"why_moved: no parameter is called {path!r}; there are {known}")
    start, shape = shapes[path]
    at = (index,) if isinstance(index, int | np.integer) else tuple(index)
    if len(at) != len(shape) or not all(
        isinstance(i, int | np.integer) and -n <= i < n for i, n in zip(at, shape)
    ):
        raise ValueError(
            f"why_moved: {path} has the shape {shape}; the index of one weight in it is needed, "
            f"got {index!r}"
        )
    at = tuple(int(i) % n for i, n in zip(at, shape))
    return start + sum(i * math.prod(shape[d + 1 :]) for d, i in enumerate(at)), at


@contextmanager
def _gradients_kept(network: Network) -> Iterator[None]:
    """Inside, backward may run; afterwards the layers have the gradients that they had."""
    kept = [(slot, slot.grad) for slot in slots(network)]
    try:
        with untouched(network):
            yield
    finally:
        for slot, gradient in kept:
            slot.set_grad(gradient)


def _next_gradients(trainer: Any) -> Array:
    """The gradient of the next update, as the NumPy engine computes it."""
    engine = NumPyEngine()
    with _gradients_kept(trainer.network), trainer.network.mode(True):
        engine.prepare(trainer.task, trainer.state)
        return engine.gradients(trainer.state.position)[0].copy()


def _after(network: Network, rule: Optimizer, gradients: Array, trainer: Any) -> Array:
    """The parameters after the update, made by a copy of the rule on copies."""
    rule = copy.deepcopy(rule)
    if not isinstance(rule, FullBatch):
        p = network.parameters.copy()
        rule.step(Gradients(p, gradients, network.layout, network.frozen))
        return p
    if trainer is None:
        name = type(rule).__name__
        raise ValueError(f"why_moved: {name} looks at all data; give the Trainer instead")
    kept, p = network.parameters.copy(), network.parameters
    state = TrainState(network, rule, [], trainer.seed, trainer.task.batch)
    try:
        with _gradients_kept(network), network.mode(True):
            prepared(None, "numpy", trainer.task, state).advance(1)
            return p.copy()
    finally:
        p[...] = kept


def _parts(network: Network, rule: Optimizer, gradients: Array, k: int) -> list[Part]:
    """All parts but rounding; of rules that are not known, the gradient alone."""
    w, g = float(network.parameters[k]), float(gradients[k])
    if isinstance(rule, OwnRule):
        lr = rule.learning_rate()
        return [Part("gradient", f"-η g, η = {lr:g}, g = {g:.4g}", -lr * g)] if lr == lr else []
    runs = rule.runs(network)
    run = next((r for r in runs if r.where.start <= k < r.where.stop), None)
    if run is None:
        return []
    l2 = rule.l2 * w if run.decays else 0.0
    if isinstance(rule, FullBatch):
        return [Part("gradient", f"-g, g = {g:.4g}", -g), *_l2(rule, 1.0, w, l2)]
    first, lr = rule.learning_rate(0), rule.learning_rate()
    rate = lr * run.scale
    treated, limited = _treated(network, rule, gradients, runs, k)
    found = [Part("gradient", f"-η₀ g, η₀ = {first:g}, g = {g:.4g}", -first * g)]
    found += _l2(rule, first, w, l2)
    if treated != g + l2 and (rule.clip_norm is not None or rule.clip_value is not None):
        found.append(Part("clipping", limited, -first * (treated - g - l2)))
    if lr != first:
        found.append(Part("schedule", f"-(η - η₀) ĝ, η = {lr:g}", -(lr - first) * treated))
    if run.scale != 1:
        found.append(Part("lr_scale", f"-(s - 1) η ĝ, s = {run.scale:g}",
                          -(run.scale - 1) * lr * treated))  # fmt: skip
    found += _memory(rule, treated, rate, k)
    if rule.weight_decay and run.decays:
        found.append(Part("weight decay", f"-η λ w, λ = {rule.weight_decay:g}, w = {w:.4g}",
                          -rate * rule.weight_decay * w))  # fmt: skip
    return found


def _l2(rule: Optimizer, rate: float, w: float, l2: float) -> list[Part]:
    return [Part("l2", f"-η₀ λ w, λ = {rule.l2:g}, w = {w:.4g}", -rate * l2)] if l2 else []


def _treated(
    network: Network, rule: Optimizer, gradients: Array, runs: Any, k: int
) -> tuple[float, str]:
    """ĝ of the weight, as the rule gets it, and how it was clipped."""
    g, said = gradients.copy(), []
    for run in runs:
        if run.decays and rule.l2:
            g[run.where] += rule.l2 * network.parameters[run.where]
    pieces = [g[run.where] for run in runs]
    if rule.clip_value is not None:
        clip_by_value(pieces, rule.clip_value)
        said.append(f"to ±{rule.clip_value:g}")
    if rule.clip_norm is not None:
        norm = clip_by_norm(pieces, rule.clip_norm)
        said.append(f"norm {norm:.4g} to {min(norm, rule.clip_norm):.4g}")
    return float(g[k]), ", ".join(said)


def _memory(rule: Optimizer, g: float, rate: float, k: int) -> list[Part]:
    """Momentum and scaling: the rule itself, in float64, on this weight alone."""
    mean = _mean(rule)
    if mean is None:
        return []
    alone = copy.copy(rule)
    alone.steps = rule.steps + 1
    state = [np.full(1, float(array[k])) for array in rule.state.values()]
    without = mean(alone, g, rate, *(float(array[0]) for array in state))
    p = np.zeros(1)
    alone.rule(p, np.full(1, g), rate, np.zeros(1), *state)
    whole, found = float(p[0]), []
    if without + rate * g:
        found.append(
            Part("momentum", "the mean of the gradients, instead of ĝ", without + rate * g)
        )
    if whole - without:
        found.append(Part("scaling", "by the sizes of the gradients so far", whole - without))
    return found


def _adam(rule: Any, g: float, rate: float, m: float, *_: float) -> float:
    return float(-rate * (rule.beta1 * m + (1 - rule.beta1) * g) / (1 - rule.beta1**rule.steps))


def _nadam(rule: Any, g: float, rate: float, m: float, *_: float) -> float:
    (a,), (b,) = (x.tolist() for x in rule.shares(rule.steps))
    return float(-rate * (a * g + b * (rule.beta1 * m + (1 - rule.beta1) * g)))


def _plain(rule: Any, g: float, rate: float, *_: float) -> float:
    return -rate * g


# The step of each rule with its mean of gradients, but without its scaling.
MEANS: dict[type, Callable[..., float]] = {
    SGD: _plain, AdaGrad: _plain, RMSProp: _plain, AdaDelta: _plain,
    Momentum: lambda rule, g, rate, v: rule.momentum * v - rate * g,
    Nesterov: lambda rule, g, rate, v: rule.momentum * (rule.momentum * v - rate * g) - rate * g,
    Adam: _adam, AdamW: _adam, AMSGrad: _adam, RAdam: _adam, NAdam: _nadam,
    Lion: lambda rule, g, rate, m: -rate * (rule.beta1 * m + (1 - rule.beta1) * g),
}  # fmt: skip


def _mean(rule: Optimizer) -> Callable[..., float] | None:
    """That of the rule's class; None of one that has a rule of its own."""
    known: Any = next((c for c in type(rule).__mro__ if c in MEANS), Optimizer)
    return MEANS.get(known) if type(rule).rule is known.rule else None
