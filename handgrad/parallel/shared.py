"""NodeMemory: how the ranks of one machine meet, through memory that all of them see."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.parallel.buffers import Buffers, opened
from handgrad.parallel.meeting import KINDS, Header, check_headers, fold_halves
from handgrad.parallel.meeting import fold as plain
from handgrad.parallel.shards import Fold, Node, slice_of
from handgrad.parallel.waiting import wait

AREA = 2**21  # bytes of a rank's area: larger arrays go through it part after part
DIRECT = 2**16  # bytes of all blocks up to which every rank adds them all itself
SHAPES = 32  # of arrays in areas that are kept: a training has few
LINE = 64  # bytes of a line of the cache


class NodeMemory:
    """A window of shared memory: for each rank a counter, two headers and two areas.

    At meeting m a rank writes header and area number m % 2, and then counts. Those of m − 2, which
    it writes over, nobody reads any more, because all have come to m − 1 since.
    """

    name = "shared memory"

    def __init__(self, mpi: Any, comm: Any, crowded: bool):
        self.rank, self.crowded = comm.rank, crowded
        begin = 3 * LINE
        self._window = mpi.Win.Allocate_shared(begin + 2 * AREA, 1, comm=comm)
        self._window.Lock_all()
        memory = [
            np.frombuffer(self._window.Shared_query(r)[0], np.uint8) for r in range(comm.size)
        ]
        size = 8 * len(Header._fields)
        self._counters = [m[:8].view(np.int64) for m in memory]
        self._headers = [
            [m[at : at + size].view(np.int64) for m in memory] for at in (LINE, 2 * LINE)
        ]
        self._areas = [
            [m[at : at + AREA] for m in memory] for at in (begin, begin + AREA)
        ]  # fmt: skip
        self._shaped: dict[tuple[Any, ...], list[Array]] = {}
        self._meetings, self._arrivals = 0, 0
        self._buffers = Buffers()
        self._reached: dict[tuple[int, ...], Any] = {}  # buffers of all ranks, by their numbers
        self._counters[self.rank][0] = 0
        comm.Barrier()
        first = self._buffers.make(1, 1, np.float32)
        self.common = self._reach(Header(0, KINDS.index("reach")), first) is not None

    def meet(self, header: Header) -> list[Header]:
        """Show a header and what is in `_mine`, and wait for all ranks: their headers."""
        self._meetings += 1
        headers = self._headers[self._meetings % 2]
        headers[self.rank][:] = header
        self._arrive()
        found = [Header(*h.tolist()) for h in headers]
        check_headers(found)
        return found

    def combine(self, header: Header, nodes: list[list[Node]], sums: Array, fold: Fold) -> None:
        """Write the sum of all ranks' blocks into row 0.

        Each rank adds a slice of the numbers: in the arrays themselves, where these are buffers; or
        in the areas, part after part.
        """
        size = sum(map(len, nodes)) * sums[0].nbytes
        if size > DIRECT and (all_sums := self._reach(header, sums)) is not None:
            self._combine_in_place(nodes, all_sums, fold)
            return
        self._combine_by_areas(header, nodes, sums, fold)

    def combine_slices(
        self, header: Header, nodes: list[list[Node]], every: list[Array], width: int
    ) -> None:
        """The same from column `width` on; before it, in this rank's slice, all but the last
        addition."""
        self._combine_by_areas(header, nodes, every[self.rank][:, width:], plain)
        mine = slice_of(self.rank, len(every), width)
        rows = [array[b, mine] for array, of in zip(every, nodes) for b in range(len(of))]
        fold_halves([node for of in nodes for node in of], rows)

    def _combine_by_areas(
        self, header: Header, nodes: list[list[Node]], sums: Array, fold: Fold
    ) -> None:
        """All numbers by way of the areas; at least one meeting."""
        most = max(map(len, nodes))
        width = AREA // (most * sums.itemsize)
        for at in range(0, max(sums.shape[1], 1), width):
            self._combine_part(header, nodes, sums[:, at : at + width], most, fold, at)

    def _combine_part(
        self, header: Header, nodes: list[list[Node]], part: Array, most: int, fold: Fold, at: int
    ) -> None:
        """The same for the numbers from `at` on, by way of the areas; where they are few, each rank
        adds them all."""
        flat, n, own = [node for of in nodes for node in of], part.shape[1], len(nodes[self.rank])
        areas = self._rows((self._meetings + 1) % 2, most, n, part.dtype)
        areas[self.rank][:own] = part[:own]
        self.meet(header)
        rows = [area[b] for area, of in zip(areas, nodes) for b in range(len(of))]
        if len(flat) * part[0].nbytes <= DIRECT:
            part[0] = fold(flat, [row.copy() for row in rows], at)  # others read them too
            return
        mine = slice_of(self.rank, len(areas), n)
        fold(flat, [row[mine] for row in rows], at + mine.start)
        self._arrive()
        part[0] = rows[0]

    def _combine_in_place(self, nodes: list[list[Node]], all_sums: list[Array], fold: Fold) -> None:
        """The same in the arrays of all ranks, each of which is given the slice."""
        mine = slice_of(self.rank, len(all_sums), all_sums[0].shape[1])
        rows = [array[b, mine] for array, of in zip(all_sums, nodes) for b in range(len(of))]
        whole = fold([node for of in nodes for node in of], rows, mine.start)
        first = next(rank for rank, of in enumerate(nodes) if of)  # whose row 0 the sum is
        for rank, array in enumerate(all_sums):
            if rank != first:
                array[0, mine] = whole
        self._arrive()

    def _reach(self, header: Header, sums: Array) -> list[Array] | None:
        """The sums of all ranks as arrays, where all are buffers that all can open."""
        met = self.meet(header._replace(given=self._buffers.number(sums)))
        numbers = tuple(h.given for h in met)
        if 0 in numbers:
            return None
        if numbers not in self._reached:
            told = self._buffers.told(sums)
            every = [opened(t) for t in self.gather(header._replace(given=told.size), told)]
            right = np.array([all(array is not None for array in every)], np.uint8)
            all_right = all(self.gather(header._replace(given=1), right))
            used = self._buffers.numbers()
            self._reached = {k: v for k, v in self._reached.items() if k[self.rank] in used}
            self._reached[numbers] = every if all_right else None
        found: Any = self._reached[numbers]
        return found and [*found[: self.rank], sums, *found[self.rank + 1 :]]

    def reach(self, header: Header, buffer: Array) -> list[Array]:
        """The buffers of all ranks. Raises OSError where one cannot be opened."""
        every = self._reach(header, buffer)
        if every is None:
            raise OSError("parallel: a rank cannot open the memory of another one any more")
        return every

    def buffer(self, rows: int, width: int, dtype: Any) -> Array:
        """Zeros (rows, width) that all ranks can reach."""
        return self._buffers.make(rows, width, dtype)

    def gather(self, header: Header, part: Array) -> list[Array]:
        """The bytes of every rank, `header.given` of them."""
        self._next()[: part.size] = part[:AREA]
        headers = self.meet(header)
        whole = [np.empty(h.given, np.uint8) for h in headers]
        for at in range(0, max(h.given for h in headers), AREA):
            if at:
                self._next()[: max(part.size - at, 0)] = part[at : at + AREA]
                self.meet(header)
            for target, area in zip(whole, self._areas[self._meetings % 2]):
                target[at : at + AREA] = area[: max(target.size - at, 0)]
        return whole

    def free(self) -> None:
        """Give the memory back; all ranks do."""
        self._counters, self._headers, self._areas, self._shaped = [], [], [], {}
        self._window.Unlock_all()
        self._window.Free()

    def _next(self) -> Array:
        """This rank's area at the next meeting."""
        array: Array = self._areas[(self._meetings + 1) % 2][self.rank]
        return array

    def _rows(self, number: int, rows: int, width: int, dtype: Any) -> list[Array]:
        """The areas of all ranks with this number, as rows."""
        shape = number, rows, width, dtype
        if shape not in self._shaped:
            size = rows * width * np.dtype(dtype).itemsize
            parts: list[Any] = [area[:size].view(dtype) for area in self._areas[number]]
            if len(self._shaped) == SHAPES:
                self._shaped.clear()
            self._shaped[shape] = [part.reshape(rows, width) for part in parts]
        return self._shaped[shape]

    def _arrive(self) -> None:
        """Count, and wait until all have counted as far."""
        self._arrivals += 1
        self._window.Sync()  # what was written before is there for those who see the count
        self._counters[self.rank][0] = self._arrivals
        self._window.Sync()
        for counter in self._counters:
            if counter[0] < self._arrivals:
                wait(lambda: counter[0] >= self._arrivals, self.crowded)  # noqa: B023
        self._window.Sync()
