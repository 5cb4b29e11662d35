"""Inside: what is a layer, and which layers an object holds, with or without the base class."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import NoneType
from typing import Any

import numpy as np

from handgrad.arrays import Stream

# Values in which no layer hides.
PLAIN = (np.ndarray, int, float, str, NoneType, Stream)
_MOST = frozenset({*PLAIN, bool})  # types themselves, which are found sooner than subclasses


def is_layer(thing: Any) -> bool:
    """Whether thing is an object with forward and backward (and not a class or a tensor)."""
    return (
        callable(getattr(thing, "forward", None))
        and callable(getattr(thing, "backward", None))
        and not isinstance(thing, type)
    )


def sublayers(layer: Any) -> Iterator[tuple[str, Any]]:
    """The layers inside a layer, with their names: attributes, and members of lists and dicts.

    Members of an attribute called `layers` go by their own name or number alone.
    """
    for name, value in getattr(layer, "__dict__", {}).items():
        if type(value) not in _MOST:  # most are: no generator for those
            yield from held_in(name, value)


def held_in(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The layers that an attribute holds, with their names."""
    if isinstance(value, PLAIN) or name == "followed_by":
        return
    if is_layer(value):
        yield name, value
    elif isinstance(value, list | tuple | dict):
        members = value.items() if isinstance(value, dict) else enumerate(value)
        prefix = "" if name == "layers" else f"{name}."
        yield from ((f"{prefix}{key}", inner) for key, inner in members if is_layer(inner))


def walk(layer: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """A layer and every layer inside it, each once, with its path, outermost first."""
    seen: set[int] = set()
    stack = [(path, layer)]
    while stack:
        path, layer = stack.pop()
        if id(layer) not in seen:
            seen.add(id(layer))
            yield path, layer
            inner = [(f"{path}.{name}" if path else name, sub) for name, sub in sublayers(layer)]
            stack.extend(reversed(inner))


@contextmanager
def untouched(network: Any) -> Iterator[None]:
    """Inside, a network may be run: random streams and running statistics are put back."""
    layers = [layer for _, layer in walk(network)]
    steps = {id(s): (s, s.step) for x in layers if (s := getattr(x, "stream", None)) is not None}
    buffers = [
        (array, array.copy())
        for layer in layers
        for name in getattr(layer, "buffers", ())
        if isinstance(array := getattr(layer, name, None), np.ndarray)
    ]
    try:
        yield
    finally:
        for stream, step in steps.values():
            stream.step = step
        for array, before in buffers:
            array[...] = before
