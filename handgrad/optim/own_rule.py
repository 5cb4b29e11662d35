"""OwnRule: an object with `update(params, grads)`, met by shape, as an optimizer of a network."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError
from handgrad.optim.optimizer import LearningRate, Optimizer
from handgrad.optim.schedules import Schedule
from handgrad.protocols import OptimizerLike


class OwnRule(Optimizer):
    """Calls `own.update(params, grads)`, as by hand, with the parameters that are not frozen.

    params and grads: dicts of arrays under the same paths, as in `network.named_parameters()`.
    What the rule changes in place, puts into params or returns as a dict is taken over.
    Its learning rate is `own.lr`, a number or a schedule, and NaN where there is none.
    Its state is what its `state_dict` and `load_state_dict` say, else all of its attributes.

    Raises ValueError for what is no such rule or returns something else, and for state that is
    not made of numbers, text, arrays, and dicts, lists and tuples of them.
    """

    l2 = 0.0

    def __init__(self, own: OptimizerLike):
        _require_rule(own)
        self.own: Any = own
        self.steps, self.state = 0, {}

    @property
    def lr(self) -> LearningRate:  # type: ignore[override]
        """The rule's own learning rate, as it is now."""
        lr = getattr(self.own, "lr", math.nan)
        return lr if isinstance(lr, Schedule) else float(lr) if isinstance(lr, Real) else math.nan

    def learning_rate(self, after: int | None = None) -> float:
        lr = self.lr
        return lr(self.steps if after is None else after) if callable(lr) else lr

    def step(self, network: Any) -> None:
        params, grads = (
            {path: array[start:stop].reshape(shape)
             for path, start, stop, shape in network.layout if path not in network.frozen}
            for array in (network.parameters, network.gradients)
        )  # fmt: skip
        held = dict(params)
        returned = self.own.update(params, grads)
        self._take(held, params if returned is None else returned)
        self.steps += 1

    def _take(self, held: Mapping[str, Array], new: Any) -> None:
        """Write the arrays that the rule made anew into the network's."""
        if not isinstance(new, Mapping) or new.keys() != held.keys():
            raise ValueError(
                f"{self._name}: update must change the arrays in params, or return a dict with the "
                f"same keys, got {type(new).__name__}"
                + (f" with {', '.join(map(str, new))}" if isinstance(new, Mapping) else "")
            )
        for path, p in held.items():
            if np.shape(new[path]) != p.shape:
                raise ShapeError(
                    f"{self._name}: update made {path} of shape {p.shape} one of "
                    f"{np.shape(new[path])}"
                )
        for path, p in held.items():
            if new[path] is not p:
                p[...] = new[path]

    def state_dict(self) -> dict[str, Any]:
        own = self.own.state_dict() if self._says_state else getattr(self.own, "__dict__", None)
        return {"steps": self.steps, "own": _kept(own, f"optimizer: the state of {self._name}")}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.steps = int(state["steps"])
        if self._says_state:
            self.own.load_state_dict(state["own"])
            return
        mine = vars(self.own)
        mine |= {name: _like(value, mine.get(name)) for name, value in state["own"].items()}

    def __repr__(self) -> str:
        return repr(self.own)

    @property
    def _says_state(self) -> bool:
        return all(hasattr(self.own, name) for name in ("state_dict", "load_state_dict"))

    @property
    def _name(self) -> str:
        return type(self.own).__name__


def _require_rule(own: Any) -> None:
    """Raise ValueError unless `own` is an object whose update takes params and grads."""
    needed = "optimizer: an optimizer such as Adam(0.001), its name 'adam', or an object with " \
             "update(params, grads) is needed"  # fmt: skip
    name = repr(own) if isinstance(own, Real | str) else type(own).__name__
    if isinstance(own, type):
        raise ValueError(f"{needed}, got the class {own.__name__}; give an instance of it")
    update = getattr(own, "update", None)
    if not callable(update):
        module = type(own).__module__.partition(".")[0]
        whose = f" of {module}" if module in ("torch", "keras", "tensorflow") else ""
        raise ValueError(f"{needed}, got {name}{whose}, which has no update")
    try:
        signature = inspect.signature(update)
        signature.bind({}, {})
    except (TypeError, ValueError):  # other arguments, or a method in C, which says none
        shown = str(signature) if "signature" in locals() else "(…)"
        raise ValueError(f"{needed}, got {name}, with update{shown}") from None


def _kept(value: Any, where: str) -> Any:
    """A copy of plain data; scalars of NumPy as arrays, which keep their dtype in a file."""
    if type(value) in (type(None), bool, int, float, str):
        return value
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "fiub":
        return np.array(value)
    if isinstance(value, Schedule):
        return _kept(value.state_dict(), where)
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _kept(v, f"{where}.{key}") for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_kept(v, f"{where}[{i}]") for i, v in enumerate(value)]
    raise ValueError(
        f"{where} cannot be saved: {type(value).__name__} is not made of numbers, text and arrays; "
        "state_dict() and load_state_dict(state) of the rule would say what to keep"
    )


def _like(value: Any, present: Any) -> Any:
    """A copy of what `_kept` gave, of the type that the rule has now."""
    if isinstance(present, Schedule):
        present.load_state_dict(value)
        return present
    if isinstance(value, np.ndarray):
        return np.array(value)
    if isinstance(value, dict):
        made = copy.copy(present) if isinstance(present, dict) else {}  # perhaps a defaultdict
        made.clear()
        return made | {key: _like(v, None) for key, v in value.items()}
    if isinstance(value, list):
        entries = [_like(v, None) for v in value]
        return tuple(entries) if isinstance(present, tuple) else entries
    return value
