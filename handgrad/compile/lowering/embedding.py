"""Embedding: rows of a table, and their sums."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.compile.builder import Builder
from handgrad.compile.lowering.registry import Lowering, lowers
from handgrad.compile.trace import Node
from handgrad.compile.values import BatchDim, NotNative, Value
from handgrad.layers import Embedding


@lowers(Embedding)
class LowerEmbedding(Lowering):
    """y = W[ids], for ids that are the network's input or columns of it.

    dW is zero but for the ids of the batch. Where nothing else writes dW, the rows of the batch
    before are made zero again, not all.
    """

    integers = True

    def forward(self, b: Builder, node: Node) -> tuple[Value, None]:
        ids, y = node.inputs[0], b.value(node.outputs[0].shape)
        if not ids.integer:
            raise NotNative("an embedding of ids that are not the network's input")
        b.row("embedding", **self.table(node), **self.ids(node), W=b.parameter(node.layer.W), y=y)
        return y, None

    def backward(self, b: Builder, node: Node, record: None, dy: Value) -> None:
        layer, dy = node.layer, b.plain(dy)
        dW, add = b.gradient(layer.W)
        if dW is None:
            return
        touched = None
        if not add:
            if used_once(b, layer.W):
                touched = b.array(np.zeros(b.batch * node.inputs[0].row, np.int32), writable=True)
            most = b.batch * node.inputs[0].row if touched else 0
            b.row("embedding_clear", **self.table(node), dW=dW, touched=touched, most=most)
        b.row("embedding_sums", **self.table(node), **self.ids(node), dW=dW, dy=dy, touched=touched)

    def table(self, node: Node) -> dict[str, Any]:
        """The arguments for the sizes of W."""
        return dict(zip(("vocabulary", "width"), node.layer.W.shape))

    def ids(self, node: Node) -> dict[str, Any]:
        """The arguments for the ids: how many, and where."""
        ids = node.inputs[0]
        source = ids if ids.rows is None else ids.owner.rows
        indexed = ids.rows is not None
        return {"samples": BatchDim(1), "each": ids.row, "ids": source, "indexed": indexed}


def used_once(b: Builder, W: Array) -> bool:
    """Whether no other layer holds this parameter, and its layer is used once."""
    (holders,) = (s.slots for s in b.flat.segments if s.view is W)
    return len(holders) == 1 and sum(b.parameter(W) in row.values() for row in b.rows) == 1
