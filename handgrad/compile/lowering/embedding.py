"""Embedding: rows of a table, and their sums."""

from __future__ import annotations

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
            raise NotNative("an embedding of numbers that are not the network's input")
        b.row("embedding", *self.ids(node), b.parameter(node.layer.W), y)
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
            b.row("embedding_clear", *self.ids(node), dW, None, touched, most)
        b.row("embedding_sums", *self.ids(node), dW, dy, touched)

    def ids(self, node: Node) -> tuple:
        """The first arguments of each kernel: how many ids, and where."""
        ids = node.inputs[0]
        source = ids if ids.rows is None else ids.owner.rows
        return BatchDim(1), ids.row, *node.layer.W.shape[::-1], source, ids.rows is not None


def used_once(b: Builder, W: Array) -> bool:
    """Whether no other layer holds this parameter, and its layer is used once."""
    (holders,) = (s.slots for s in b.flat.segments if s.view is W)
    return len(holders) == 1 and sum(b.parameter(W) in row.args for row in b.rows) == 1
