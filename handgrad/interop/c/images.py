"""Pooling and normalization in C."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from handgrad.compile.trace import Node
from handgrad.compile.values import NotNative, Value
from handgrad.interop.c.forms import Form, exports, input_gradient, ints, output
from handgrad.interop.c.products import require_two_axes
from handgrad.interop.c.writer import Writer
from handgrad.layers import (
    AveragePooling,
    BatchNorm,
    GlobalAveragePooling,
    GlobalMaxPooling,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    MaxPooling,
    RMSNorm,
)
from handgrad.layers.convolution.window import Grid, Window


def grid_of(node: Node) -> Grid:
    """Where the windows lie; a global pooling has one, the image as one line."""
    sizes = ints(node.inputs[0].shape[2:])
    if isinstance(node.layer, GlobalMaxPooling | GlobalAveragePooling):
        line = (prod(sizes),)
        return Window(node.name, line, 1, 0).grid(line)
    require_two_axes(node)
    found: Grid = node.layer.window.grid(sizes, ceil_mode=node.layer.ceil_mode)
    return found


@exports(MaxPooling, GlobalMaxPooling, AveragePooling, GlobalAveragePooling)
class PoolingForm(Form):
    """The largest, or the mean, of each window; of the largest, backward looks again which."""

    def forward(self, c: Writer, node: Node) -> Value:
        y = output(c, node)
        name, *sizes = self.arguments(c, node)
        c.call(f"{name}_forward", *sizes, node.inputs[0], y)
        return y

    def backward(self, c: Writer, node: Node, *dy: Any) -> Value | None:
        dx = input_gradient(c, node)
        if dx is not None:
            name, *sizes = self.arguments(c, node)
            x = [node.inputs[0]] if name == "max_pooling" else []
            c.call(f"{name}_backward", *sizes, *x, dy[0], dx)
        return dx

    def arguments(self, c: Writer, node: Node) -> tuple[Any, ...]:
        """The functions' name, the number of images, and the windows."""
        grid = grid_of(node)
        images, window = prod(ints(node.inputs[0].shape[:2])), c.memory.window(grid)
        if isinstance(node.layer, MaxPooling | GlobalMaxPooling):
            return "max_pooling", images, window
        after = [last for _, last in grid.pad]
        bottom, right = after if len(after) == 2 else (0, after[0])
        padded = int(getattr(node.layer, "count_padding", False))
        return "average_pooling", images, window, padded, bottom, right


@exports(BatchNorm)
class BatchNormForm(Form):
    """Running statistics in predictions; in training those of the batch, which they follow."""

    def forward(self, c: Writer, node: Node) -> Value:
        layer, x, y, m = node.layer, node.inputs[0], output(c, node), c.memory
        scale = m.weight(layer.gamma), m.weight(layer.beta)
        running = m.weight(layer.running_mean), m.weight(layer.running_var)
        if not c.trains:
            c.call("batch_norm_forward", *self.sizes(node), layer.eps, x, *scale, *running, y)
            return y
        m.follows = True
        node.record = c.value((layer.gamma.size, 2), f"stats{node.number}")
        c.call(
            "batch_norm_train_forward", *self.sizes(node), layer.eps, float(layer.momentum), x,
            *scale, *running, node.record, y,
        )  # fmt: skip
        return y

    def backward(self, c: Writer, node: Node, *dy: Any) -> Value | None:
        layer, m, dx = node.layer, c.memory, input_gradient(c, node)
        c.call(
            "batch_norm_train_backward", *self.sizes(node), node.inputs[0], m.weight(layer.gamma),
            node.record, dy[0], dx, m.gradient(layer.gamma), m.gradient(layer.beta),
        )  # fmt: skip
        return dx

    def sizes(self, node: Node) -> tuple[int, int, int]:
        """N, C, P."""
        N, C, *sizes = ints(node.inputs[0].shape)
        return N, C, prod(sizes)


@exports(LayerNorm, RMSNorm, GroupNorm, InstanceNorm)
class GroupNormForm(Form):
    """Every sample is some groups of channels, each channel a run of elements."""

    def forward(self, c: Writer, node: Node) -> Value:
        layer, x, y, m = node.layer, node.inputs[0], output(c, node), c.memory
        sizes = self.sizes(node)
        node.record = c.value((*sizes[:2], 2), f"stats{node.number}")
        beta = m.weight(layer.beta) if "beta" in layer.params else None
        c.call(
            "group_norm_forward", *sizes, layer.eps, self.centred(layer), x, m.weight(layer.gamma),
            beta, node.record, y,
        )  # fmt: skip
        return y

    def backward(self, c: Writer, node: Node, *dy: Any) -> Value | None:
        layer, x, m, dx = node.layer, node.inputs[0], c.memory, input_gradient(c, node)
        dbeta = m.gradient(layer.beta) if "beta" in layer.params else None
        c.call(
            "group_norm_backward", *self.sizes(node), self.centred(layer), x,
            m.weight(layer.gamma), node.record, dy[0], dx, m.gradient(layer.gamma), dbeta,
        )  # fmt: skip
        return dx

    def centred(self, layer: Any) -> int:
        """Whether the mean is subtracted."""
        return int(type(layer) is not RMSNorm)

    def sizes(self, node: Node) -> tuple[int, int, int, int]:
        """Samples, groups of a sample, channels of a group, elements of a channel."""
        layer, shape = node.layer, ints(node.inputs[0].shape)
        if isinstance(layer, LayerNorm):
            count, axes = layer.gamma.ndim, np.arange(len(shape))[np.array(layer.axis)]
            if sorted(np.atleast_1d(axes)) != list(range(len(shape)))[-count:]:
                raise NotNative("axes that are not the last ones")
            return prod(shape[:-count]), 1, layer.gamma.size, 1
        N, C, *sizes = shape
        G = layer.groups if type(layer) is GroupNorm else C
        return N, G, C // G, prod(sizes)
