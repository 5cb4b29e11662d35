"""Affine, embedding and convolution in C."""

from __future__ import annotations

from math import prod
from typing import Any

from handgrad.arrays import Array
from handgrad.compile.trace import Node
from handgrad.compile.values import NotNative, Value
from handgrad.interop.c.forms import Form, exports, input_gradient, ints, output
from handgrad.interop.c.writer import Writer
from handgrad.layers import (
    Affine,
    Convolution,
    Embedding,
    TransposedConvolution,
)
from handgrad.layers.convolution.window import Grid


def affine(c: Writer, sizes: tuple[int, int, int], x: Value, W: Array, b: Any, y: Value) -> None:
    """y = x W + b."""
    bias = None if b is None else c.memory.weight(b)
    if c.memory.int8:
        c.call("affine_int8_forward", *sizes, x, *c.memory.quantized(W, -1), bias, y)
    else:
        c.call("affine_forward", *sizes, x, c.memory.weight(W), bias, y)


def affine_backward(
    c: Writer, sizes: tuple[int, int, int], x: Value, W: Array, b: Any, dy: Value, dx: Any
) -> None:
    """dx, dW and db."""
    m = c.memory
    db = None if b is None else m.gradient(b)
    c.call("affine_backward", *sizes, x, m.weight(W), dy, dx, m.gradient(W), db)


@exports(Affine)
class AffineForm(Form):
    """y = x W + b, on the rows that all axes but the last make together."""

    def forward(self, c: Writer, node: Node) -> Value:
        layer, y = node.layer, output(c, node)
        affine(c, self.sizes(node), node.inputs[0], layer.W, bias_of(layer), y)
        return y

    def backward(self, c: Writer, node: Node, *dy: Any) -> Value | None:
        layer, dx = node.layer, input_gradient(c, node)
        affine_backward(c, self.sizes(node), node.inputs[0], layer.W, bias_of(layer), dy[0], dx)
        return dx

    def sizes(self, node: Node) -> tuple[int, int, int]:
        """N, D, M."""
        D, M = node.layer.W.shape
        return prod(ints(node.inputs[0].shape)[:-1]), D, M


def bias_of(layer: Any) -> Any:
    """The bias; None where there is none."""
    return layer.b if layer.bias else None


@exports(Embedding)
class EmbeddingForm(Form):
    """Rows of W; ids are not looked at, whether they lie in the vocabulary."""

    integers = (0,)

    def forward(self, c: Writer, node: Node) -> Value:
        ids, W, y = node.inputs[0], node.layer.W, output(c, node)
        if not ids.integer:
            raise NotNative("ids that are not integers")
        c.call("embedding_forward", prod(ids.shape), W.shape[1], ids, c.memory.weight(W), y)
        return y

    def backward(self, c: Writer, node: Node, *dy: Any) -> None:
        ids, W = node.inputs[0], node.layer.W
        dW = c.memory.gradient(W)
        if dW is not None:
            c.call("embedding_backward", prod(ids.shape), W.shape[1], ids, dy[0], dW)


def require_two_axes(node: Node) -> None:
    """Raise NotNative for volumes."""
    if len(node.inputs[0].shape) > 4:
        raise NotNative("images with more than two axes")


@exports(Convolution)
class ConvolutionForm(Form):
    """Direct loops: each weight times a part of a line of the image."""

    def forward(self, c: Writer, node: Node) -> Value:
        require_two_axes(node)
        layer, x, m = node.layer, node.inputs[0], c.memory
        y, bias = output(c, node), bias_of(layer)
        bias = None if bias is None else m.weight(bias)
        if m.int8:
            q, s = m.quantized(layer.W, 0)
            c.call("convolution_int8_forward", *self.sizes(c, node), x, q, s, bias, y)
        else:
            c.call("convolution_forward", *self.sizes(c, node), x, m.weight(layer.W), bias, y)
        return y

    def backward(self, c: Writer, node: Node, *dy: Any) -> Value | None:
        layer, x, m, dx = node.layer, node.inputs[0], c.memory, input_gradient(c, node)
        sizes, W = self.sizes(c, node), m.weight(layer.W)
        if dx is not None:
            c.call("convolution_dx", *sizes, W, dy[0], dx)
        if (dW := m.gradient(layer.W)) is not None:
            c.call("convolution_dW", *sizes, x, dy[0], dW)
        bias_backward(c, layer, dy[0])
        return dx

    def sizes(self, c: Writer, node: Node) -> tuple[Any, ...]:
        """N, C, F, G and the window."""
        N, C, *sizes = ints(node.inputs[0].shape)
        layer = node.layer
        grid = layer.window.grid(tuple(sizes))
        return N, C, layer.outputs, layer.groups, c.memory.window(grid)


def bias_backward(c: Writer, layer: Any, dy: Value) -> None:
    """db, where there is one and it learns."""
    N, F, *sizes = ints(dy.shape)
    if layer.bias and (db := c.memory.gradient(layer.b)) is not None:
        c.call("channel_bias_backward", N, F, prod(sizes), dy, db)


@exports(TransposedConvolution)
class TransposedConvolutionForm(Form):
    """A convolution the other way round: forward is its dx, and backward its forward."""

    def forward(self, c: Writer, node: Node) -> Value:
        require_two_axes(node)
        layer, x, y = node.layer, node.inputs[0], output(c, node)
        if c.memory.int8:
            raise NotNative("no form in C with weights of 8 bits")
        c.call("convolution_dx", *self.sizes(c, node), c.memory.weight(layer.W), x, y)
        if layer.bias:
            N, F, *sizes = ints(y.shape)
            c.call("channel_bias_forward", N, F, prod(sizes), c.memory.weight(layer.b), y)
        return y

    def backward(self, c: Writer, node: Node, *dy: Any) -> Value | None:
        layer, x, m, dx = node.layer, node.inputs[0], c.memory, input_gradient(c, node)
        sizes = self.sizes(c, node)
        if dx is not None:
            c.call("convolution_forward", *sizes, dy[0], m.weight(layer.W), None, dx)
        if (dW := m.gradient(layer.W)) is not None:
            c.call("convolution_dW", *sizes, dy[0], x, dW)
        bias_backward(c, layer, dy[0])
        return dx

    def sizes(self, c: Writer, node: Node) -> tuple[Any, ...]:
        """N, C, F, G and the window of the convolution from y to x."""
        N, F, *sizes = ints(node.inputs[0].shape)
        layer = node.layer
        grid: Grid = layer.window.place_under(tuple(sizes), layer.extra)
        return N, layer.outputs, F, layer.groups, c.memory.window(grid)
