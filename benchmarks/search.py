"""How much of the serial time a search in processes takes.

    python -m benchmarks.search [rounds]

40 candidates of the digits, networks of 32 to 128 hidden units, 60 epochs each: alone and in as
many processes as there are processors, in turns, from the first candidate to the network that comes
back. Prints each round with the processor time of all processes, which other programs lengthen less
than the time that passes; and the ratio of the shortest times and of the medians.
"""

from __future__ import annotations

import os
import sys
import time
from statistics import median
from typing import Any

from handgrad import Adam, Affine, ReLU, Sequential, accuracy
from handgrad.compile.binary import usable_threads
from handgrad.searching import integer, log_uniform, search
from handgrad.train import digits

SPACE = {"lr": log_uniform(1e-4, 1e-2), "units": integer(32, 128)}
CANDIDATES = 40


def make(lr: float, units: int) -> Any:
    """A candidate."""
    return Sequential(Affine(units), ReLU(), Affine(10), seed=0), {"optimizer": Adam(lr)}


def used() -> float:
    """Processor time of this process and those that it began and that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def measured(processes: int, epochs: int) -> tuple[float, float, list[int]]:
    """Seconds, those of processors, and the candidates in the order of their rank."""
    before, began = used(), time.perf_counter()
    result = search(
        make, SPACE, *digits(), candidates=CANDIDATES, epochs=epochs, processes=processes,
        options={"metrics": [accuracy]}, score="accuracy", show=False,
    )  # fmt: skip
    seconds = time.perf_counter() - began
    return seconds, used() - before, [row.number for row in result.rows]


def main(rounds: int = 3, epochs: int = 60) -> float:
    """The ratio of the shortest times."""
    count = max(2, usable_threads())
    alone, together = [], []
    for _ in range(rounds):
        first, busy, ranks = measured(1, epochs)
        second, all_busy, same = measured(count, epochs)
        assert ranks == same
        alone.append(first)
        together.append(second)
        print(
            f"alone {first:.1f} s, {count} processes {second:.1f} s: {second / first:.2f}; of the "
            f"processors {busy:.1f} and {all_busy:.1f} s: {all_busy / count / busy:.2f} for each",
            flush=True,
        )
    shortest, middle = (f(together) / f(alone) for f in (min, median))
    load = os.getloadavg()[0]
    print(f"shortest {shortest:.2f}, medians {middle:.2f} of the serial time (load {load:.1f})")
    return shortest


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
