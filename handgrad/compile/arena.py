"""The arena: one stretch of memory, in which arrays whose lives do not meet share words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from handgrad.compile.builder import Row
from handgrad.compile.stages import stages
from handgrad.compile.values import Address, Value, at_most

ALIGN = 16  # words: arrays in the arena begin at a cache line


def lay_out(rows: Sequence[Row], batch: int, align: int = ALIGN) -> int:
    """Give every array that has no address yet one in the arena. Returns the arena's words.

    Arrays begin at multiples of `align` words. A life lasts to the end of a stage, for its rows may
    run at the same time.
    """
    born: dict[int, tuple[int, Value]] = {}
    dies: dict[int, int] = {}
    for stage in stages(rows):
        for a in chain.from_iterable(rows[i].values() for i in stage):
            if isinstance(a, Value) and a.owner.address is None:
                born.setdefault(id(a.owner), (stage.start, a.owner))
                dies[id(a.owner)] = stage.start
    taken: list[tuple[int, int, int]] = []  # start, stop, where it dies, by start
    words = 0
    for key, (first, value) in sorted(born.items(), key=lambda item: item[1][0]):
        taken = [t for t in taken if t[2] >= first]
        need = -(-max(at_most(value.size, batch), 1) // align) * align
        start = _gap(taken, need)
        taken = sorted([*taken, (start, start + need, dies[key])])
        value.address = Address("arena", start)
        words = max(words, start + need)
    return words


def _gap(taken: list[tuple[int, int, int]], need: int) -> int:
    """The first word at which `need` words are free."""
    start = 0
    for begin, end, _ in taken:
        if begin - start >= need:
            break
        start = max(start, end)
    return start
