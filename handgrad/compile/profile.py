"""Profile: the time of every row, beside what this machine can do."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.compile.builder import Row
from handgrad.compile.native import NativeProgram
from handgrad.compile.values import Address

MEASURED = 0.1  # seconds for each peak


@dataclass(frozen=True)
class RowTime:
    """One row of a profile: seconds for a step, operations and bytes a second, share of the peak.

    share: of the machine's measured peak, in multiply-adds or in bytes from memory, whichever is
        larger; None where bytes came faster than memory gives them, from a cache.
    """

    kernel: str
    label: str
    seconds: float
    gflops: float
    gbytes: float
    share: float | None


class Profile(list[RowTime]):
    """The rows' times in order; printed as a table."""

    def __str__(self) -> str:
        total = sum(row.seconds for row in self) or 1.0
        lines = [
            f"{'kernel':<24} {'µs':>9} {'%':>5} {'GFLOP/s':>8} {'GB/s':>6} {'of peak':>8}  for"
        ]
        lines += [
            f"{r.kernel:<24} {r.seconds * 1e6:>9.2f} {r.seconds / total:>5.0%} {r.gflops:>8.1f} "
            f"{r.gbytes:>6.1f} {percent(r.share):>8}  {r.label}"
            for r in self
        ]
        return "\n".join([*lines, f"{'one step':<24} {total * 1e6:>9.2f}"])


def percent(share: float | None) -> str:
    """A share of the peak in words."""
    return "cached" if share is None else f"{share:.0%}"


def share_of_peak(multiplying: float, moving: float) -> float | None:
    """The larger share, None where bytes moved faster than memory can."""
    if moving > max(multiplying, 1.0):
        return None
    return max(multiplying, moving)


def profile(program: Any, steps: int, times: Array) -> Profile:
    """The profile of a program whose rows took `times` seconds in so many steps."""
    flops_peak, bytes_peak = peaks(program.threads)
    rows = Profile()
    for i, row in enumerate(program.rows):
        flops, moved = program.native.cost(i) if row.python is None else (0.0, 0.0)
        seconds = max(times[i] / steps, 1e-12)
        share = share_of_peak(flops / seconds / flops_peak, moved / seconds / bytes_peak)
        rows.append(
            RowTime(
                row.kernel, row.label, seconds, flops / seconds / 1e9, moved / seconds / 1e9, share
            )
        )
    return rows


@cache
def peaks(threads: int) -> tuple[float, float]:
    """Floating-point operations and bytes a second that so many threads reach here at best."""
    units = 8 * threads
    fma = Row("peak", {"units": units, "rounds": 40, "y": Address("y")})  # about a millisecond
    flops = _rate([fma], {"y": (np.zeros(units, np.float32), True)}, threads, 0)
    words = 1 << 24  # 64 MB: more than caches hold
    arrays = {name: (np.ones(words, np.float32), True) for name in ("x", "y")}
    copy = Row("copy", {"count": words, "x": Address("x"), "y": Address("y")})
    return flops, _rate([copy], arrays, threads, 1)


def _rate(rows: list[Row], segments: Any, threads: int, which: int) -> float:
    """Operations (0) or bytes (1) a second: the best run of many, for other programs run too."""
    program = NativeProgram(rows, segments, batch=1, data_rows=1, hyper_width=0)
    zero, one = np.zeros(1, np.int64), np.ones(1, np.int64)
    best, until = np.inf, time.perf_counter() + MEASURED
    while time.perf_counter() < until:
        program.start(np.zeros(1, np.int32), zero, one, np.zeros((1, 1)), threads)
        began = time.perf_counter()
        program.go(0.0)
        best = min(best, time.perf_counter() - began)
    return program.cost(0)[which] / best
