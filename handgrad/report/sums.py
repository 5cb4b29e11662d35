"""Checksums of data, weights and files, and what a machine and its software are."""

from __future__ import annotations

import hashlib
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.compile.binary import isa, usable_threads, why_not
from handgrad.layer import slots, walk


def sum_of_array(array: Any) -> dict[str, Any]:
    """Shape, dtype and SHA-256 of an array's elements in C order, little endian."""
    a = np.asarray(array)
    content = np.ascontiguousarray(a, a.dtype.newbyteorder("<")).tobytes()
    return {"shape": list(a.shape), "dtype": a.dtype.name,
            "sha256": hashlib.sha256(content).hexdigest()}  # fmt: skip


def sum_of_weights(network: Any) -> str:
    """SHA-256 of all parameters and running statistics, with their paths, shapes and dtypes."""
    digest = hashlib.sha256()
    named: list[tuple[str, Array]] = [(s.path, np.asarray(s.value)) for s in slots(network)]
    for path, layer in walk(network):
        named += [(f"{path}.{name}", value) for name in getattr(layer, "buffers", ())
                  if (value := getattr(layer, name, None)) is not None]  # fmt: skip
    for path, value in named:
        one = sum_of_array(value)
        digest.update(f"{path} {one['dtype']} {one['shape']} {one['sha256']}\n".encode())
    return digest.hexdigest()


def sum_of_file(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def versions() -> dict[str, str]:
    """What computes: handgrad, NumPy and Python."""
    own = str(getattr(sys.modules["handgrad"], "__version__", "unknown"))
    return {"handgrad": own, "numpy": version("numpy"), "python": platform.python_version()}


def machine() -> dict[str, Any]:
    """The class of machine: system, processor, instruction set of the native code, threads."""
    native = isa() or f"none ({why_not()})"
    return {"system": platform.system(), "processor": platform.machine(),
            "instructions": native, "threads": usable_threads()}  # fmt: skip
