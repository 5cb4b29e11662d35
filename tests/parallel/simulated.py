"""Ranks that are threads of one process: the same interface, without MPI."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.parallel import Ranks, Shards
from handgrad.parallel.meeting import blocks_of, fold_halves
from handgrad.parallel.meeting import fold as plain
from handgrad.parallel.shards import Fold, slice_of

PATIENCE = 600.0  # seconds after which a rank that waits for the others gives up


class World:
    """What the ranks of one simulation share: a slot for each, and a barrier."""

    def __init__(self, size: int):
        self.slots: list[Any] = [None] * size
        self.barrier = threading.Barrier(size, timeout=PATIENCE)


class Simulated(Ranks):
    """One of several ranks, each in a thread of its own.

    calls: the names of the calls made; sent: bytes of the blocks given to `combine`.
    """

    def __init__(self, world: World, rank: int):
        self.world, self.rank, self.size = world, rank, len(world.slots)
        self.calls: list[str] = []
        self.sent: list[int] = []

    def _meet(self, name: str, value: Any) -> list[Any]:
        self.calls.append(name)
        self.world.slots[self.rank] = name, value
        self.world.barrier.wait()
        slots = list(self.world.slots)
        self.world.barrier.wait()  # nobody fills a slot before all have read it
        names = {called for called, _ in slots}
        assert names == {name}, f"the ranks make different calls: {sorted(names)}"
        return [value for _, value in slots]

    def combine(self, shards: Shards, sums: Array, fold: Fold = plain) -> None:
        """Each rank adds a slice of the numbers, as by messages of MPI."""
        blocks = blocks_of(shards, self.size)
        assert len(sums) == max(1, len(blocks[self.rank]))
        there, length = self._meet("combine", sums.copy()), sums.shape[1]
        self.sent.append(sums.itemsize * length * len(blocks[self.rank]))
        begin, end = (length * rank // self.size for rank in (self.rank, self.rank + 1))
        rows = [row[begin:end].copy() for rank, of in zip(there, blocks) for row in rank[: len(of)]]
        slices = self._meet("slices", fold([node for of in blocks for node in of], rows, begin))
        sums[0] = np.concatenate(slices)

    common = True

    def reach(self, buffer: Array) -> list[Array]:
        return self._meet("reach", buffer)

    def combine_slices(self, shards: Shards, every: list[Array], width: int) -> None:
        self.combine(shards, every[self.rank][:, width:])
        mine, nodes = slice_of(self.rank, self.size, width), blocks_of(shards, self.size)
        rows = [array[b, mine] for array, of in zip(every, nodes) for b in range(len(of))]
        fold_halves([node for of in nodes for node in of], rows)

    def gather(self, part: Array) -> Array:
        return np.concatenate(self._meet("gather", part.copy()))

    def share(self, value: Any) -> list[Any]:
        return [json.loads(text) for text in self._meet("share", json.dumps(value))]

    def broadcast(self, array: Array) -> None:
        array[...] = self._meet("broadcast", array.copy())[0]

    def barrier(self, failed: bool = False) -> bool:
        return any(self._meet("barrier", failed))


def run(size: int, work: Callable[[Simulated], Any]) -> list[Any]:
    """What work(ranks) returns on each of `size` ranks; the first error of one is raised here."""
    world, results = World(size), [None] * size
    errors: list[BaseException] = []

    def one(rank: int) -> None:
        try:
            results[rank] = work(Simulated(world, rank))
        except threading.BrokenBarrierError as error:
            errors.append(error)  # another rank's error came first, or nobody came
        except BaseException as error:
            errors.insert(0, error)
            world.barrier.abort()

    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results
