"""Slices: updates that ranks divide among them, where they see each other's memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from handgrad.arrays import Array
from handgrad.compile.builder import Row
from handgrad.compile.optimizer import address_of
from handgrad.compile.sharding import ALIGN, ShardedBuilder
from handgrad.compile.values import Address
from handgrad.parallel.meeting import halves_of
from handgrad.parallel.shards import slice_of

WORTH = 1 << 16  # parameters; to update fewer takes no longer than to meet
_MOVED = ("p", "p_first", "p_second", "p_third", "g", "half")  # addresses in an update row


class NotFinite(ArithmeticError):
    """A gradient in another rank's slice is not finite."""


class Slices:
    """The part of an update that each rank makes, for all of them.

    While steps run, the parameters lie in memory of all ranks, and so does from then on what the
    optimizer remembers of them, until `release`. An update is elementwise, so that its bits do
    not depend on who makes it. Ranks meet when the sums of their shards are there, and when all
    slices are updated; between, where rows read parameters that another rank may have updated.

    apart: the update reads all gradients, and nothing else reads them, so each slice of them is
    added up by the rank that updates it, and the last addition is the update's. waits: a row
    between exchange and update reads parameters.
    """

    def __init__(self, b: ShardedBuilder, first: int, optimizer: Any):
        self._ranks, self._shards = b.part.ranks, b.part.shards
        self._flat, self._optimizer, self._sums = b.flat, optimizer, b.sums
        self._size = b.flat.parameters.size
        self.where = slice_of(self._ranks.rank, self._ranks.size, self._size)
        arrays = {id(array): name for name, (array, _) in b.segments.items()}
        self._names = {arrays[id(a)]: name for name, a in optimizer.state.items()}
        self._every: list[Array] = []  # the sums of all ranks, once these have met
        self._states: dict[str, Array] = {}  # what the optimizer remembers, in common memory
        self.exchange = b.rows.index(b.exchange)
        named = list(_named(b.rows[self.exchange + 1 : first]))
        self.waits = any(a.segment == "parameters" for a in named)
        read = any(a.segment == "gradients" and a.word < self._size for a in named)
        self.apart = not read and sum(row["count"] for row in b.rows[first:]) == self._size
        self._halves = self._halves_for(self._ranks.rank) if self.apart else []
        for i, _ in enumerate(self._halves):  # other arrays are put there when steps begin
            b.segments[f"half {i}"] = self._sums[0], True
        b.exchange.python = self._exchange
        updates, b.rows = b.rows[first:], b.rows[:first]
        if self.waits:
            b.meet(lambda n, step: self._meet())
        self.first = len(b.rows)
        b.rows += [part for row in updates if (part := self._part(row))]
        b.meet(lambda n, step: self._settle())

    def _halves_for(self, rank: int) -> list[tuple[int, int]]:
        """(rank, block) of the rows that a rank adds up. The sum, which has the same bits in either
        order, is written over the first: over its own, if it has one, for that is nearer."""
        halves = halves_of(self._shards, self._ranks.size)
        return sorted(halves, key=lambda half: half[0] != rank)

    def _part(self, row: Row) -> Row | None:
        """The part of an update row that lies in this slice, if any does."""
        start = row["p"].word
        begin = max(start, self.where.start)
        count = min(start + row["count"], self.where.stop) - begin
        if count <= 0:
            return None
        halves = [Address(f"half {i}", start) for i, _ in enumerate(self._halves)]
        args: dict[str, Any] = {**row.args, "count": count} | dict(zip(("g", "half"), halves))
        moved = {n: args[n] + (begin - start) for n in _MOVED if args[n] is not None}
        return Row(row.kernel, args | moved, row.label)

    # -- while steps run ----------------------------------------------------------------------

    def begin(self, native: Any) -> None:
        """Before some steps: bring into common memory what may have been changed since others."""
        if not self._every:
            self._open(native)
        self._optimizer.runs(self._flat)  # ValueError where its state is another network's
        self._meet()  # nobody reads the results of earlier steps any more
        where, state = self.where, self._optimizer.state
        self._parameters[where] = self._flat.parameters[where]
        for name, common in self._states.items():
            if state[name] is not common:
                common[where] = state[name][where]
                state[name] = common
        self._meet()

    def _open(self, native: Any) -> None:
        self._ranks.agree({"updates": [self.apart, self.waits]})
        each = -(-self._size // ALIGN) * ALIGN
        dtype, count = self._sums.dtype, 1 + len(self._names)
        self._memory = self._ranks.buffer(1, each * count, dtype)
        rows = self._ranks.reach(self._memory)[0].reshape(count, each)[:, : self._size]
        self._parameters, states = rows[0], rows[1:]
        self._states = dict(zip(self._names.values(), states))
        for segment, array in zip(["parameters", *self._names], rows):
            native.bind(segment, array)
        self._every = self._ranks.reach(self._sums)
        for i, (rank, block) in enumerate(self._halves):
            native.bind(f"half {i}", self._every[rank][block])

    def end(self) -> None:
        """After some steps: the parameters as the network has them."""
        self._flat.parameters[...] = self._parameters

    def release(self) -> None:
        """Let the optimizer have its arrays for itself."""
        for name, common in self._states.items():
            if self._optimizer.state[name] is common:
                self._optimizer.state[name] = common.copy()

    @property
    def sums(self) -> Array:
        """The sums of all gradients after a step, until others begin."""
        whole: Array = self._sums[0, : self._size].copy()
        for rank, _ in enumerate(self._every if self.apart else ()):
            holds, block = self._halves_for(rank)[0]
            part = slice_of(rank, self._ranks.size, self._size)
            whole[part] = self._every[holds][block, part]
        return whole

    def _meet(self) -> None:
        self._ranks.barrier()

    def _exchange(self, n: int, step: int) -> None:
        if self.apart:
            self._ranks.combine_slices(self._shards, self._every, self._size)
        else:
            self._ranks.combine(self._shards, self._sums)

    def _settle(self, failed: bool = False) -> None:
        if self._ranks.barrier(failed) and not failed:
            raise NotFinite

    def fail(self) -> None:
        """Say in the place of the last row that this rank has met a gradient that is not finite."""
        self._settle(failed=True)


def sliced(b: Any, first: int, optimizer: Any) -> Slices | None:
    """Divide the update rows, those from `first` on, among the ranks; None where that is not done:
    they have no common memory, there is little to update, or rows of Python read parameters."""
    if b.part is None or b.part.alone or not b.part.ranks.common:
        return None
    python = any(row.python is not None and row not in b.meetings for row in b.rows)
    if python or first == len(b.rows) or b.flat.parameters.size < WORTH:
        return None
    return Slices(b, first, optimizer)


def _named(rows: list[Row]) -> Iterator[Address]:
    """The addresses that rows name."""
    for row in rows:
        yield from (a for a in map(address_of, row.values()) if a is not None)
