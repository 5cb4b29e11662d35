"""Embedding: rows of a table, and their sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.compile.builder import Builder
from handgrad.compile.lowering.registry import Lowering, lowers
from handgrad.compile.lowering.strided import Axis, copy, fill
from handgrad.compile.trace import Node
from handgrad.compile.values import BatchDim, NotNative, Value
from handgrad.layers import ColumnEmbedding, Embedding


@lowers(Embedding)
class LowerEmbedding(Lowering):
    """y = W[ids], for ids that are the network's input or columns of it."""

    integers = True

    def forward(self, b: Builder, node: Node) -> tuple[Value, None]:
        ids, y, W = node.inputs[0], b.value(node.outputs[0].shape), node.layer.W
        if not ids.integer:
            raise NotNative("an embedding of ids that are not the network's input")
        b.row("embedding", **table(W), **self.ids(node), W=b.parameter(W), y=y)
        return y, None

    def backward(self, b: Builder, node: Node, record: None, dy: Value) -> None:
        sums(b, node.layer.W, self.ids(node), b.plain(dy))

    def ids(self, node: Node) -> dict[str, Any]:
        """The arguments for the ids: how many, and where."""
        ids = node.inputs[0]
        source = ids if ids.rows is None else ids.owner.rows
        indexed = ids.rows is not None
        return {"samples": BatchDim(1), "each": ids.row, "ids": source, "indexed": indexed}


@lowers(ColumnEmbedding)
class LowerColumnEmbedding(Lowering):
    """Codes made ids, which are read as in an embedding; numbers are copied past them."""

    def forward(self, b: Builder, node: Node) -> tuple[Value, Value]:
        layer, x = node.layer, b.plain(b.gathered(node.inputs[0]))
        each, y = len(layer.columns), b.value(node.outputs[0].shape)
        codes, rows = b.value((BatchDim(1), each)), b.value((BatchDim(1), each * layer.hidden))
        codes.integer = True
        lists = layer.columns, layer.starts, layer.vocabulary
        columns, starts, sizes = (b.array(np.array(held, np.int32)) for held in lists)
        b.row(
            "codes", width=x.row, each=each, samples=BatchDim(1), x=x, columns=columns,
            starts=starts, sizes=sizes, ids=codes,
        )  # fmt: skip
        W = layer.W
        b.row("embedding", **table(W), **self.ids(codes), W=b.parameter(W), y=rows)
        for source, target, length in self.runs(layer, x.row):
            copy(b, x, y, part(length, x, y), first=source, target_first=target)
        copy(b, rows, y, part(rows.row, rows, y), target_first=y.row - rows.row)
        return y, codes

    def backward(self, b: Builder, node: Node, record: Value, dy: Value) -> Value | None:
        dy, layer = b.plain(dy), node.layer
        rows = b.value((BatchDim(1), len(layer.columns) * layer.hidden))
        copy(b, dy, rows, part(rows.row, dy, rows), first=dy.row - rows.row)
        sums(b, layer.W, self.ids(record), rows)
        if not node.needs_input_grad[0]:
            return None
        dx = fill(b, b.value(node.inputs[0].shape))
        for target, source, length in self.runs(layer, dx.row):
            copy(b, dy, dx, part(length, dy, dx), first=source, target_first=target)
        return dx

    def ids(self, codes: Value) -> dict[str, Any]:
        """The arguments for ids that were computed."""
        return {"samples": BatchDim(1), "each": codes.row, "ids": codes, "indexed": False}

    def runs(self, layer: Any, width: int) -> list[tuple[int, int, int]]:
        """Numbers side by side: where they begin in x and in y, and how many there are."""
        found: list[tuple[int, int, int]] = []
        for i, column in enumerate(layer.numbers(width)):
            first, at, length = found[-1] if found else (-1, 0, 0)
            if found and column == first + length:
                found[-1] = first, at, length + 1
            else:
                found.append((column, i, 1))
        return found


def table(W: Array) -> dict[str, Any]:
    """The arguments for the sizes of W."""
    return dict(zip(("vocabulary", "width"), W.shape))


def sums(b: Builder, W: Array, ids: dict[str, Any], dy: Value) -> None:
    """Append the rows that compute dW from the ids, as arguments, and what goes to each.

    dW is zero but for the ids of the batch. Where nothing else writes dW, the rows of the batch
    before are made zero again, not all.
    """
    dW, add = b.gradient(W)
    if dW is None:
        return
    touched = None
    if not add:
        stays = used_once(b, W) and (b.part is None or b.part.alone)
        most = b.batch * ids["each"] if stays else 0
        touched = b.array(np.zeros(most, np.int32), writable=True) if most else None
        b.row(
            "embedding_clear", **table(W), samples=ids["samples"], dW=dW, touched=touched, most=most
        )
    if b.part is None:
        b.row("embedding_sums", **table(W), **ids, dW=dW, dy=dy, touched=touched)
        return
    last, (next_, heads) = b.value((len(W),)), (b.value((BatchDim(ids["each"]),)) for _ in "ab")
    b.row(
        "embedding_chains", **table(W), **ids, last=last, next=next_, heads=heads, touched=touched
    )
    b.row("embedding_shard_sums", **table(W), **ids, dW=dW, dy=dy, next=next_, heads=heads)


def part(length: int, source: Value, target: Value) -> list[Axis]:
    """The axes of so many elements of each sample."""
    return [(BatchDim(1), source.row, target.row), (length, 1, 1)]


def used_once(b: Builder, W: Array) -> bool:
    """Whether no other layer holds this parameter, and its layer is used once."""
    (holders,) = (s.slots for s in b.flat.segments if s.view is W)
    return len(holders) == 1 and sum(b.parameter(W) in row.values() for row in b.rows) == 1
