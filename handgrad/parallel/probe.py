"""What ranks measure of their exchanges: `mpirun -n 2 python -m handgrad.parallel.probe`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.parallel.mpi import MPIRanks, world
from handgrad.parallel.partner import load_mpi
from handgrad.parallel.shards import Shards, TreeSum

SIZES = (1, 1000, 100_000, 1_000_000)  # numbers that are combined


def probe(ranks: MPIRanks, again: int = 15) -> dict[str, Any]:
    """Sums beside the tree's, seconds of a meeting and of sums, on the way that these ranks use.

    sums: for each number of float32, whether the bits are those of the tree, and seconds.
    """
    ranks.barrier()
    shards, sums = Shards(16), []
    for length in SIZES:
        wanted = shards.sum(part_of(i, length) for i in range(shards.count))
        rows = rows_of(ranks, shards, length)
        ranks.combine(shards, found := rows.copy())
        right = all(ranks.share(found[0].tobytes() == wanted.tobytes()))
        seconds = timed(lambda: ranks.combine(shards, rows), again)  # noqa: B023
        sums.append([length, right, seconds])
    whole = np.full(10**6, 1.0 if ranks.rank == 0 else 0.0, np.float32)
    ranks.broadcast(whole)
    return {
        "way": ranks.way, "meeting": timed(ranks.barrier, 10 * again), "sums": sums,
        "broadcast": all(ranks.share(bool((whole == 1).all()))),
    }  # fmt: skip


def part_of(shard: int, length: int) -> Array:
    """A shard's numbers: of many sizes, so that another order of adding gives other bits."""
    rng = np.random.default_rng([shard, length])
    size = 10.0 ** rng.integers(-4, 5)
    return (rng.normal(size=min(length, 1000)) * size).astype(np.float32).repeat(-(-length // 1000))


def rows_of(ranks: MPIRanks, shards: Shards, length: int) -> Array:
    """The sums of this rank's blocks."""
    rows = []
    for first, size in shards.blocks(*shards.share(ranks.rank, ranks.size)):
        tree = TreeSum()
        for i in range(first, first + size):
            tree.add(part_of(i, length), i)
        rows.append(tree.only())
    return np.array(rows) if rows else np.zeros((1, length), np.float32)


def timed(call: Callable[[], Any], again: int) -> float:
    """The median of a call's seconds."""
    seconds = []
    for _ in range(again):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return median(seconds)


def found_by(ranks: MPIRanks) -> dict[str, Any]:
    """What ranks measure on the way that they use, and by messages too."""
    ways = [probe(ranks)]
    if ranks.way == "shared memory":
        messages = MPIRanks(load_mpi(), shared=False)
        ways.append(probe(messages))
    nodes = sorted(set(ranks.nodes))
    return {"size": ranks.size, "threads": ranks.asks, "nodes": nodes, "ways": ways}


def main() -> None:
    """Measure, and let rank 0 print what was found as JSON."""
    ranks = world()
    alone = {"size": ranks.size, "ways": []}
    found = found_by(ranks) if isinstance(ranks, MPIRanks) else alone
    if ranks.rank == 0:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
