"""Other instances of a subject: made as it was made, with some arguments changed."""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
import traceback
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice, product
from typing import Any

import numpy as np

from handgrad.subject import copying
from handgrad.subject.adapt import Pair, Subject, paired
from handgrad.subject.outside import cells
from handgrad.subject.parameters import attributes, put, reach
from handgrad.subject.sandbox import SubjectError

_LISTED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_PLAIN = (int, float, str, np.number)  # bool is an int


@dataclass(frozen=True)
class Recipe:
    """A constructor, or a function that makes layers, and arguments that make one like this."""

    make: Callable[..., Any]
    given: dict[str, Any]

    def choices(self, name: str) -> list[Any]:
        """The other values of an argument, where its annotation lists them all."""
        try:
            hint = inspect.signature(self.make, eval_str=True).parameters[name].annotation
        except Exception:  # a name that is not defined there; one of **keywords; no signature
            return []
        listed = typing.get_args(hint) if typing.get_origin(hint) is typing.Literal else ()
        return [value for value in listed if value != self.given[name]]


def recipe(subject: Subject) -> Recipe | None:
    """How a subject like this one is made; None where that is not known."""
    thing = subject.thing
    if isinstance(thing, types.ModuleType):
        return None
    factory = _factory(thing)
    if factory is not None:
        return _filled(subject, factory, _closed_over(thing))
    if isinstance(thing, Pair):
        return _keywords(thing)
    given = {}
    if isinstance(subject.maker, functools.partial):
        with contextlib.suppress(TypeError):  # a signature that is not known
            bound = _signature(type(thing)).bind(*subject.maker.args, **subject.maker.keywords)
            given = dict(bound.arguments)
    return _filled(subject, type(thing), attributes(thing), given)


def _signature(make: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(make)
    except (ValueError, TypeError):  # written in C
        return inspect.Signature()


def _filled(
    subject: Subject,
    make: Callable[..., Any],
    held: dict[str, Any],
    given: dict[str, Any] | None = None,
) -> Recipe | None:
    """The arguments: those given, what is held under their names, defaults, and lengths."""
    given, unknown = dict(given or {}), []
    parameters = _signature(make).parameters.values()
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):  # how many there were is not kept
        return None
    for p in parameters:
        found = [n for n in (p.name, f"_{p.name}", f"{p.name}_") if n in held]
        if p.kind not in _LISTED or p.name in given:
            continue
        if found and not isinstance(held[found[0]], types.MethodType):
            given[p.name] = held[found[0]]
        elif p.default is p.empty or isinstance(p.default, bool):  # a switch leaves its traces
            unknown.append(p)
        else:
            given[p.name] = p.default
    if any(p.kind is p.VAR_KEYWORD for p in parameters):  # any attribute may be one
        given |= {n: v for n, v in held.items() if isinstance(v, _PLAIN) and n not in given}
    return _guessed(subject, Recipe(make, given), unknown) if unknown else Recipe(make, given)


def _guessed(subject: Subject, known: Recipe, unknown: list[inspect.Parameter]) -> Recipe | None:
    """Arguments kept under other names, or as lengths: those that make the same arrays."""
    held = {n: v for n, v in attributes(subject.thing).items() if isinstance(v, np.ndarray)}
    shapes = {n: np.shape(subject.get(n)) for n in subject.parameters}
    lengths = {n for shape in shapes.values() for n in shape}
    values = [*sorted(lengths), *list(held.values())[:3]]
    options = [values if p.default is p.empty else (p.default, not p.default) for p in unknown]
    for chosen in islice(product(*options), 300):
        names = [p.name for p in unknown]
        tried = Recipe(known.make, known.given | dict(zip(names, chosen)))
        other = constructed(subject, tried)
        if other is not None and shapes == {n: np.shape(other.get(n)) for n in shapes}:
            made = attributes(other.thing)
            if all(n in made and np.shape(made[n]) == v.shape for n, v in held.items()):
                return tried
    return None


def _functions(thing: Any) -> Iterator[types.FunctionType]:
    owners = [vars(c) for c in type(thing).__mro__] if not isinstance(thing, Pair) else []
    for value in [v for held in (getattr(thing, "__dict__", {}), *owners) for v in held.values()]:
        if isinstance(value, types.FunctionType):
            yield value


def _factory(thing: Any) -> Callable[..., Any] | None:
    """The function that has defined and returned a pair's functions, or the object's class.

    It has arguments, some of which are still seen, and is not at work: a test is no factory.
    """
    seen, at_work = _closed_over(thing), set()
    for frame in sys._current_frames().values():
        at_work |= {f.f_code for f, _ in traceback.walk_stack(frame)}
    called = (getattr(thing, n, None) for n in ("forward", "backward"))
    held = _functions(thing) if isinstance(thing, Pair) else called  # and no helpers it keeps
    for function in [getattr(f, "__func__", f) for f in held]:
        if not isinstance(function, types.FunctionType):
            continue
        name, _, inside = function.__qualname__.partition(".<locals>.")
        made = function.__globals__.get(name)
        if inside and isinstance(made, types.FunctionType) and made.__code__ not in at_work:
            return made if seen.keys() & set(_signature(made).parameters) else None
    return None


def _closed_over(thing: Any) -> dict[str, Any]:
    """Variables of the factory that functions still see."""
    held = {n: c.cell_contents for f in _functions(thing) for n, c in cells(f).items()}
    return {n: v for n, v in held.items() if isinstance(v, _PLAIN)}


def _keywords(pair: Pair) -> Recipe | None:
    """The arguments beside inputs that two plain functions have values for."""
    both = (pair.forward_function, pair.backward_function)
    accepted = [_signature(f).parameters for f in both]
    given = {n: p.default for n, p in accepted[0].items() if isinstance(p.default, _PLAIN)}

    def make(**chosen: Any) -> Pair:
        own = [{n: v for n, v in chosen.items() if n in names} for names in accepted]
        forward, backward = (functools.partial(f, **k) for f, k in zip(both, own))
        return paired(forward, backward, pair.reading.cache_at)

    return Recipe(make, given) if given else None


def constructed(subject: Subject, how: Recipe) -> Subject | None:
    """The subject made in this way, in float64; parameters that fit are carried over."""
    given = {n: copying.duplicate(v) for n, v in how.given.items()}
    try:
        thing = subject.sandbox.call("constructor", functools.partial(how.make, **given))
    except SubjectError:  # it refuses them
        return None
    if isinstance(thing, tuple) and len(thing) == 2 and all(map(callable, thing)):
        thing = paired(*thing)
    if not all(callable(getattr(thing, m, None)) for m in ("forward", "backward")):
        return None
    for name, parameter in subject.parameters.items():
        value, now = subject.get(name), reach(thing, parameter.path)
        if isinstance(now, np.ndarray) and now.shape == value.shape and name not in given:
            put(thing, parameter.path, value.astype(now.dtype))
    made = subject.around(thing)
    return made.without_casts() if subject.wide else made.cast(np.float64)


def sibling(subject: Subject) -> Subject | None:
    """Another instance made by the constructor itself; None where that cannot be done."""
    how = recipe(subject)
    return None if how is None else constructed(subject, how)


def call_settings(subject: Subject, inputs: list[Any]) -> list[Any]:
    """Values that forward takes after its inputs, where nothing is given for them."""
    if isinstance(subject.thing, Pair):  # their arguments are in the recipe
        return []
    parameters = list(_signature(subject.thing.forward).parameters.values())[len(inputs) :]
    plain = all(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters)
    return [p.default for p in parameters] if plain else []
