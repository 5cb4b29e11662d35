"""Softmax and its logarithm."""

from __future__ import annotations

from handgrad.compile.builder import Builder
from handgrad.compile.lowering.activation import Output
from handgrad.compile.lowering.registry import Lowering, lowers
from handgrad.compile.trace import Node
from handgrad.compile.values import BatchDim, NotNative, Size, Value, times
from handgrad.layers import LogSoftmax, Softmax


@lowers(Softmax, LogSoftmax)
class LowerSoftmax(Lowering):
    """Along the last axis."""

    def forward(self, b: Builder, node: Node) -> tuple[Value, Output]:
        x = b.plain(b.gathered(node.inputs[0]))
        if node.layer.axis not in (-1, len(x.shape) - 1) or isinstance(x.shape[-1], BatchDim):
            raise NotNative("softmax along an axis that is not the last, or along the batch")
        y = b.value(x.shape)
        b.row("softmax", *self.rows(node), x, y, self.is_log(node), 0, reals=(1,))
        return y, Output(y)

    def backward(self, b: Builder, node: Node, record: Output, dy: Value) -> Value:
        y, dx = record.y, b.value(dy.shape)
        log = self.is_log(node)
        b.row("softmax_backward", *self.rows(node), y, dx, log, 0, b.plain(dy), reals=(1,))
        return dx

    def rows(self, node: Node) -> tuple[Size, Size]:
        *others, length = node.inputs[0].shape
        return times(*others), length

    def is_log(self, node: Node) -> bool:
        return type(node.layer) is LogSoftmax
