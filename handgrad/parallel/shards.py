"""Shards: a batch cut by a rule of the data alone, and the one tree in which shards are added.

Which process computes a shard changes no bit: the shard's samples, random numbers and arithmetic
depend on its number alone, and the sums of shards are added in an order of their numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from numbers import Integral
from typing import Any

from handgrad.arrays import Array

MOST = 4096  # shards of a batch: kMostShards of native/row.h
LINE = 64  # a slice is of so many elements: no two ranks write in the same line of the cache
STRIDE = 2**16  # steps of a random stream that belong to one shard of one batch

Node = tuple[int, int]  # (first, size): shards first … first + size − 1; size a power of two
# The sum of rows, one for each of some nodes, over the first of them; which are the numbers from
# so many on of longer rows.
Fold = Callable[[list[Node], list[Array], int], Array]


class Shards:
    """The cutting of each batch into `count` shards, some of which may be empty.

    Shard i of a batch of n samples is samples i·n // count … (i + 1)·n // count − 1.
    Of `size` ranks, rank r computes shards r·count // size … (r + 1)·count // size − 1.
    The sum of all shards is that of a binary tree: a node (first, size), first being a multiple
    of size, is its left half + its right half. An empty shard counts as zeros.
    A random stream that stands at `step` before a batch stands at step + i·STRIDE for shard i,
    and at step + count·STRIDE after the batch.
    Raises ValueError where count is not a power of two, or above MOST.
    """

    def __init__(self, count: int = 16):
        whole = isinstance(count, Integral) and not isinstance(count, bool)
        if not whole or not 1 <= count <= MOST or count & (count - 1):
            raise ValueError(
                f"shards: a power of two up to {MOST}, such as 8 or 16, is needed, got {count!r}: "
                "shards are added in a binary tree"
            )
        self.count = int(count)

    def borders(self, n: int) -> list[int]:
        """Where the shards of a batch of n samples begin, and, last, where they end."""
        return [i * n // self.count for i in range(self.count + 1)]

    def share(self, rank: int, size: int) -> tuple[int, int]:
        """(first, stop): the shards first … stop − 1 of a rank; none where first = stop."""
        return rank * self.count // size, (rank + 1) * self.count // size

    def blocks(self, first: int, stop: int) -> list[Node]:
        """The fewest nodes of the tree that hold the shards first … stop − 1, in order."""
        nodes = []
        while first < stop:
            size = first & -first or self.count
            while first + size > stop:
                size //= 2
            nodes.append((first, size))
            first += size
        return nodes

    def join(self, sums: Sequence[Array]) -> Array:
        """The sum of all shards from those of each rank's blocks: one array (B, L) per rank."""
        tree = TreeSum()
        for rank, rows in enumerate(sums):
            for node, row in zip(self.blocks(*self.share(rank, len(sums))), rows):
                tree.add(row, *node)
        whole: Array = tree.only()
        return whole

    def sum(self, parts: Iterable[Any]) -> Any:
        """The sum of all shards from each alone, in order: arrays, or anything that adds."""
        tree = TreeSum()
        for i, part in enumerate(parts):
            tree.add(part, i)
        return tree.only()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Shards) and self.count == other.count

    def __hash__(self) -> int:
        return hash(self.count)

    def __repr__(self) -> str:
        return f"Shards({self.count})"


def slice_of(rank: int, size: int, length: int) -> slice:
    """The part of so many elements that is this rank's, if any is; those of all ranks are all."""
    each = -(-length // (size * LINE)) * LINE
    return slice(min(rank * each, length), min((rank + 1) * each, length))


class TreeSum:
    """Sums of shards that come in order, as a binary counter adds: two nodes of the tree become
    their parent as soon as both are there, so that few arrays are kept.

    nodes, sums: what is kept, in order: the sums of the blocks of the shards so far.
    join: makes a parent of its left half, its right half, and its node; by default their sum.
    """

    def __init__(self, join: Callable[[Any, Any, Node], Any] | None = None) -> None:
        self.nodes: list[Node] = []
        self.sums: list[Any] = []
        self._join = join or (lambda left, right, node: left + right)

    def add(self, part: Any, first: int, size: int = 1) -> None:
        """Take in the sum of the next node. `part` is kept, and never written into."""
        while self.nodes and self.nodes[-1][1] == size and first & size:
            first, size = first - size, 2 * size
            part = self._join(self.sums.pop(), part, (first, size))
            self.nodes.pop()
        self.nodes.append((first, size))
        self.sums.append(part)

    def only(self) -> Any:
        """The one sum that is left. Raises ValueError where there are several, or none."""
        (whole,) = self.sums
        return whole
