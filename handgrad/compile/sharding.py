"""Sharding: programs that compute some shards of each batch and add them up by shards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from handgrad.arrays import Array, zeros
from handgrad.compile.builder import Argument, Builder, Row
from handgrad.compile.lowering.registry import Measured
from handgrad.compile.values import Address, BatchDim, NotNative, Size, Value, times
from handgrad.parallel import Ranks, Shards

ALIGN = 16  # words
_APART = ("partial", "sum_parts")  # whose arrays of sums have an axis of parts first
_SHARDS, _ROWS = 256, 512  # of a pass, at most: see native/shard_product.h
TAIL = ("loss", "denominator", "right", "counted")  # sums besides the gradients, in this order


@dataclass(frozen=True)
class Part:
    """The shards of each batch that this rank's program computes."""

    shards: Shards
    ranks: Ranks

    @property
    def span(self) -> tuple[int, int]:
        """The first shard, and the one after the last."""
        return self.shards.share(self.ranks.rank, self.ranks.size)

    @property
    def count(self) -> int:
        """How many they are."""
        return self.span[1] - self.span[0]

    @property
    def blocks(self) -> int:
        """Nodes of the tree that they are."""
        return len(self.shards.blocks(*self.span))

    @property
    def alone(self) -> bool:
        """Whether there is no other rank to meet."""
        return self.ranks.size == 1

    def most(self, batch: int) -> int:
        """The most samples that they have of a batch of at most so many; 1 at least."""
        first, stop = self.span
        return max(1, -(-(stop - first) * batch // self.shards.count))


class ShardedBuilder(Builder):
    """A builder of rows for some shards of each batch.

    Rows that add up over the batch write a sum for each block of shards: the segment "gradients"
    has a row for each, of the flat gradients, then `TAIL`, then what else is added up. Row 0 is
    where addresses point; there is the sum of all shards once the ranks have exchanged theirs.
    """

    def __init__(self, flat: Any, batch: int, part: Part, batch_norm: str = "global"):
        super().__init__(flat, part.most(batch), trains=True)
        self.whole, self.part, self.batch_norm = batch, part, batch_norm
        self.words = flat.gradients.size + len(TAIL)  # of a row
        self.afterwards: list[Row] = []  # rows that follow the exchange
        self._sums: set[int] = set()  # values that are sums over the batch, by their ids
        self.meetings: list[Row] = []  # rows in which ranks exchange something
        self.exchange: Any = None  # the one in which they exchange their sums

    # -- memory -------------------------------------------------------------------------------

    def tail(self, name: str) -> Address:
        """The sum of all shards of one of `TAIL`."""
        return Address("gradients", self.flat.gradients.size + TAIL.index(name))

    def summed(self, words: int) -> Address:
        """Memory for so many sums over the batch, made by shards."""
        self.words = -(-self.words // ALIGN) * ALIGN
        self.words += words
        return Address("gradients", self.words - words)

    def total(self, shape: Sequence[Size], of: Value) -> Value:
        value = super().total(shape, of)
        if isinstance(value.size, BatchDim) or not _grows(of):
            return value
        value.address = self.summed(value.size)
        self._sums.add(id(value))
        return value

    def gradient(self, array: Array) -> tuple[Address | None, bool]:
        """The gradient of a second use of a parameter is a sum of its own, added after the
        exchange, for (a₁ + b₁) + (a₂ + b₂) has other bits than (a₁ + a₂) + (b₁ + b₂)."""
        address, add = super().gradient(array)
        if not add or address is None:
            return address, False
        more = self.summed(array.size)
        self.after_exchange("add", count=array.size, a=address, b=more, y=address)
        return more, False

    def gradient_view(self, array: Array) -> tuple[Array | None, bool]:
        address, _ = self.gradient(array)
        if address is None:
            return None, False
        view = zeros(array.size, array.dtype).reshape(array.shape)
        self.later("copy", count=array.size, x=self.array(view, writable=True), y=address)
        return view, False

    def after_exchange(self, kernel: str, **args: Argument) -> None:
        """A row that reads sums of all shards."""
        self.row(kernel, **args)
        self.afterwards.append(self.rows.pop())

    def row(self, kernel: str, **args: Argument) -> Row:
        row = super().row(kernel, **args)
        if "by_shards" in row.args and self._adds_up(row):
            row.set(by_shards=True)
        if row.kernel == "weights" and row["by_shards"]:
            row.set(kept=self._kept(row["K"].count, times(row["M"], row["dW_row"])))
        return row

    def _adds_up(self, row: Row) -> bool:
        """Whether the row makes of samples something that is not of samples."""
        grows = any(isinstance(a, BatchDim) for a in row.values())
        return grows and not all(map(_grows, _arrays(row)[0]))

    def _kept(self, each: int, size: Size) -> Value | None:
        """Memory for the sums that a product keeps: see native/shard_product.h."""
        most = each * -(-self.batch // max(1, self.part.count))
        passes, levels = self.part.count // max(1, min(_SHARDS, _below(_ROWS // most))), 0
        while passes > 1:
            passes, levels = passes // 2, levels + 1
        return self.value((levels, size)) if levels else None

    # -- the exchange -------------------------------------------------------------------------

    def meet(self, call: Any, *values: Value) -> None:
        """Append a call(n, step, *arrays) in which all ranks exchange something."""
        self.python(call, *values)
        self.meetings.append(self.rows[-1])

    def watch(self, call: Any, y: Value) -> None:
        """The same; it may add up over ranks what it sees of each shard."""
        self.meet(call, y)

    def add_up(self, loss: Any, step: Measured, updates: bool) -> Array:
        """Append what follows when this rank's shards are added up; the array of sums (B, L).

        Raises NotNative where a row adds up over the batch and does not do so by shards.
        """
        if self.part.shards.count > 1:
            self._move_sums()
        self.words = -(-self.words // ALIGN) * ALIGN
        rows = max(1, self.part.blocks)
        sums: Array = self.part.ranks.buffer(rows, self.words, self.flat.gradients.dtype)
        self.segments["gradients"] = sums, True
        self.sums = sums
        if not updates:
            self.rows += self.afterwards
            return sums
        self.label = "exchange"
        if not self.part.alone:
            ranks, shards = self.part.ranks, self.part.shards
            self.meet(lambda n, step: ranks.combine(shards, sums))
            self.exchange = self.rows[-1]
        self.label = type(loss).__name__
        self.share = self.value((1,))
        self.row(
            "whole_loss", tail=self.tail("loss"), divisor=self.divisor, losses=step.losses,
            denominators=step.denominators, rights=step.right, counted=step.counted,
            share=self.share,
        )  # fmt: skip
        self.rows += self.afterwards
        return sums

    def _move_sums(self) -> None:
        """Let the rows that go on from sums follow the exchange."""
        before: list[Row] = []
        later: list[Row] = []
        for row in self.rows:
            if row.python is not None and row not in self.meetings:
                raise NotNative(f"{row.label}: a row of Python")
            goes_on = row.python is None and self._goes_on_from_sums(row)
            (later if goes_on else before).append(row)
        self.rows, self.afterwards = before, later + self.afterwards

    def _goes_on_from_sums(self, row: Row) -> bool:
        """Whether it belongs behind the exchange; NotNative where it is on both sides."""
        written, read = _arrays(row)
        by_samples = any(isinstance(a, BatchDim) or _grows(a) for a in row.values())
        if not by_samples:
            if not any(map(self._is_sum, written + read)):
                return False
            self._sums |= {id(a.owner) for a in written if isinstance(a, Value)}
            return True
        if any(self._is_sum(a) for a in read if a not in written):
            raise NotNative(f"{row.label}: {row.kernel} of a sum over the batch")
        if not _by_samples(row):
            raise NotNative(f"{row.label}: {row.kernel} mixes the samples of the batch")
        if not row.form.shards and not all(map(_grows, written)):
            raise NotNative(f"{row.label}: {row.kernel} does not add up by shards")
        return False

    def _is_sum(self, argument: Argument) -> bool:
        if isinstance(argument, Address):
            return argument.segment == "gradients"
        return isinstance(argument, Value) and id(argument.owner) in self._sums


def _below(number: int) -> int:
    """The largest power of two up to a number."""
    return 1 << max(number, 1).bit_length() - 1


def _arrays(row: Row) -> tuple[list[Any], list[Any]]:
    """The arrays that a row writes, and those it reads; of one that it updates, both."""
    kinds = [(row[name], a.kind) for name, a in row.form.arguments.items() if a.array]
    there = [(array, kind) for array, kind in kinds if array is not None]
    return [a for a, kind in there if kind != "read"], [a for a, kind in there if kind != "write"]


def _by_samples(row: Row) -> bool:
    """Whether arrays that grow with the batch lie sample by sample, and are read and written so."""
    arrays = (a.owner for a in row.values() if _grows(a))
    if row.kernel == "move" and any(isinstance(row[a], BatchDim) for a in ("x_first", "y_first")):
        return False
    return row.kernel in _APART or all(isinstance(a.shape[0], BatchDim) for a in arrays)


def _grows(argument: Argument) -> bool:
    """Whether it is an array with an axis of the batch."""
    return isinstance(argument, Value) and isinstance(argument.owner.size, BatchDim)
