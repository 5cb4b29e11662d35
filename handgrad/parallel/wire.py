"""Wire: how ranks of several machines meet, by messages of MPI."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import numpy as np

from handgrad.arrays import Array, zeros
from handgrad.parallel.meeting import Header, check_headers
from handgrad.parallel.shards import Fold, Node
from handgrad.parallel.waiting import push, wait

DIRECT = 2**16  # bytes of all blocks up to which every rank gets and adds them all


class Wire:
    """Messages between the ranks of a communicator. What they mean is that of `NodeMemory`."""

    name = "messages"
    common = False  # nobody reaches another's memory

    def __init__(self, mpi: Any, comm: Any, crowded: bool):
        self._byte, self._comm, self.crowded = mpi.BYTE, comm, crowded
        self.rank, self.size = comm.rank, comm.size

    def meet(self, header: Header) -> list[Header]:
        """Show a header, and wait for all ranks: their headers."""
        mine = np.array(header, np.int64)
        every = np.empty((self.size, len(mine)), np.int64)
        wait(self._comm.Iallgather(mine, every).Test, self.crowded)
        found = [Header(*h) for h in every.tolist()]
        check_headers(found)
        return found

    def combine(self, header: Header, nodes: list[list[Node]], sums: Array, fold: Fold) -> None:
        """Write the sum of all ranks' blocks into row 0.

        Each rank gets a slice of all blocks, adds it, and gives it to all; where the numbers are
        few, each gets and adds all.
        """
        self.meet(header)
        flat = [node for of in nodes for node in of]
        count, length = [len(of) for of in nodes], sums.shape[1]
        mine = sums[: count[self.rank]]
        if len(flat) * sums[0].nbytes <= DIRECT:
            rows = self._gathered(mine, [c * sums[0].nbytes for c in count])
            sums[0] = fold(flat, list(rows.view(sums.dtype).reshape(len(flat), length)), 0)
            return
        borders = [length * rank // self.size for rank in range(self.size + 1)]
        pairs = list(zip(borders, borders[1:]))
        width = borders[self.rank + 1] - borders[self.rank]
        slices = np.empty((len(flat), width), sums.dtype)
        packed = np.concatenate(
            [np.empty(0, sums.dtype), *(mine[:, a:b].ravel() for a, b in pairs)]
        )
        sent = [len(mine) * (b - a) * sums.itemsize for a, b in pairs]
        got = [c * width * sums.itemsize for c in count]
        self._moved(self._comm.Ialltoallv(self._spec(packed, sent), self._spec(slices, got)))
        sizes = [(b - a) * sums.itemsize for a, b in pairs]
        whole = fold(flat, list(slices), borders[self.rank])
        sums[0] = self._gathered(whole, sizes).view(sums.dtype)

    def gather(self, header: Header, part: Array) -> list[Array]:
        """The bytes of every rank, `header.given` of them."""
        sizes = [h.given for h in self.meet(header)]
        return np.split(self._gathered(part, sizes), list(accumulate(sizes))[:-1])

    def buffer(self, rows: int, width: int, dtype: Any) -> Array:
        """Zeros (rows, width)."""
        return zeros(rows * width, dtype).reshape(rows, width)

    def free(self) -> None:
        """Nothing is kept."""

    def _gathered(self, part: Array, sizes: list[int]) -> Array:
        """So many bytes of each rank, one after the other."""
        every = np.empty(sum(sizes), np.uint8)
        mine = self._spec(np.ascontiguousarray(part), None)
        self._moved(self._comm.Iallgatherv(mine, self._spec(every, sizes)))
        return every

    def _spec(self, array: Array, sizes: list[int] | None) -> list[Any]:
        """An array as bytes, divided among the ranks, in the words of mpi4py."""
        data = array.reshape(-1).view(np.uint8)
        if sizes is None:
            return [data, data.size, self._byte]
        return [data, (sizes, [0, *accumulate(sizes)][:-1]), self._byte]

    def _moved(self, request: Any) -> None:
        push(request.Test, self.crowded)
