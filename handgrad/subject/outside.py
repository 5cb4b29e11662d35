"""What a subject keeps outside its instance, in classes, closures and modules, to be put back."""

from __future__ import annotations

import functools
import random
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from handgrad.subject.copying import duplicate
from handgrad.subject.parameters import attributes, owners

_LIBRARIES = ("builtins", "handgrad", "numpy", "abc", "typing", "torch", "jax", "functools")
_CODE: tuple[Any, ...] = (property, staticmethod, classmethod, functools.cached_property)
_CODE += (types.GetSetDescriptorType, types.MemberDescriptorType, types.ModuleType, type)
_UNCHANGING = (int, float, str, bool, bytes, tuple, frozenset, types.NoneType)
_GENERATORS = (np.random.Generator, np.random.RandomState, random.Random)


class Outside:
    """`cache = {}` in a class, a variable of a closure, a module's random generator."""

    def __init__(self, thing: Any):
        functions = list(_functions(thing))
        held = {id(c) for f in _own_functions(thing) for c in cells(f).values()}
        classes = {c for owner in owners(thing) for c in type(owner).__mro__ if _is_own(c)}
        self.classes = {
            c: {n: (v, duplicate(v)) for n, v in vars(c).items() if _is_data(n, v)} for c in classes
        }
        outer = {id(c): c for f in functions for c in cells(f).values() if id(c) not in held}
        self.cells = [(c, c.cell_contents, duplicate(c.cell_contents)) for c in outer.values()
                      if _can_be_put_back(c.cell_contents)]  # fmt: skip
        self.globals = {}
        for f in functions:
            for name in f.__code__.co_names:
                value = f.__globals__.get(name)
                if name in f.__globals__ and _can_be_put_back(value):
                    self.globals[id(f.__globals__), name] = (f.__globals__, value, duplicate(value))
        held_outside = [(own, value) for _, own, value in (*self.cells, *self.globals.values())]
        held_outside += [pair for names in self.classes.values() for pair in names.values()]
        self.streams = [(own, v) for own, v in held_outside if isinstance(own, _GENERATORS)]
        self.made_by_factory = any(not isinstance(c.cell_contents, type) for c in outer.values())

    def restore(self) -> None:
        for cls, held in self.classes.items():
            for name in [n for n, v in vars(cls).items() if _is_data(n, v) and n not in held]:
                delattr(cls, name)
            for name, (own, value) in held.items():
                if not (isinstance(value, _UNCHANGING) and vars(cls).get(name) is own):
                    setattr(cls, name, _refilled(own, value))
        for cell, own, value in self.cells:
            cell.cell_contents = _refilled(own, value)
        for (_, name), (module, own, value) in self.globals.items():
            module[name] = _refilled(own, value)

    def rewind(self) -> None:
        """Random generators outside are where they were, so that a forward can be repeated."""
        for own, value in self.streams:
            _refilled(own, value)

    def generators(self, thing: Any) -> list[Any]:
        """Every random generator that the subject can reach, in itself or outside."""
        held = [own for own, _ in self.streams]
        held += [v for owner in owners(thing) for v in _contents(owner)]
        held += [c.cell_contents for f in _own_functions(thing) for c in cells(f).values()]
        return list({id(g): g for g in held if isinstance(g, _GENERATORS)}.values())


def _contents(owner: Any) -> Iterator[Any]:
    for value in attributes(owner).values():
        yield value
        if isinstance(value, list | tuple):
            yield from value
        elif isinstance(value, dict):
            yield from value.values()


def _refilled(own: Any, content: Any) -> Any:
    """The same object as before with its first content: others may hold it too."""
    if isinstance(own, np.random.Generator):
        own.bit_generator.state = content.bit_generator.state
    elif isinstance(own, np.random.RandomState):
        own.set_state(content.get_state())
    elif isinstance(own, random.Random):
        own.setstate(content.getstate())
    elif isinstance(own, np.ndarray) and own.shape == np.shape(content):
        if not np.array_equal(own, content, equal_nan=own.dtype.kind in "fc"):
            own[...] = content
    elif isinstance(own, list):
        own[:] = duplicate(content)
    elif isinstance(own, dict):
        content = duplicate(content)
        own.clear()
        own.update(content)
    elif not isinstance(own, _UNCHANGING):
        return duplicate(content)
    return own


def _is_own(cls: type) -> bool:
    return cls.__module__.split(".")[0] not in _LIBRARIES


def _is_data(name: str, value: Any) -> bool:
    return not (name.startswith("__") or callable(value) or isinstance(value, _CODE))


def cells(function: types.FunctionType) -> dict[str, Any]:
    """The cells of a function's closure by name; variables that have no value yet have none."""
    named = dict(zip(function.__code__.co_freevars, function.__closure__ or ()))
    return {n: c for n, c in named.items() if c != types.CellType()}


def _can_be_put_back(value: Any) -> bool:
    small = not isinstance(value, list | dict) or len(value) <= 200
    return small and isinstance(value, (list, dict, np.ndarray, *_GENERATORS, *_UNCHANGING))


def _own_functions(thing: Any) -> list[types.FunctionType]:
    """Functions that the object holds itself: a copy of it has copies of them."""
    values = [v for owner in owners(thing) for v in attributes(owner).values()]
    return [v for v in values if isinstance(v, types.FunctionType)]


def _functions(thing: Any) -> Iterator[types.FunctionType]:
    """Every function of the subject's classes, and those that they call by name."""
    names = [v for owner in owners(thing) for c in type(owner).__mro__ if _is_own(c)
             for v in vars(c).values()]  # fmt: skip
    todo: list[Any] = [*_own_functions(thing), *names]
    seen: set[int] = set()
    while todo and len(seen) < 300:
        function = _plain(todo.pop())
        if not isinstance(function, types.FunctionType) or id(function) in seen:
            continue
        if function.__module__ and function.__module__.split(".")[0] in _LIBRARIES:
            continue
        seen.add(id(function))
        yield function
        todo += [function.__globals__.get(n) for n in function.__code__.co_names]
        todo += [c.cell_contents for c in cells(function).values()]


def _plain(value: Any) -> Any:
    """The function inside a method, a property, a decorator or a partial."""
    for name in ("__func__", "fget", "func", "__wrapped__"):
        inner: Callable[..., Any] | None = (
            getattr(value, name, None) if not isinstance(value, type) else None
        )
        value = inner if inner is not None and callable(inner) else value
    return value
