"""Any optimizer as one thing: fresh runs of it, each on parameters of its own.

    update(params, grads)    dicts, lists or one array, changed in place or returned
    Class(params)            then step() with gradients in p.grad, or step(grads)
    torch.optim              on torch Parameters

How a rule is called is found by trying: the first way in which it moves a parameter.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from handgrad.arrays import Array
from handgrad.optim import make_optimizer
from handgrad.subject.copying import duplicate
from handgrad.subject.sandbox import Sandbox, SubjectError

Arrays = Mapping[str, Array]
LR = 0.01  # for a constructor that asks for one


class Box:
    """A parameter with `data` and `grad`, as small libraries have it."""

    def __init__(self, data: Any):
        self.data, self.grad = data, None


class Way(NamedTuple):
    """How a rule is made from its parameters, their form, and whether it then holds them."""

    make: Callable[[Any], Any]
    form: str
    held: bool = False


def _cells(form: str, arrays: Arrays) -> Any:
    """Parameters, or their gradients, in the form that a rule takes."""
    values = list(arrays.values())
    if form == "torch":
        return [sys.modules["torch"].nn.Parameter(sys.modules["torch"].tensor(p)) for p in values]
    forms = {"dict": dict(arrays), "array": values[0], "boxes": [Box(p) for p in values]}
    return forms.get(form, values)


def _values(params: Any) -> list[Any]:
    return [*(params.values() if isinstance(params, dict) else params)]


class Run:
    """A fresh rule and its parameters; wrote: an entry of a gradient that it changed."""

    def __init__(self, way: Way, arrays: Arrays, sandbox: Sandbox):
        self.names, self.way, self.sandbox = list(arrays), way, sandbox
        self.wrote: tuple[float, float] | None = None
        self.params = _cells(way.form, {name: array.copy() for name, array in arrays.items()})
        self.shapes = {name: array.shape for name, array in arrays.items()}
        self.rule = sandbox.call("the constructor", way.make, self.params)

    def step(self, grads: Mapping[str, Array | None]) -> None:
        """One update; a gradient that is None is left out of a dict, and None elsewhere."""
        before = [(g, g.copy()) for g in grads.values() if g is not None]
        self.sandbox.call("the update", self._update, grads)
        for name, value in self.values().items():
            if value.shape != self.shapes[name]:
                text = f"A parameter {self.shapes[name]} becomes one {value.shape}"
                raise SubjectError("shape", text)
        for g, was in before:
            if g.tobytes() != was.tobytes():
                e = int(np.argmax(g != was))
                self.wrote = (float(was.flat[e]), float(g.flat[e]))

    def _update(self, grads: Mapping[str, Any]) -> None:
        order = ("step", "update") if self.way.form in ("boxes", "torch") else ("update", "step")
        update = next((m for n in order if (m := getattr(self.rule, n, None))), self.rule)
        if not callable(update):
            raise TypeError("there is neither update(params, grads) nor step()")
        if self.way.form in ("boxes", "torch"):
            convert = sys.modules["torch"].from_numpy if self.way.form == "torch" else np.asarray
            for p, name in zip(self.params, self.names):
                p.grad = None if grads[name] is None else convert(grads[name])
            update()
            return
        if self.way.form == "dict":
            grads = {name: g for name, g in grads.items() if g is not None}
        else:
            grads = {name: grads[name] for name in self.names}
        given = _cells(self.way.form, grads)
        new = update(given) if self.way.held else update(self.params, given)
        kind = list | tuple if self.way.form == "list" else type(self.params)
        if isinstance(new, kind) and all(hasattr(p, "shape") for p in _values(new)):
            self.params = list(new) if self.way.form == "list" else new

    def cell(self, name: str) -> Any:
        """The parameter as it is held: an array, NumPy's or the other library's."""
        if self.way.form == "array":
            return self.params
        cell = self.params[name if self.way.form == "dict" else self.names.index(name)]
        return getattr(cell, "data", cell) if self.way.form in ("boxes", "torch") else cell

    def values(self) -> dict[str, Array]:
        """The parameters, as they are now, copied."""
        return {name: np.array(self.cell(name)) for name in self.names}

    def reset(self, arrays: Arrays) -> None:
        """Give the parameters other values, in place."""
        for name, array in arrays.items():
            torch = self.way.form == "torch"
            self.cell(name)[...] = sys.modules["torch"].tensor(array) if torch else array


def ways(thing: Any) -> Iterator[Way]:
    """All ways in which a rule might have to be called, the likeliest first."""
    torch = sys.modules.get("torch")
    if isinstance(thing, str):
        thing = make_optimizer(thing)
    if torch and isinstance(thing, torch.optim.Optimizer):
        yield Way(lambda params: type(thing)(params, **thing.defaults), "torch", True)
        return  # an object with the same options
    forms = ("dict", "list", "array")
    made = hasattr(thing, "update") or hasattr(thing, "step") or not callable(thing)
    if made and not isinstance(thing, type):
        yield from (Way(lambda _: duplicate(thing), form) for form in forms)
        return
    if not (torch and isinstance(thing, type) and issubclass(thing, torch.optim.Optimizer)):
        makers: list[Callable[..., Any]] = [lambda _: thing(), lambda _: thing(LR)]
        if not isinstance(thing, type):  # perhaps itself a function of params and grads
            makers.append(lambda _: duplicate(thing))
        yield from itertools.starmap(Way, itertools.product(makers, forms))
    if torch:  # its first optimizer imports much of it, for seconds: not on the rule's time
        torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))])
    for form in ("boxes", "list", "dict", "torch") if torch else ("boxes", "list", "dict"):
        yield Way(thing, form, True)
        yield Way(lambda params: thing(params, LR), form, True)


def find_way(thing: Any, sandbox: Sandbox) -> Way:
    """The first way in which a rule moves a parameter; else the first that raises nothing.

    Raises SubjectError, if every way ends in an error: the rule's own, if there is one.
    """
    p = np.linspace(-1, 1, 12).reshape(4, 3)
    errors: list[SubjectError] = []
    idle = None
    for way in ways(thing):
        try:
            run = Run(way, {"W": p}, sandbox)
            for _ in range(2):
                run.step({"W": p + 0.3})
        except SubjectError as error:
            errors.append(error)
            continue
        if not np.array_equal(run.values()["W"], p):
            return way
        idle = idle or way
    own = [error for error in errors if is_own(error)]
    if idle is None or any(error.phase == "shape" for error in own):
        raise (own or errors)[0]
    return idle


def is_own(error: SubjectError) -> bool:
    """Whether an error lies in the rule itself, however it is called."""
    cause = error.__cause__
    if isinstance(cause, AttributeError) and not isinstance(cause.obj, Box):
        return type(cause.obj).__module__.split(".")[0] not in ("builtins", "numpy", "torch")
    return error.phase == "shape" or isinstance(cause, NameError | ZeroDivisionError)
