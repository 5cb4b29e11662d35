"""How much of the serial time a search in processes takes.

    python -m benchmarks.search [rounds] [small] [wide]

40 candidates of two kinds: networks of 32 to 128 hidden units on the digits (60 epochs, a few
tenths of a second each), and of 200 to 800 on pictures of 784 numbers. Alone, with as many threads
as are chosen by default and with one; and in as many processes as there are processors, in turns,
from the first candidate to the network that comes back. Prints each round with the processor time
of all processes, which other programs lengthen less than the time that passes; and the ratios of
the shortest times and of the medians to the serial time with one thread.
"""

from __future__ import annotations

import os
import sys
import time
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from handgrad import Adam, Affine, ReLU, Sequential, accuracy
from handgrad.compile.binary import usable_threads
from handgrad.searching import integer, log_uniform, search
from handgrad.train import digits

CANDIDATES = 40


class Kind(NamedTuple):
    """x and t; the least and the most hidden units; epochs."""

    data: tuple[Any, Any]
    units: tuple[int, int]
    epochs: int


def kinds() -> dict[str, Kind]:
    """What candidates learn."""
    rng = np.random.default_rng(0)
    t = rng.integers(0, 10, 4000)
    x = (rng.normal(size=(10, 784))[t] + 3 * rng.normal(size=(4000, 784))).astype(np.float32)
    return {"small": Kind(digits(), (32, 128), 60), "wide": Kind((x, t), (200, 800), 3)}


def make(lr: float, units: int) -> Any:
    """A candidate."""
    return Sequential(Affine(units), ReLU(), Affine(10), seed=0), {"optimizer": Adam(lr)}


def used() -> float:
    """Processor time of this process and those that it began and that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def measured(kind: Kind, processes: int, threads: int | None) -> tuple[float, float, list[int]]:
    """Seconds, those of processors, and the candidates in the order of their rank."""
    before, began = used(), time.perf_counter()
    result = search(
        make, {"lr": log_uniform(1e-4, 1e-2), "units": integer(*kind.units)}, *kind.data,
        candidates=CANDIDATES, epochs=kind.epochs, processes=processes, score="accuracy",
        options={"metrics": [accuracy], "threads": threads}, show=False,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    return seconds, used() - before, [row.number for row in result.rows]


def compare(name: str, kind: Kind, rounds: int) -> float:
    """The ratio of the shortest times."""
    count = max(2, usable_threads())
    alone, together = [], []
    for _ in range(rounds):
        threaded, threaded_busy, _ = measured(kind, 1, None)
        first, busy, ranks = measured(kind, 1, 1)
        second, all_busy, same = measured(kind, count, 1)
        assert ranks == same
        alone.append(first)
        together.append(second)
        print(
            f"{name}: alone {first:.1f} s with one thread, {threaded:.1f} s by default, {count} "
            f"processes {second:.1f} s: {second / first:.2f}; of the processors {busy:.1f}, "
            f"{threaded_busy:.1f} and {all_busy:.1f} s: {all_busy / count / busy:.2f} for each",
            flush=True,
        )
    shortest, middle = (f(together) / f(alone) for f in (min, median))
    load = os.getloadavg()[0]
    print(f"{name}: shortest {shortest:.2f}, medians {middle:.2f} of the serial time "
          f"(load {load:.1f})")  # fmt: skip
    return shortest


def main(rounds: int = 3, names: list[str] | None = None) -> None:
    """Each kind that is named, or all."""
    for name, kind in kinds().items():
        if not names or name in names:
            compare(name, kind, rounds)


if __name__ == "__main__":
    words = sys.argv[1:]
    numbers = [int(word) for word in words if word.isdecimal()]
    main(*numbers[:1] or [3], [word for word in words if not word.isdecimal()])
