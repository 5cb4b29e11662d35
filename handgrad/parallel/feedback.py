"""Feedback: sums of shards that travel as halves, and nothing that rounding takes is lost.

Each node of the tree over shards hands up a half: the sum of what its children handed up, and of
what its own earlier roundings left out, rounded; what that leaves out waits for its next sum. So
whatever can travel is a half, whoever computes it, and the bits do not depend on the number of
ranks; and over many sums the root's are those of the shards, but for what waits now.
Sources: Seide, Fu, Droppo, Li, Yu, "1-bit stochastic gradient descent and its application to
data-parallel distributed training of speech DNNs", Interspeech 2014; Karimireddy, Rebjock, Stich,
Jaggi, "Error feedback fixes SignSGD and other gradient compression schemes", ICML 2019.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.parallel.halves import HALVES
from handgrad.parallel.ranks import Ranks
from handgrad.parallel.shards import Node, Shards, TreeSum

_CHUNK = 2**14  # numbers that are rounded at once: they stay in the cache


class Feedback:
    """What the nodes of a tree hand up in a format of `HALVES`, and what waits at each.

    A rank has what waits at the nodes that it computes: those of its blocks, and of the nodes
    above, for the numbers that it adds. Rank 0 has that of all after `collect`, until the next
    sums. Both are in the dtype of the sums, and nothing of a finite sum is lost.
    beyond: the largest number of the last sums here that was too large for the format. It, and
    what is not finite, travels as NaN.
    """

    def __init__(self, name: str, shards: Shards, ranks: Ranks):
        self.half, self.shards, self.ranks = HALVES[name], shards, ranks
        self.beyond = 0.0
        self._waits: dict[tuple[Node, int], Array] = {}  # by node, and the first of its numbers
        self._all: list[Array] | None = []  # of all nodes, as long as no sums are made; [] is 0
        self._gone = False  # sums have been made since all was in one place
        self._rows = np.empty((0, 0), np.uint16)

    @property
    def nodes(self) -> list[Node]:
        """All nodes, the leaves first."""
        count = self.shards.count
        sizes = [1 << k for k in range(count.bit_length())]
        return [(first, size) for size in sizes for first in range(0, count, size)]

    # -- sums -----------------------------------------------------------------------------------

    def begin(self) -> TreeSum:
        """A tree for the next sums, which takes what `leaf` gives."""
        self.beyond = 0.0
        return TreeSum(lambda one, other, node: self._handed(node, 0, one, other))

    def leaf(self, part: Array, shard: int) -> Array:
        """What a shard hands up."""
        return self._handed((shard, 1), 0, part)

    def root(self, tree: TreeSum, width: int, dtype: Any) -> Array:
        """The sum of all shards, from those of this rank's blocks."""
        self._dtype, self._gone = dtype, True
        if self.ranks.size == 1:
            self._all = None
            whole: Array = tree.only()
            return whole
        shape = max(1, len(tree.sums)), width
        if self._rows.shape != shape:
            self._rows = self.ranks.buffer(*shape, np.uint16)
        for row, numbers in zip(self._rows, tree.sums):
            for at in range(0, width, _CHUNK):
                part = numbers[at : at + _CHUNK].astype(np.float32, copy=False)
                row[at : at + _CHUNK] = self.half.bits(part)
        self.ranks.combine(self.shards, self._rows, self._fold)
        self._all = None
        return self.half.numbers(self._rows[0]).astype(dtype, copy=False)

    def _fold(self, nodes: list[Node], rows: list[Array], begin: int = 0) -> Array:
        """As `meeting.fold`, for halves as bits."""
        tree = TreeSum(lambda one, other, node: self._handed(node, begin, one, other))
        for (first, size), row in zip(nodes, rows):
            tree.add(self.half.numbers(row).astype(self._dtype, copy=False), first, size)
        whole: Array = rows[0]
        whole[...] = self.half.bits(tree.only().astype(np.float32, copy=False))
        return whole

    def _handed(self, node: Node, begin: int, part: Array, other: Array | None = None) -> Array:
        """What a node hands up of its numbers from `begin` on: of a part, or the sum of two."""
        waits, handed = self._waiting(node, begin, part), np.empty_like(part)
        largest = self.half.largest
        for at in range(0, len(part), _CHUNK):
            here = slice(at, at + _CHUNK)
            numbers = part[here] if other is None else part[here] + other[here]
            numbers = numbers + waits[here]
            fits = -largest <= numbers.min() and numbers.max() <= largest  # NaN does not
            wrong = None if fits else self._wrong(numbers)
            handed[here] = self.half.rounded(numbers.astype(np.float32, copy=False))
            np.subtract(numbers, handed[here], out=waits[here])
            if wrong is not None:
                handed[here][wrong] = np.nan
        return handed

    def _wrong(self, numbers: Array) -> Array:
        """Which numbers the format does not have; they become 0."""
        size = np.abs(numbers)
        wrong: Array = ~(size <= self.half.largest)  # NaN too
        finite = size[wrong & np.isfinite(size)]
        self.beyond = max(self.beyond, float(finite.max(initial=0)))
        numbers[wrong] = 0
        return wrong

    def _waiting(self, node: Node, begin: int, like: Array) -> Array:
        """What waits at a node, of its numbers from `begin` on."""
        key = node, begin
        if key not in self._waits:
            if self._all:
                whole = self._all[self.nodes.index(node)]
                self._waits[key] = whole[begin : begin + len(like)].copy()
            else:
                self._waits[key] = np.zeros_like(like)
        return self._waits[key]

    def why(self) -> str:
        """What was too large for the format on any rank, in words, or nothing; all ranks ask."""
        largest = max(self.ranks.share(self.beyond))
        if not largest:
            return ""
        return (
            f"a gradient, added up over samples, reached {largest:.4g}, and {self.half.name} ends "
            f"at {self.half.largest:.6g} (gradients='bfloat16' would not)"
        )

    # -- files ----------------------------------------------------------------------------------

    @property
    def here(self) -> bool:
        """Whether this rank has what waits at all nodes."""
        return self._all is not None or self.ranks.size == 1

    def whole(self) -> list[Array]:
        """What waits at each of `nodes`; nothing where all is 0. ValueError if it is not here."""
        if self._all is not None:
            return self._all
        if self.here:
            return [self._waits[node, 0].copy() for node in self.nodes]
        raise ValueError(
            "gradients: each rank has a part of what rounding left out; rank 0 has all of it at "
            "the end of training, and of an epoch after which a callback `saves`"
        )

    def take(self, whole: list[Array], like: Array) -> None:
        """Go on from what `whole` gave. Raises ValueError where it does not fit numbers `like`."""
        right = [
            isinstance(a, np.ndarray) and a.shape == like.shape and a.dtype == like.dtype
            and bool(np.isfinite(a).all()) for a in whole
        ]  # fmt: skip
        if not all(right) or len(right) not in (0, len(self.nodes)):
            raise ValueError(
                f"training.residuals must be {len(self.nodes)} arrays of {like.size} finite "
                f"{like.dtype} numbers, or none"
            )
        self._all, self._waits, self._gone = list(whole), {}, False

    def collect(self) -> None:
        """Give rank 0 what waits at all nodes; all ranks ask."""
        if self.ranks.size == 1 or not self._gone:
            return
        number = {node: i for i, node in enumerate(self.nodes)}
        mine = sorted((number[node], at, len(a)) for (node, at), a in self._waits.items())
        held, whole = self.ranks.share(mine), []
        for i, node in enumerate(self.nodes):
            parts = [self._waits[node, at] for k, at, _ in mine if k == i]
            every = self.ranks.gather(np.concatenate([np.empty(0, self._dtype), *parts])[:, None])
            pieces = [(at, at + n) for of in held for k, at, n in of if k == i]
            if self.ranks.rank == 0:
                whole.append(np.empty(max(stop for _, stop in pieces), self._dtype))
                for at, stop in pieces:
                    whole[-1][at:stop], every = every[: stop - at, 0], every[stop - at :]
        self._all, self._gone = whole or None, False
