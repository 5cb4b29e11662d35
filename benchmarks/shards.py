"""What shards cost: a training whose batches fall into shards, beside the same without.

    python -m benchmarks.shards [--workloads wide,deep-convnet] [--shards 16] [--threads 1]
                                [--rounds 30]

One process computes all shards. The two programs take turns; of each round's ratio the median is
shown, with its quartiles, and of each program the fastest round.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median, quantiles

import numpy as np

import handgrad as hg
from benchmarks.systems.handgrad_system import build, optimizer
from benchmarks.workloads import WORKLOADS, Workload, find
from handgrad.compile.program import Training
from handgrad.parallel import Shards

TURN = 0.1  # seconds


def program(workload: Workload, shards: Shards | None, threads: int | None) -> Training:
    """The native training of a workload."""
    x, t = workload.data
    return Training(
        build(workload), hg.SoftmaxCrossEntropy(), optimizer(workload), x, t,
        batch=workload.batch, threads=threads, shards=shards,
    )  # fmt: skip


def turns(training: Training, workload: Workload) -> Callable[[], float]:
    """A call that makes some steps and returns the seconds of each."""

    def take(steps: int) -> float:
        rows = workload.rows(0, steps)
        starts = np.arange(steps) * workload.batch
        began = time.perf_counter()
        done = training.run(rows.ravel(), starts, np.full(steps, workload.batch))
        if done != steps:
            raise RuntimeError(f"{workload.name}: {done} of {steps} steps were made")
        return (time.perf_counter() - began) / steps

    steps = max(1, min(1000, int(TURN / max(take(3), take(3)))))
    return lambda: take(steps)


def overhead(workload: Workload, count: int, threads: int | None, rounds: int) -> str:
    """A line: both times of a step, and how many times as long shards take."""
    without, sharded = (
        turns(program(workload, shards, threads), workload) for shards in (None, Shards(count))
    )
    pairs = [(without(), sharded()) for _ in range(rounds)]
    ratios = [b / a for a, b in pairs]
    low, _, high = quantiles(ratios, n=4)
    before, now = (min(times) * 1e6 for times in zip(*pairs))
    return (
        f"{workload.name:<16} {before:>10.1f} {now:>10.1f} {now / before:>8.3f} "
        f"{median(ratios):>8.3f} ({low:.3f} to {high:.3f})"
    )


def main() -> None:
    """Measure each workload."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workloads", default="wide,deep-convnet", help=", ".join(WORKLOADS))
    parser.add_argument("--shards", type=int, default=16)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--rounds", type=int, default=30)
    given = parser.parse_args()
    print(f"{'workload':<16} {'without µs':>10} {'shards µs':>10} {'fastest':>8} {'median':>8}")
    for name in given.workloads.split(","):
        line = overhead(find(name), given.shards, given.threads, given.rounds)
        print(line, flush=True)


if __name__ == "__main__":
    main()
