"""Predictions by native programs, made once the same kind of input is asked for again."""

from __future__ import annotations

import inspect
import threading
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.compile.program import Prediction, require_native
from handgrad.compile.values import NotNative
from handgrad.layer import walk
from handgrad.network import Network

_MANY = 4096  # rows for which a program pays at once
_PLAIN = (bool, int, float, str, type(None))


@dataclass
class Programs:
    """A network's programs for prediction, by the shape of a row and the most rows."""

    layers: Any = None  # every layer of the network
    made_for: Any = None  # the network's options when they were made
    programs: dict[Any, Prediction] = field(default_factory=dict)
    asked: dict[Any, int] = field(default_factory=dict)  # how often; -1 where there is no program
    lock: Any = field(default_factory=threading.Lock)


def predict_natively(network: Network, x: Array, batch: int) -> Array | None:
    """The predictions, or None where a program does not exist or would not pay yet."""
    held = network.__dict__.get("_programs")
    if held is None:
        held = network._programs = Programs()
    if not len(x) or not held.lock.acquire(blocking=False):  # another thread is at it
        return None
    try:
        program = _program(held, network, x, min(batch, 1 << (len(x) - 1).bit_length()))
        if program is None:
            return None
        network._buffers().tie()
        if len(x) <= program.batch:
            return program(x)
        parts = range(0, len(x), program.batch)
        return np.concatenate([program(x[i : i + program.batch]) for i in parts])
    except NotNative:  # numbers that only Python can complain of
        return None
    finally:
        held.lock.release()


def _program(held: Programs, network: Network, x: Array, rows: int) -> Prediction | None:
    options = _options(held, network)
    if held.made_for != options:
        held.layers = None
        held.made_for = _options(held, network)
        held.programs, held.asked = {}, {}
    key = x.shape[1:], x.dtype.kind, rows
    program = held.programs.get(key)
    if program is not None or held.asked.get(key, 0) < 0:
        return program
    held.asked[key] = held.asked.get(key, 0) + 1
    if held.asked[key] == 1 and len(x) < _MANY:
        return None
    try:
        require_native(network)
        held.programs[key] = Prediction(network, x, batch=rows)
    except NotNative:
        held.asked[key] = -1
    return held.programs.get(key)


def _options(held: Programs, network: Network) -> list:
    """All that a program takes from the network besides its numbers."""
    if held.layers is None:
        held.layers = [layer for _, layer in walk(network)]
    found: list[Any] = [id(network._flat)]
    for layer in held.layers:
        state = layer.__dict__
        own = isinstance(layer, Network)
        cls: Any = type(layer)
        for name in (n for n in state if n[0] != "_") if own else _options_of(cls):
            value = state.get(name)
            if isinstance(value, list | tuple | dict):
                found += map(id, value.values() if isinstance(value, dict) else value)
            else:
                found.append(value if isinstance(value, _PLAIN) else id(value))
    return found


@cache
def _options_of(cls: Any) -> tuple[str, ...]:
    """Names of what a layer's constructor keeps, and of its buffers."""
    return (*inspect.signature(cls).parameters, *getattr(cls, "buffers", ()))
