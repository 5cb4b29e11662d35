"""Shards: their borders, the shares of ranks, and one tree of sums whoever adds."""

from __future__ import annotations

import numpy as np
import pytest

from handgrad.parallel import Alone, Shards, TreeSum
from tests.parallel.simulated import run

SIZES = (1, 2, 3, 4, 5, 7, 8, 16, 20)


@pytest.mark.parametrize("count", [0, -2, 3, 12, 8192, 16.0, "16", True, None])
def test_only_a_power_of_two_will_do(count):
    with pytest.raises(
        ValueError, match=r"shards: a power of two up to 4096, such as 8 or 16, is needed"
    ):
        Shards(count)


@pytest.mark.parametrize("n", [0, 1, 5, 16, 17, 100])
def test_borders_cover_the_batch_and_differ_by_one_sample_at_most(n):
    borders = Shards(16).borders(n)
    assert borders[0] == 0
    assert borders[-1] == n
    assert len(borders) == 17
    assert set(np.diff(borders)) <= {n // 16, n // 16 + 1}


@pytest.mark.parametrize("size", SIZES)
def test_ranks_share_all_shards_in_order(size):
    shards = Shards(16)
    shares = [shards.share(rank, size) for rank in range(size)]
    assert [i for first, stop in shares for i in range(first, stop)] == list(range(16))


@pytest.mark.parametrize("count", [1, 2, 8, 16])
def test_blocks_are_the_fewest_nodes_of_the_tree(count):
    shards = Shards(count)
    for first in range(count + 1):
        for stop in range(first, count + 1):
            nodes = shards.blocks(first, stop)
            covered = [i for start, size in nodes for i in range(start, start + size)]
            assert covered == list(range(first, stop))
            assert all(size & (size - 1) == 0 and start % size == 0 for start, size in nodes)
            siblings = [a for a, b in zip(nodes, nodes[1:]) if a[1] == b[1] and not a[0] & a[1]]
            assert not siblings


def tree(parts: list, first: int, size: int):
    """The definition itself."""
    if size == 1:
        return parts[first]
    half = size // 2
    return tree(parts, first, half) + tree(parts, first + half, half)


@pytest.mark.parametrize("count", [1, 2, 16])
def test_the_counter_adds_as_the_tree_does(count):
    parts = list(np.random.default_rng(0).normal(size=(count, 50)).astype(np.float32))
    kept = [part.copy() for part in parts]
    assert np.array_equal(Shards(count).sum(parts), tree(parts, 0, count))
    assert all(np.array_equal(a, b) for a, b in zip(parts, kept))  # never written into


@pytest.mark.parametrize("size", SIZES)
def test_any_number_of_ranks_gives_the_same_bits(size):
    shards = Shards(16)
    parts = np.random.default_rng(1).normal(size=(16, 50)).astype(np.float32)
    assert not np.array_equal(parts.sum(axis=0), tree(list(parts), 0, 16))  # the order counts

    def work(ranks):
        first, stop = shards.share(ranks.rank, ranks.size)
        counter = TreeSum()
        for i in range(first, stop):
            counter.add(parts[i], i)
        assert counter.nodes == shards.blocks(first, stop)
        sums = np.array(counter.sums) if counter.sums else np.full((1, 50), np.nan, np.float32)
        ranks.combine(shards, sums)
        gathered = ranks.gather(parts[first:stop])
        return sums[0], gathered, ranks.share({"rank": ranks.rank})

    for whole, gathered, shared in run(size, work):
        assert np.array_equal(whole, tree(list(parts), 0, 16))
        assert np.array_equal(gathered, parts)
        assert shared == [{"rank": rank} for rank in range(size)]


def test_a_rank_alone_has_all_there_is():
    ranks, sums = Alone(), np.ones((1, 3))
    ranks.combine(Shards(8), sums)
    ranks.broadcast(sums)
    ranks.barrier()
    assert (sums == 1).all()
    assert ranks.share(5) == [5]
    assert ranks.gather(sums) is sums


def test_broadcast_gives_all_ranks_the_first_ones_numbers():
    def work(ranks):
        array = np.full(3, float(ranks.rank))
        ranks.broadcast(array)
        return array.tolist()

    assert run(3, work) == [[0.0] * 3] * 3


def test_an_error_of_one_rank_ends_all_and_is_the_one_raised():
    def work(ranks):
        if ranks.rank == 1:
            raise ZeroDivisionError("rank 1")
        ranks.barrier()

    with pytest.raises(ZeroDivisionError, match="rank 1"):
        run(3, work)
