"""What ranks show each other before they exchange numbers, so that no call is taken for another."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from handgrad.arrays import Array
from handgrad.parallel.shards import Node, Shards

KINDS = ("combine", "gather", "share", "broadcast", "barrier", "end", "reach")


class Header(NamedTuple):
    """A call: its number, the place of its kind in KINDS, the width and size of its elements, which
    are equal on all ranks; and how many rows or bytes this rank gives, and whether it has failed.
    """

    number: int
    kind: int
    width: int = 0
    itemsize: int = 0
    given: int = 0
    failed: int = 0

    def __str__(self) -> str:
        if KINDS[self.kind] == "end":
            return f"has {'failed' if self.failed else 'ended'} after {self.number - 1} exchanges"
        what = f" of {self.width:,} numbers" if self.width else ""
        return f"is at exchange {self.number} ({KINDS[self.kind]}{what})"


class Disagreement(ValueError):
    """Ranks differ. All of them know it and raise the same, so that one alone has to say so."""

    failed = False


class Mismatch(Disagreement):
    """Ranks make different calls. failed: some rank has failed, and says itself why."""


def check_headers(headers: list[Header]) -> None:
    """Raise Mismatch, on all ranks alike, unless all make the same call."""
    for rank, header in enumerate(headers):
        if header[:4] != headers[0][:4]:
            error = Mismatch(
                "parallel: all ranks must make the same calls in the same order, but rank 0 "
                f"{headers[0]} and rank {rank} {header}: does each run the same script on the "
                "same data?"
            )
            error.failed = any(h.failed for h in headers)
            raise error


@cache
def blocks_of(shards: Shards, size: int) -> list[list[Node]]:
    """The blocks of each rank, in order."""
    return [shards.blocks(*shards.share(rank, size)) for rank in range(size)]


def fold(nodes: list[Node], rows: list[Array], begin: int = 0) -> Array:
    """The sum of all nodes in the order of the tree, written over the first of the rows."""
    kept: list[tuple[int, int, Array]] = []
    for (first, size), row in zip(nodes, rows):
        while kept and kept[-1][1] == size and first & size:
            first, _, left = kept.pop()
            left += row
            row, size = left, 2 * size
        kept.append((first, size, row))
    ((_, _, whole),) = kept
    return whole


def fold_halves(nodes: list[Node], rows: list[Array]) -> None:
    """All of `fold` but the last addition: both halves of the tree are written over the rows of
    the first nodes in them. Nothing is left to add where one node is all."""
    half = sum(size for _, size in nodes) // 2
    second = next((i for i, (first, _) in enumerate(nodes) if first == half), 0)
    for part in slice(0, second), slice(second, len(nodes)):
        if second:
            fold(nodes[part], rows[part])


def halves_of(shards: Shards, size: int) -> list[tuple[int, int]]:
    """(rank, block) of the rows over which `fold_halves` writes; one where a block is all."""
    return [
        (rank, b)
        for rank, nodes in enumerate(blocks_of(shards, size))
        for b, (first, _) in enumerate(nodes)
        if first in (0, shards.count / 2)
    ]
