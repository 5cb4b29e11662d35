"""Independent copies of any object, closures included, and copies in another precision."""

from __future__ import annotations

import copy
import functools
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.subject.wide import Wide

Change = Callable[[Array], Array]


def duplicate(thing: Any, memo: dict[int, Any] | None = None) -> Any:
    """A deep copy. Functions get their own closures; what cannot be copied is shared."""
    memo = {} if memo is None else memo
    if isinstance(thing, types.FunctionType):
        return _function(thing, memo)
    for value in getattr(thing, "__dict__", {}).values():
        if isinstance(value, types.FunctionType) and value.__closure__:
            memo[id(value)] = _function(value, memo)
        elif isinstance(value, types.ModuleType):
            memo[id(value)] = value
    try:
        return _deep(thing, memo)
    except Exception:  # locks, files, generators in flight: each attribute on its own
        return _piecewise(thing, memo)


_ATOMIC: tuple[Any, ...] = (int, float, complex, bool, str, bytes, range, slice, type, np.dtype)
_ATOMIC += (types.NoneType, types.ModuleType, types.BuiltinFunctionType)


def _deep(value: Any, memo: dict[int, Any]) -> Any:
    """copy.deepcopy, several times faster for what layers are made of."""
    kind: Any = type(value)
    if kind in _ATOMIC:
        return value
    if id(value) in memo:
        return memo[id(value)]
    if kind in (np.ndarray, Wide) and value.dtype.kind != "O":
        new = value.copy(order="K")
    elif kind is list:
        new = memo[id(value)] = []
        new += [_deep(v, memo) for v in value]
    elif kind is dict:
        new = memo[id(value)] = {}
        new.update({_deep(k, memo): _deep(v, memo) for k, v in value.items()})
    elif _is_plain(kind):
        new = memo[id(value)] = object.__new__(kind)
        vars(new).update({n: _deep(v, memo) for n, v in vars(value).items()})
    else:
        return copy.deepcopy(value, memo)
    memo[id(value)] = new
    return new


_SPECIAL = (
    "__deepcopy__", "__copy__", "__getstate__", "__setstate__", "__reduce__", "__reduce_ex__",
    "__getnewargs__", "__getnewargs_ex__",
)  # fmt: skip
_HEAP_TYPE = 1 << 9  # made by a class statement


@functools.cache
def _is_plain(kind: Any) -> bool:
    """Whether instances are what their `__dict__` holds, and copied in the usual way."""
    usual = all(getattr(kind, n, None) is getattr(object, n, None) for n in _SPECIAL)
    slots = any("__slots__" in vars(c) for c in kind.__mro__ if c is not object)
    return usual and not slots and kind.__dictoffset__ != 0 and bool(kind.__flags__ & _HEAP_TYPE)


def _piecewise(thing: Any, memo: dict[int, Any]) -> Any:
    if not hasattr(thing, "__dict__"):
        return thing
    clone = copy.copy(thing)
    for name, value in vars(thing).items():
        try:
            clone.__dict__[name] = copy.deepcopy(value, memo)
        except Exception:  # shared, the one thing left
            clone.__dict__[name] = value
    return clone


def _function(function: types.FunctionType, memo: dict[int, Any]) -> Any:
    """A copy of a function whose closure is its own; cells shared by functions stay shared."""
    if id(function) in memo:
        return memo[id(function)]
    cells: list[tuple[Any, Any]] = []
    clone = types.FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        tuple(_cells(function, memo, cells)) or None,
    )
    clone.__kwdefaults__ = function.__kwdefaults__
    clone.__dict__.update(function.__dict__)
    memo[id(function)] = clone
    for cell, old in cells:
        cell.cell_contents = duplicate(old.cell_contents, memo)
    return clone


def _cells(function: types.FunctionType, memo: dict[int, Any], new: list[Any]) -> Iterator[Any]:
    for old in function.__closure__ or ():
        if id(old) not in memo:
            memo[id(old)] = types.CellType()
            new.append((memo[id(old)], old))
        yield memo[id(old)]


def cast(thing: Any, dtype: Any, wide: bool = False) -> Any:
    """A deep copy whose real arrays have another dtype; an array that is held twice stays one."""
    if hasattr(type(thing), "layout") and callable(getattr(thing, "astype", None)):
        return thing.astype(dtype)  # a network that keeps its parameters in one buffer
    clone = duplicate(thing)
    seen: dict[int, Any] = {}

    def change(array: Array) -> Array:
        if array.dtype.kind != "f":
            return array
        new = np.asarray(array).astype(dtype)
        return new.view(Wide) if wide else new

    _rebuild(clone, change, np.dtype(dtype), seen)
    return clone


def _rebuild(value: Any, change: Change, dtype: np.dtype, seen: dict[int, Any]) -> Any:
    """value with every array inside changed, containers and objects in place."""
    if id(value) in seen:
        return seen[id(value)][0]
    new: Any = value
    if isinstance(value, np.ndarray):
        new = change(value)
    elif isinstance(value, list):
        value[:] = [_rebuild(v, change, dtype, seen) for v in value]
    elif isinstance(value, dict):
        seen[id(value)] = (value, value)
        value.update({k: _rebuild(v, change, dtype, seen) for k, v in value.items()})
    elif type(value) is tuple:
        new = tuple(_rebuild(v, change, dtype, seen) for v in value)
    elif isinstance(value, types.FunctionType):
        seen[id(value)] = (value, value)
        for cell in value.__closure__ or ():
            cell.cell_contents = _rebuild(cell.cell_contents, change, dtype, seen)
    elif hasattr(value, "__dict__") and not isinstance(value, type | types.ModuleType):
        seen[id(value)] = (value, value)
        for name, inner in list(vars(value).items()):
            if name == "dtype" and inner is not None and np.dtype(inner).kind == "f":
                value.__dict__[name] = dtype.type if isinstance(inner, type) else dtype
            else:
                value.__dict__[name] = _rebuild(inner, change, dtype, seen)
    elif hasattr(type(value), "__slots__") and not isinstance(value, type):
        seen[id(value)] = (value, value)
        for name in type(value).__slots__:
            if hasattr(value, name):
                object.__setattr__(value, name, _rebuild(getattr(value, name), change, dtype, seen))
    seen[id(value)] = (new, value)  # the old value is kept so that its id stays taken
    return new
