"""Predictions by native programs: one for each shape of a sample and size of batch."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.compile.key import Key
from handgrad.compile.program import BadIndex, Prediction, require_native
from handgrad.compile.values import NotNative
from handgrad.network import Network


@dataclass
class Programs:
    """A network's programs, while it stays what it was when they were made.

    In each the reason stands where there is no program. A process that was forked has its own:
    a thread that was inside one, and holds the lock, is not there any more.
    """

    process: int = field(default_factory=os.getpid)
    key: Key | None = None
    made: dict[Any, Prediction | str] = field(default_factory=dict)
    lock: Any = field(default_factory=threading.Lock)


_lock = threading.Lock()  # over the making of Programs


def predict(network: Network, x: Array, batch: int, required: bool) -> Array | None:
    """The predictions; None, or ValueError where they are required, if there is no program.

    Which it is depends on the network and the kind of x alone, not on len(x), on what was asked
    before, or on other threads, which wait for each other.
    """
    if not len(x) or not _fits(x):
        return None
    held = network.__dict__.get("_programs")
    if held is None or held.process != os.getpid():
        with _lock:
            held = network.__dict__.get("_programs")
            if held is None or held.process != os.getpid():
                held = network._programs = Programs()
    with held.lock:
        network._buffers().tie()
        program = _program(held, network, x, min(batch, 1 << (len(x) - 1).bit_length()), required)
        if isinstance(program, str):
            if required:
                raise ValueError(f"engine: {program}")
            return None
        parts = range(0, len(x), program.batch)
        try:
            arrays = [program(x[i : i + program.batch]) for i in parts]
        except BadIndex:  # NumPy says which layer refuses which number
            return None
        return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _fits(x: Array) -> bool:
    """Whether integers are of 32 bits, as kernels read them."""
    if x.dtype.kind not in "iu" or x.itemsize < 4:
        return True
    return bool(x.min(initial=0) >= -(2**31) and x.max(initial=0) < 2**31)


def _program(
    held: Programs, network: Network, x: Array, batch: int, python: bool
) -> Prediction | str:
    if held.key is None or not held.key.holds():
        key = Key(network)
        if held.key != key:
            held.made = {}
        held.key = key
    kind = x.shape[1:], x.dtype.kind, batch, python
    if kind not in held.made:
        try:
            require_native(network)
            held.made[kind] = Prediction(network, x, batch=batch, python=python)
        except NotNative as reason:
            held.made[kind] = str(reason)
    return held.made[kind]
