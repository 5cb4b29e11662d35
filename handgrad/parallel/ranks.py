"""Ranks: the processes that train one network together, behind one interface."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from handgrad.arrays import Array, zeros
from handgrad.parallel.shards import Fold, Shards


class Ranks(ABC):
    """This process, and how it meets the others. All ranks make the same calls in the same order.

    rank: which of them this is, from 0; size: how many there are.
    """

    rank: int
    size: int
    common = False  # whether every rank reads and writes the buffers of all others

    @abstractmethod
    def combine(self, shards: Shards, sums: Array, fold: Fold | None = None) -> None:
        """Add the shards of all ranks: row 0 becomes the sum of all, the same bits on every rank.

        sums (B, L): row b is the sum of this rank's block b, the blocks being those of
        `shards.blocks(*shards.share(rank, size))`; for a rank without shards (1, L), whatever is
        in it. The other rows are undefined afterwards.
        fold: adds rows where they are no plain numbers; by default `meeting.fold`.
        """

    def buffer(self, rows: int, width: int, dtype: Any) -> Array:
        """Zeros (rows, width) for sums to be combined, in memory where that is fastest."""
        return zeros(rows * width, dtype).reshape(rows, width)

    def reach(self, buffer: Array) -> list[Array]:
        """The buffers of all ranks, in order; each gives its own. Where they are `common`."""
        return [buffer]

    def combine_slices(self, shards: Shards, every: list[Array], width: int) -> None:
        """What `combine` does, from column `width` on; in those before, every rank adds in its
        slice alone, and leaves the last addition, that of `halves_of`, to the caller.

        every: the sums of all ranks, which are in buffers that all reach.
        """
        raise NotImplementedError(f"{type(self).__name__}: its ranks have no common memory")

    @abstractmethod
    def gather(self, part: Array) -> Array:
        """Rows (k, L) of each rank, one after the other in the order of ranks: (Σ k, L)."""

    @abstractmethod
    def share(self, value: Any) -> list[Any]:
        """The values of all ranks, in order: small ones, of numbers, texts, lists and dicts."""

    def agree(self, facts: Mapping[str, Any]) -> None:
        """Raise ValueError, on all ranks alike, unless these small values are equal on all of them.

        The first rank that differs from rank 0 is named, with what both have.
        """
        if self.size == 1:
            return
        first, *others = self.share(dict(facts))
        for rank, mine in enumerate(others, 1):
            for name in first | mine:
                if (has := mine.get(name)) != (wanted := first.get(name)):
                    raise ValueError(
                        f"parallel: all ranks must train the same, but {name} is {has!r} on rank "
                        f"{rank} and {wanted!r} on rank 0"
                    )

    @abstractmethod
    def broadcast(self, array: Array) -> None:
        """Write rank 0's array into that of every other rank."""

    def threads(self, usable: int) -> int:
        """How many of the threads that a process may use are this rank's share."""
        return usable

    @abstractmethod
    def barrier(self, failed: bool = False) -> bool:
        """Wait until all ranks are here; whether any of them says that it has failed."""


class Alone(Ranks):
    """One process that computes every shard."""

    rank, size = 0, 1

    def combine(self, shards: Shards, sums: Array, fold: Fold | None = None) -> None:
        """Nothing is left to add: all shards are one block."""

    def gather(self, part: Array) -> Array:
        return part

    def share(self, value: Any) -> list[Any]:
        return [value]

    def broadcast(self, array: Array) -> None:
        """Nobody else is there."""

    def barrier(self, failed: bool = False) -> bool:
        return failed
