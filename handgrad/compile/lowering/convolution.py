"""Convolution and its transpose: products on images whose channels are last in memory."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from handgrad.compile.builder import Argument, Builder
from handgrad.compile.lowering.images import enter, require_two_axes, two, windows
from handgrad.compile.lowering.registry import Lowering, lowers
from handgrad.compile.trace import Node
from handgrad.compile.values import Address, Size, Value, at_most, times
from handgrad.layers import Convolution, TransposedConvolution
from handgrad.layers.convolution.window import Grid

PARTS = 16  # sums of a gradient that are made apart, so that threads share the images
DEEP = 256  # outputs that a sum takes, at least
FORWARD, BACKWARD, STAMPS = 0, 1, 2  # the orders in which the kernel `filters` lays weights out


@dataclass
class Correlation:
    """Filters (F, C/groups, *kernel) on a grid: images of C channels there, of F channels here."""

    b: Builder
    grid: Grid
    groups: int
    W: Any

    @property
    def channels(self) -> int:
        """C, the channels of the images that windows lie on."""
        return self.W.shape[1] * self.groups

    def panels(self, order: int) -> Value:
        """A row that lays the weights out for products; the panels."""
        F, each, *kernel = self.W.shape
        F, cells = F // self.groups, prod(kernel)
        columns = {FORWARD: F, BACKWARD: each, STAMPS: cells * each}[order]
        deep = F * each * cells // columns
        panels = self.b.value((self.groups * deep * (-(-columns // 16) * 16),))
        self.b.row(
            "filters",
            cells,
            each,
            len(self.W),
            self.groups,
            self.b.parameter(self.W),
            panels,
            order,
        )
        return panels

    def forward(
        self, n: Size, x: Argument, indexed: bool, y: Value, bias: Address | None, finish: tuple
    ) -> None:
        """y = finish(b + Σ W x). finish: code and options of an activation, or of a slope, and
        the saved y that it is taken at."""
        code, saved, options = finish
        self.b.row(
            "convolution", *windows(self.grid, n, self.channels), x, indexed, len(self.W),
            self.groups, self.panels(FORWARD), y, bias, code, saved, reals=options,
        )  # fmt: skip

    def back(self, n: Size, dy: Value, dx: Value, bias: Address | None, finish: tuple) -> None:
        """dx = finish(b + Σ Wᵀ dy): for stride 1 a convolution of dy with reversed filters."""
        code, saved, options = finish
        F, grid = len(self.W), self.grid
        if max(grid.stride) > 1:
            self.b.row(
                "spread", *windows(grid, n, self.channels), dy, False, F, self.groups,
                self.panels(STAMPS), dx, bias, code, saved, reals=options,
            )  # fmt: skip
            return
        pads = tuple(
            ((k - 1) * d - before, 0)
            for k, d, (before, _) in zip(grid.kernel, grid.dilation, grid.pad)
        )
        turned = Grid(grid.outputs, grid.kernel, grid.stride, grid.dilation, pads, grid.sizes)
        self.b.row(
            "convolution", *windows(turned, n, F), dy, False, self.channels, self.groups,
            self.panels(BACKWARD), dx, bias, code, saved, reals=options,
        )  # fmt: skip

    def gradients(
        self, n: Size, x: Argument, indexed: bool, dy: Value, dW: Address | None, add: bool,
        db: Address | None, pool: tuple[Argument, ...] = (), options: tuple[float, ...] = (),
    ) -> None:  # fmt: skip
        """dW = Σ x dy and db = Σ dy, first for parts of the batch. pool: see `pooled`."""
        if dW is None and db is None:
            return
        F, batch = len(self.W), at_most(n, self.b.batch)
        each = max(-(-batch // PARTS), -(-DEEP // prod(self.grid.outputs)))
        count = -(-batch // each)
        parts = self.b.value((count * self.W.size,))
        bias_parts = None if db is None else self.b.value((count * F,))
        self.b.row(
            "filter_gradient", *windows(self.grid, n, self.channels), x, indexed, F, self.groups,
            parts, dy, bias_parts, each, *pool, reals=options,
        )  # fmt: skip
        self.b.row(
            "filter_sum", prod(self.grid.kernel), self.W.shape[1], F, self.groups, n, each, parts,
            dW or self.b.value((self.W.size,)), bias_parts, db, add,
        )  # fmt: skip


@lowers(Convolution)
class LowerConvolution(Lowering):
    """y = f(b + Σ W x), its bias and activation in the same row."""

    finishes = True

    def forward(self, b: Builder, node: Node) -> Value:
        require_two_axes(node)
        layer, x = node.layer, node.inputs[0]
        sizes: Any = x.shape[2:]
        on = Correlation(b, layer.window.place(sizes), layer.groups, layer.W)
        place, indexed = enter(b, x)
        node.kept |= {"on": on, "x": place, "indexed": indexed}
        y = b.value(node.outputs[0].shape, last=True)
        bias = b.parameter(layer.b) if layer.bias else None
        finish = node.finish_code, None, node.finish_options
        on.forward(x.shape[0], place, indexed, y, bias, finish)
        row = b.rows[-1]

        def pool(*cells: Any) -> None:
            """Let a max pooling be part of the row: y becomes what it leaves."""
            left, height, width, which = cells
            row.args = *(left if a is y else a for a in row.args), height, width, which
            row.label += " + MaxPooling"

        node.kept["pool"] = pool
        return y

    def backward(self, b: Builder, node: Node, dy: Value) -> Value | None:
        layer, on, n, dx = node.layer, node.kept["on"], dy.shape[0], None
        dy, *pool = pooled(node) or (b.last(dy),)
        if node.wants[0]:
            finish = b.slope(node.inputs[0], last=True)
            dx = b.value(node.inputs[0].shape, last=True)
            dx.sloped = finish[1] is not None
            on.back(n, dy, dx, None, finish)
        dW, add = b.gradient(layer.W)
        db, _ = b.gradient(layer.b) if layer.bias else (None, False)
        on.gradients(
            n,
            node.kept["x"],
            node.kept["indexed"],
            dy,
            dW,
            add,
            db,
            tuple(pool),
            node.finish_options,
        )
        return dx


def pooled(node: Node) -> tuple[Any, ...] | None:
    """Of a convolution whose max pooling is part of its row and whose dx nobody needs: the dy that
    the pooling got, the cells of its window, which of them were the maxima, and the activation."""
    pooling = node.kept.get("pooled")
    if pooling is None or "dy" not in pooling.kept:
        return None
    kept = pooling.kept
    saved = kept["y"] if node.finish is not None else None
    return kept["dy"], *two(kept["grid"].kernel), kept["which"], node.finish_code, saved


@lowers(TransposedConvolution)
class LowerTransposedConvolution(Lowering):
    """The same with the directions exchanged: forward is a convolution's way back."""

    finishes = True

    def forward(self, b: Builder, node: Node) -> Value:
        require_two_axes(node)
        layer, x = node.layer, b.last(node.inputs[0])
        sizes: Any = x.shape[2:]
        on = Correlation(b, layer.window.place_under(sizes, layer.extra), layer.groups, layer.W)
        node.kept |= {"on": on, "x": x}
        y = b.value(node.outputs[0].shape, last=True)
        bias = b.parameter(layer.b) if layer.bias else None
        on.back(x.shape[0], x, y, bias, (node.finish_code, None, node.finish_options))
        return y

    def backward(self, b: Builder, node: Node, dy: Value) -> Value | None:
        layer, on, n, dy, dx = node.layer, node.kept["on"], dy.shape[0], b.last(dy), None
        if node.wants[0]:
            finish = b.slope(node.inputs[0], last=True)
            dx = b.value(node.inputs[0].shape, last=True)
            dx.sloped = finish[1] is not None
            on.forward(n, dy, False, dx, None, finish)
        dW, add = b.gradient(layer.W)
        on.gradients(n, dy, False, node.kept["x"], dW, add, None)
        db, add = b.gradient(layer.b) if layer.bias else (None, False)
        if db is not None:  # the sums that go with a product whose result nobody needs
            F, rows = layer.filters, times(n, *dy.shape[2:])
            unused = b.value((F,))
            b.row("weights", 1, F, rows, dy, 0, F, False, dy, F, 0, unused, F, db, 0, 0, add)
        return dx
