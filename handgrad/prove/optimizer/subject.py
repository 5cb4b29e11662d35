"""Any optimizer as one thing: fresh runs of it, each on parameters of its own.

    update(params, grads)    dicts, lists or one array, changed in place or returned; also step()
    Class(params)            then step() with gradients in p.grad, or step(grads)
    torch.optim              on torch Parameters in float64

How a rule is called is found by trying: the first way in which it moves a parameter.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.copying import duplicate
from handgrad.prove.sandbox import Sandbox, SubjectError

Arrays = Mapping[str, Array]
LR = 0.01  # for a constructor that asks for one


class Box:
    """A parameter with `data` and `grad`, as small libraries have it."""

    def __init__(self, data: Array):
        self.data, self.grad = data, None


class Way(NamedTuple):
    """How a rule is made from its parameters, and in which form these are: see FORMS."""

    make: Callable[[Any], Any]
    form: str


def _boxed(params: Arrays) -> list:
    return [Box(p) for p in params.values()]


def _tensors(params: Arrays) -> list:
    torch = sys.modules["torch"]
    return [torch.nn.Parameter(torch.tensor(p)) for p in params.values()]


FORMS: dict[str, Callable[[Arrays], Any]] = {
    "dict": dict,
    "list": lambda params: list(params.values()),
    "array": lambda params: next(iter(params.values())),
    "boxes": _boxed,
    "torch": _tensors,
}


class Run:
    """A fresh rule and its parameters; `wrote` says which gradient it has written into."""

    def __init__(self, way: Way, arrays: Arrays, sandbox: Sandbox):
        self.names, self.form, self.sandbox, self.wrote = list(arrays), way.form, sandbox, ""
        self.held = FORMS[way.form]({name: array.copy() for name, array in arrays.items()})
        self.rule = sandbox.call("the constructor", way.make, self.held)

    def step(self, grads: Mapping[str, Array | None]) -> None:
        """One update; a gradient that is None is left out of a dict, and None elsewhere."""
        before = [(name, g, g.tobytes()) for name, g in grads.items() if g is not None]
        self.sandbox.call("the update", self._update, grads)
        self.wrote = next((name for name, g, was in before if g.tobytes() != was), self.wrote)

    def _update(self, grads: Mapping[str, Array | None]) -> None:
        update = next(
            (m for n in ("update", "step") if (m := getattr(self.rule, n, None))), self.rule
        )
        if self.form in ("boxes", "torch"):
            for p, g in zip(self.held, (grads[name] for name in self.names)):
                p.grad = (
                    g if g is None or self.form == "boxes" else sys.modules["torch"].from_numpy(g)
                )
            getattr(self.rule, "step", update)()
            return
        if self.form == "dict":
            given: Any = {name: g for name, g in grads.items() if g is not None}
        else:
            given = FORMS[self.form]({name: grads[name] for name in self.names})
        new = update(self.held, given)
        if isinstance(new, type(self.held)) or isinstance(new, tuple) and self.form == "list":
            self.held = list(new) if self.form == "list" else new

    def cell(self, name: str) -> Any:
        """The parameter as it is held: an array, or an array of the other library."""
        if self.form == "array":
            return self.held
        cell = self.held[name if self.form == "dict" else self.names.index(name)]
        return (
            cell.data if self.form == "boxes" else cell.detach() if self.form == "torch" else cell
        )

    def values(self) -> dict[str, Array]:
        """The parameters, as they are now, copied."""
        return {name: np.array(self.cell(name)) for name in self.names}

    def reset(self, arrays: Arrays) -> None:
        """Give the parameters other values, in place."""
        for name, array in arrays.items():
            self.cell(name)[...] = (
                array if self.form != "torch" else sys.modules["torch"].tensor(array)
            )


def ways(thing: Any) -> Iterator[Way]:
    """All ways in which a rule might have to be called, the likeliest first."""
    torch = sys.modules.get("torch")
    if isinstance(thing, str):
        thing = import_module("handgrad.optim").make_optimizer(thing)  # the room beside this one
    if torch and isinstance(thing, torch.optim.Optimizer):
        kind, options = type(thing), dict(thing.defaults)
        yield Way(lambda held: kind(held, **options), "torch")
        return
    of_torch = torch and isinstance(thing, type) and issubclass(thing, torch.optim.Optimizer)
    forms = ("dict", "list", "array", "boxes") if not of_torch else ()
    if not isinstance(thing, type) and hasattr(thing, "update") | hasattr(thing, "step"):
        yield from (Way(lambda held: duplicate(thing), form) for form in forms[:3])
        return
    makers: list[Callable] = [lambda held: thing(), lambda held: thing(LR)]
    yield from (Way(make, form) for make, form in itertools.product(makers, forms[:3]))
    if not isinstance(thing, type):  # itself a function of params and grads
        yield from (Way(lambda held: duplicate(thing), form) for form in forms[:3])
    makers = [lambda held: thing(held), lambda held: thing(held, LR)]
    bound = ("boxes", "list", "dict", "array") if forms else ()
    for form in (*bound, "torch") if torch else bound:
        yield from (Way(_bound(make, form), form) for make in makers)


def _bound(make: Callable, form: str) -> Callable:
    """A rule that is given its parameters when it is made, and only gradients in an update."""

    def bound(held: Any) -> Any:
        rule = make(held)
        if form in ("boxes", "torch"):
            return rule
        update = next(m for n in ("update", "step") if (m := getattr(rule, n, None)))
        return Held(rule, update)

    return bound


class Held:
    """A rule whose update takes the gradients alone."""

    def __init__(self, rule: Any, update: Callable):
        self.__dict__.update(rule=rule, update=lambda held, grads: update(grads))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["rule"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.__dict__["rule"], name, value)


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
    if idle is None:
        raise next((e for e in errors if is_own(e)), errors[0])
    return idle


def is_own(error: SubjectError) -> bool:
    """Whether an error lies in the rule itself, however it is called: a name it does not have."""
    cause = error.__cause__
    home = type(getattr(cause, "obj", None)).__module__.split(".")[0]
    strange = isinstance(cause, AttributeError) and home not in ("builtins", "numpy", "torch")
    return (
        isinstance(cause, NameError | ZeroDivisionError)
        or strange
        and not isinstance(cause.obj, Box)
    )
