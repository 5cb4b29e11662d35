"""A C file that export_c wrote, compiled as a library: its functions on arrays of NumPy."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

COMPILER = shutil.which("cc")
FLAGS = ["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror"]
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler (cc)")


def build(source: Path, *flags: str, compiler: str = "cc") -> Path:
    """The file compiled; its warnings are errors."""
    target = source.with_suffix(".out")
    command = [compiler, *FLAGS, *flags, str(source), "-o", str(target), "-lm"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return target


def self_test(source: Path, *flags: str) -> subprocess.CompletedProcess:
    """What the file says of itself."""
    program = build(source, f"-D{source.stem.upper()}_SELF_TEST", *flags)
    return subprocess.run([str(program)], capture_output=True, text=True, timeout=600)


class Compiled:
    """The functions of a file; weights, gradients: copies of the structs by name."""

    def __init__(self, exported, *flags: str):
        self.name = exported.source.stem
        self.library = ctypes.CDLL(str(build(exported.source, "-shared", "-fPIC", *flags)))
        header = exported.header.read_text()
        structs = re.findall(r"typedef struct \{\n(.*?)\} (\w+);", header, re.S)
        member = r"^    float (\w+)\[(\d+)\];"
        self.fields = {kind: re.findall(member, text, re.M) for text, kind in structs}
        raw = (ctypes.c_char * exported.weights).in_dll(self.library, f"{self.name}_trained")
        self.w = np.frombuffer(bytes(raw), np.uint8).copy()
        self.s = np.zeros(exported.state, np.uint8)
        self.arena = int(re.search(r"float arena\[(\d+)\]", header)[1])
        self.call = self.library[f"{self.name}_predict"]

    def predict(self, x, shape, *mask):
        y = np.empty(shape, np.float32)
        self.call(*map(_pointer, (self.w, self.s, x, *mask, y)))
        return y

    def backward(self, x, t, *mask):
        function = self.library[f"{self.name}_backward"]
        function.restype = ctypes.c_float
        return function(*map(_pointer, (self.w, self.s, x, *mask, t)))

    def reset(self):
        self.library[f"{self.name}_reset"](_pointer(self.s))

    def update(self, rate):
        function = self.library[f"{self.name}_update"]
        function(_pointer(self.w), _pointer(self.s), ctypes.c_float(rate))

    def weights(self):
        return self._split(self.w, "weights")

    def gradients(self):
        return self._split(self.s[4 * self.arena :], "gradients")

    def _split(self, words, kind):
        found, start = {}, 0
        for name, size in self.fields[f"{self.name}_{kind}"]:
            found[name] = words[start : start + 4 * int(size)].view(np.float32)
            start += 4 * int(size)
        return found


def _pointer(array):
    return np.ascontiguousarray(array).ctypes.data_as(ctypes.c_void_p)


def close(got, expected, what, tolerance=1e-5):
    """Equal to a share of the largest element."""
    got, expected = np.ravel(got), np.ravel(expected)
    error = np.abs(got - expected).max(initial=0)
    assert error <= tolerance * max(np.abs(expected).max(initial=0), 1e-12), f"{what}: {error}"
