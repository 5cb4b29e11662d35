"""Batches in shards: in what parts their samples are added up."""

from __future__ import annotations

from handgrad.compile.builder import Builder
from handgrad.compile.values import Size, at_most


def shards_of(b: Builder) -> int:
    """Into how many shards a batch falls."""
    return 1 if b.part is None else b.part.shards.count


def largest_shard(b: Builder, rows: Size) -> int:
    """The most rows of one shard, wherever it is computed, so that bits may depend on it."""
    return at_most(rows, -(-b.whole // shards_of(b)))


def parts_of(b: Builder, rows: Size, each: int) -> int:
    """For how many parts of so many rows there must be memory, no part being of two shards."""
    here = 1 if b.part is None else b.part.count
    return here * -(-largest_shard(b, rows) // each)
