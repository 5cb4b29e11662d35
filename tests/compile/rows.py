"""One kernel, called on arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from handgrad.compile.binary import library
from handgrad.compile.builder import Row
from handgrad.compile.native import NativeProgram
from handgrad.compile.values import Address


def run(kernel: str, *, n: int = 1, threads: int = 1, **args: Any) -> int:
    """Run a kernel once in a batch of n samples; arrays among args are read and written.

    Returns the code of the run, 0 where all went well.
    """
    segments: dict[str, tuple[np.ndarray, bool]] = {}
    for name, arg in args.items():
        if isinstance(arg, np.ndarray):
            segments[name], args[name] = (arg, True), Address(name)
    row = Row(kernel, args)
    program = NativeProgram([row], segments, batch=max(n, 1), data_rows=n, hyper_width=1)
    order = np.arange(n, dtype=np.int32)
    starts, counts = np.zeros(1, np.int64), np.array([n])
    program.start(order, starts, counts, np.zeros((1, 1)), threads)
    return program.go(0)


def on_avx512_and_avx2(call: Callable[[], Any]) -> tuple[Any, Any]:
    """What a call returns on either instruction set; the test is skipped where there is one."""
    native = library()
    if native is None or native.hg_isa() != b"AVX-512":
        pytest.skip("this processor has no AVX-512")
    wide = call()
    try:
        assert native.hg_use_isa(b"AVX2") == 0
        return wide, call()
    finally:
        native.hg_use_isa(b"AVX-512")
