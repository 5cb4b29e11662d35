"""Whether the machine is quiet: whether every core does a known piece of work as fast as ever.

Other virtual machines on the same processor slow this one without being seen in any figure of its
own. A process on each core multiplies small matrices for a millisecond before and after a turn.

    python -m benchmarks.quiet CORE

answers each line on standard input with a line: products in a second.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ENOUGH = 0.9  # of the highest speed so far
PRODUCTS = 200  # of matrices 64 × 64, in one answer: about a millisecond
FIRST = 100  # answers before the first turn, to know the highest speed
PAUSE = 0.02  # seconds between one look and the next


class Quiet:
    """The processes that tell; `with` ends them."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "benchmarks.quiet"]
        self.processes = [
            subprocess.Popen(
                [*command, str(core)], cwd=Path(__file__).parents[1], text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            ) for core in range(os.cpu_count() or 1)
        ]  # fmt: skip
        self.fastest = 0.0
        for _ in range(FIRST):
            self.speed()
            time.sleep(PAUSE)

    def speed(self) -> float:
        """The speed of the slowest core, with all at work."""
        for process in self.processes:
            process.stdin.write("\n")
            process.stdin.flush()
        now = min(float(process.stdout.readline()) for process in self.processes)
        self.fastest = max(self.fastest, now)
        return now

    def enough(self, speed: float) -> bool:
        """Whether a speed is near the highest."""
        return speed >= ENOUGH * self.fastest

    def turn(self, take: Callable[[], Any], patience: float) -> tuple[Any, float]:
        """What take() returned with the machine quiet before and after it, and the slower speed.

        When so many seconds are over, the turn is the one with the highest such speed.
        """
        until, best, speed = time.perf_counter() + patience, None, 0.0
        while best is None or not self.enough(speed):
            before, late = self.speed(), time.perf_counter() > until
            if late and best is not None:
                break
            if late or self.enough(before):
                taken, now = take(), min(before, self.speed())
                if now > speed:
                    best, speed = taken, now
            else:
                time.sleep(PAUSE)
        return best, speed

    def __enter__(self) -> Quiet:
        return self

    def __exit__(self, *_: Any) -> None:
        for process in self.processes:
            process.stdin.close()
            process.wait()
            process.stdout.close()


def main(core: int) -> None:
    """Answer until standard input ends."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    import numpy as np

    if hasattr(os, "sched_setaffinity"):
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {allowed[core % len(allowed)]})
    a = np.full((64, 64), 1e-3, np.float32)
    out = np.empty_like(a)
    for _ in sys.stdin:
        began = time.perf_counter()
        for _ in range(PRODUCTS):
            np.matmul(a, a, out=out)
        print(PRODUCTS / (time.perf_counter() - began), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
