"""Softmax and its logarithm."""

from __future__ import annotations

from typing import Any

from handgrad.compile.builder import Builder
from handgrad.compile.lowering.activation import Output
from handgrad.compile.lowering.registry import Lowering, lowers
from handgrad.compile.trace import Node
from handgrad.compile.values import BatchDim, NotNative, Value, times
from handgrad.layers import LogSoftmax, Softmax


@lowers(Softmax, LogSoftmax)
class LowerSoftmax(Lowering):
    """Along the last axis."""

    def forward(self, b: Builder, node: Node) -> tuple[Value, Output]:
        x = b.plain(b.gathered(node.inputs[0]))
        if node.layer.axis not in (-1, len(x.shape) - 1) or isinstance(x.shape[-1], BatchDim):
            raise NotNative("softmax along an axis that is not the last, or along the batch")
        y = b.value(x.shape)
        b.row("softmax", **self.shared(node), x=x, y=y)
        return y, Output(y)

    def backward(self, b: Builder, node: Node, record: Output, dy: Value) -> Value:
        y, dx = record.y, b.value(dy.shape)
        b.row("softmax_backward", **self.shared(node), y=y, dy=b.plain(dy), dx=dx)
        return dx

    def shared(self, node: Node) -> dict[str, Any]:
        """The arguments that both rows have."""
        *others, length = node.inputs[0].shape
        log = type(node.layer) is LogSoftmax
        return {"rows": times(*others), "length": length, "log": log, "factor": 1.0}
