"""What shards cost: a training whose batches fall into shards, beside the same without.

    python -m benchmarks.shards [--workloads wide,deep-convnet] [--shards 16] [--threads 1]
                                [--rounds 30] [--rows]

One process computes all shards. The two programs take turns, a few steps each. Of every row of a
program the fastest turn counts, which on a busy machine is measured best; besides, the median of
the rounds' ratios, with its quartiles. --rows prints the rows of both.
"""

from __future__ import annotations

import argparse
from statistics import quantiles

import numpy as np

import handgrad as hg
from benchmarks.systems.handgrad_system import build, optimizer
from benchmarks.workloads import WORKLOADS, Workload, find
from handgrad.compile.program import PAUSED, SLICE, Training
from handgrad.parallel import Shards

STEPS = 4  # of a turn


class Side:
    """One of the two programs: the fastest seconds of each of its rows, and those of each turn."""

    def __init__(self, workload: Workload, shards: Shards | None, threads: int | None):
        x, t = workload.data
        self.workload = workload
        self.training = Training(
            build(workload), hg.SoftmaxCrossEntropy(), optimizer(workload), x, t,
            batch=workload.batch, threads=threads, shards=shards,
        )  # fmt: skip
        self.rows = np.full(len(self.training.rows), np.inf)
        self.turns: list[float] = []

    def turn(self) -> None:
        whole = 0.0
        for rows in self.workload.rows(0, STEPS):
            times = np.zeros(len(self.rows))
            self.training.start(rows, np.zeros(1), np.array([len(rows)]), times)
            while self.training.go(SLICE) == PAUSED:
                pass
            if self.training.done != 1:
                raise RuntimeError(f"{self.workload.name}: a step was not made")
            self.rows, whole = np.minimum(self.rows, times), whole + times.sum()
        self.turns.append(whole / STEPS)

    def __str__(self) -> str:
        named = zip(self.rows, self.training.rows)
        return "\n".join(f"{s * 1e6:>10.1f}  {row.kernel:<22} {row.label}" for s, row in named)


def main() -> None:
    """Measure each workload."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workloads", default="wide,deep-convnet", help=", ".join(WORKLOADS))
    parser.add_argument("--shards", type=int, default=16)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--rows", action="store_true")
    given = parser.parse_args()
    print(f"{'workload':<16} {'without µs':>10} {'shards µs':>10} {'ratio':>7}  ratio of rounds")
    for name in given.workloads.split(","):
        cuts = None, Shards(given.shards)
        one, other = (Side(find(name), shards, given.threads) for shards in cuts)
        for _ in range(given.rounds):
            one.turn()
            other.turn()
        low, middle, high = quantiles((b / a for a, b in zip(one.turns, other.turns)), n=4)
        before, now = (side.rows.sum() * 1e6 for side in (one, other))
        ratios = f"{middle:.3f} ({low:.3f} to {high:.3f})"
        print(f"{name:<16} {before:>10.1f} {now:>10.1f} {now / before:>7.3f}  {ratios}", flush=True)
        if given.rows:
            print(one, other, sep="\n\n", flush=True)


if __name__ == "__main__":
    main()
