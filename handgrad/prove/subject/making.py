"""Other instances of a subject: made by its constructor, or with a number changed in place."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np

from handgrad.prove.subject import copying
from handgrad.prove.subject.adapt import Pair, Subject
from handgrad.prove.subject.parameters import attributes, put, reach
from handgrad.prove.subject.sandbox import SubjectError

_LISTED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


def recipe(subject: Subject) -> dict[str, Any] | None:
    """Arguments by name with which the constructor makes a subject like this one; None without."""
    thing = subject.thing
    if isinstance(thing, Pair | types.ModuleType | types.SimpleNamespace):
        return None
    try:
        signature = inspect.signature(type(thing))
    except (ValueError, TypeError):  # written in C
        return None
    held, given, unknown = attributes(thing), dict[str, Any](), []
    if isinstance(subject.maker, functools.partial):
        given = dict(signature.bind(*subject.maker.args, **subject.maker.keywords).arguments)
    for p in signature.parameters.values():
        if p.kind not in _LISTED or p.name in given:
            continue
        found = [n for n in (p.name, f"_{p.name}", f"{p.name}_") if n in held]
        if found and not isinstance(held[found[0]], types.MethodType):
            given[p.name] = held[found[0]]
        elif p.default is not p.empty:
            given[p.name] = p.default
        else:
            unknown.append(p.name)
    if not unknown:
        return given
    return _guessed(subject, given, unknown)


def _guessed(subject: Subject, given: dict[str, Any], unknown: list[str]) -> dict[str, Any] | None:
    """Lengths that were not kept: those with which the parameters get the shapes that they have."""
    shapes = {n: np.shape(subject.get(n)) for n in subject.parameters}
    lengths = sorted({n for shape in shapes.values() for n in shape})
    for values in product(lengths, repeat=len(unknown)) if len(unknown) < 4 else ():
        args = given | dict(zip(unknown, values))
        other = constructed(subject, args)
        if other is not None and all(np.shape(other.get(n)) == s for n, s in shapes.items()):
            return args
    return None


def constructed(subject: Subject, args: dict[str, Any]) -> Subject | None:
    """The subject made with these arguments, in float64; parameters that fit are carried over."""
    given = {n: copying.duplicate(v) for n, v in args.items()}
    try:
        thing = subject.sandbox.call("constructor", functools.partial(type(subject.thing), **given))
    except SubjectError:  # it refuses them
        return None
    if not all(callable(getattr(thing, m, None)) for m in ("forward", "backward")):
        return None
    for name, parameter in subject.parameters.items():
        value, now = subject.get(name), reach(thing, parameter.path)
        if isinstance(now, np.ndarray) and now.shape == value.shape and name not in args:
            put(thing, parameter.path, value.astype(now.dtype))
    return subject.around(thing).cast(np.float64)


def sibling(subject: Subject) -> Subject | None:
    """Another instance made by the constructor itself; None where that cannot be done."""
    args = recipe(subject)
    return None if args is None else constructed(subject, args)


def strings_known(subject: Subject) -> list[str]:
    """Words that forward or the constructor compare with: names of modes."""
    found: set[str] = set()
    for method in (type(subject.thing).__init__, getattr(type(subject.thing), "forward", None)):
        constants = getattr(getattr(method, "__code__", None), "co_consts", ())[1:]
        for c in constants:
            words = c if isinstance(c, tuple | frozenset) else (c,)
            found |= {w for w in words if isinstance(w, str)}
    return sorted(c for c in found if c.isidentifier())


def numbers_held(subject: Subject) -> Iterator[tuple[str, Any, Callable[[Any, Any], None]]]:
    """Numbers that the object, its class or its closures hold, with a function that puts others."""
    thing = subject.thing
    names = {n: v for c in reversed(type(thing).__mro__) for n, v in vars(c).items()}
    for name, value in (names | attributes(thing)).items():
        if _is_number(value) and not name.startswith("__") and not isinstance(thing, Pair):
            yield name, value, functools.partial(_set, name)
    for path, function in _closures(thing):
        for k, cell in enumerate(function.__closure__ or ()):
            name = function.__code__.co_freevars[k]
            if _is_number(cell.cell_contents):
                yield name, cell.cell_contents, functools.partial(_set_cell, path, k)


def _closures(thing: Any) -> Iterator[tuple[str, types.FunctionType]]:
    seen: set[int] = set()
    for name, value in getattr(thing, "__dict__", {}).items():
        if isinstance(value, types.FunctionType):
            new = [id(c) for c in value.__closure__ or () if id(c) not in seen]
            seen.update(new)
            if new:
                yield name, value


def _set(name: str, thing: Any, value: Any) -> None:
    object.__setattr__(thing, name, value)


def _set_cell(path: str, k: int, thing: Any, value: Any) -> None:
    vars(thing)[path].__closure__[k].cell_contents = value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | bool | np.number) and not isinstance(value, np.ndarray)
