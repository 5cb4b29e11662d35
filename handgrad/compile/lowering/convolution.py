"""Convolution and its transpose: products on images whose channels are last in memory."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from handgrad.compile.builder import Argument, Builder
from handgrad.compile.lowering.pooling import (
    MAX_CELLS,
    LowerMaxPooling,
    Maxima,
    max_pooling_dx,
    maxima_of,
    tiles,
)
from handgrad.compile.lowering.registry import Lowering, lowers
from handgrad.compile.lowering.shards import largest_shard, parts_of, shards_of
from handgrad.compile.lowering.windows import images, of_both, require_two_axes, windows
from handgrad.compile.trace import Node
from handgrad.compile.values import Address, Epilogue, Size, Value, times
from handgrad.layers import Convolution, TransposedConvolution
from handgrad.layers.convolution.window import Grid

PARTS = 16  # sums of a gradient that are made apart, so that threads share the images
DEEP = 256  # outputs that a sum takes, at least


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
        return int(self.W.shape[1]) * self.groups

    def panels(self, order: str) -> Value:
        """A row that lays the weights out for products, in an order of `filters`; the panels."""
        F, each, *kernel = self.W.shape
        F, cells = F // self.groups, prod(kernel)
        columns = {"forward": F, "backward": each, "stamps": cells * each}[order]
        deep = F * each * cells // columns
        panels = self.b.value((self.groups * deep * (-(-columns // 16) * 16),))
        self.b.row(
            "filters", cells=cells, channels=each, filters=len(self.W), groups=self.groups,
            W=self.b.parameter(self.W), panels=panels, order=order,
        )  # fmt: skip
        return panels

    def forward(
        self, n: Size, x: Value | Address, indexed: bool, y: Value, bias: Address | None,
        epilogue: Epilogue, pooling: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """y = epilogue(b + Σ W x). pooling: the arguments where y is the maxima, see `pooled`."""
        self.b.row(
            "convolution", **windows(self.grid, n, self.channels), x=x, indexed=indexed,
            filters=len(self.W), groups=self.groups, weights=self.panels("forward"), y=y, bias=bias,
            **epilogue.arguments, **pooling or {},
        )  # fmt: skip

    def back(self, n: Size, dy: Value, dx: Value, bias: Address | None, epilogue: Epilogue) -> None:
        """dx = epilogue(b + Σ Wᵀ dy): for stride 1 a convolution of dy with reversed filters."""
        F, grid = len(self.W), self.grid
        shared = {"groups": self.groups, "y": dx, "bias": bias, **epilogue.arguments}
        if max(grid.stride) > 1:
            self.b.row(
                "spread", **windows(grid, n, self.channels), x=dy, filters=F,
                weights=self.panels("stamps"), **shared,
            )  # fmt: skip
            return
        pads = tuple(
            ((k - 1) * d - before, 0)
            for k, d, (before, _) in zip(grid.kernel, grid.dilation, grid.pad)
        )
        reversed_ = Grid(grid.outputs, grid.kernel, grid.stride, grid.dilation, pads, grid.sizes)
        self.b.row(
            "convolution", **windows(reversed_, n, F), x=dy, filters=self.channels,
            weights=self.panels("backward"), **shared,
        )  # fmt: skip

    def gradients(
        self, n: Size, x: Argument, indexed: bool, dy: Argument, dW: Address | None, add: bool,
        db: Address | None, pooling: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """dW = Σ x dy and db = Σ dy, first for parts of the batch, or of each of its shards.

        pooling: where dy is that of the maxima, the arguments that say so, see `pooled`.
        """
        if dW is None and db is None:
            return
        F = len(self.W)
        images, many = largest_shard(self.b, n), max(1, PARTS // shards_of(self.b))
        each = max(-(-images // many), -(-DEEP // prod(self.grid.outputs)))
        count = parts_of(self.b, n, each)
        parts = self.b.value((count * self.W.size,))
        bias_parts = None if db is None else self.b.value((count * F,))
        self.b.row(
            "filter_gradient", **windows(self.grid, n, self.channels), x=x, indexed=indexed,
            filters=F, groups=self.groups, each=each, parts=parts, dy=dy, bias_parts=bias_parts,
            **pooling or {},
        )  # fmt: skip
        self.b.row(
            "filter_sum", cells=prod(self.grid.kernel), channels=self.W.shape[1], filters=F,
            groups=self.groups, samples=n, each=each, parts=parts,
            dW=dW, bias_parts=bias_parts, db=db, add=add,
        )  # fmt: skip


def pooled(maxima: Maxima) -> dict[str, Argument]:
    """The arguments of a row whose y, or dy, are the maxima."""
    return {**of_both("pool_", maxima.grid.kernel), "which": maxima.which}


@dataclass
class ConvolutionRecord:
    """The filters on their grid, the images, and the maxima where max pooling is fused."""

    on: Correlation
    x: Value | Address
    indexed: bool = False
    maxima: Maxima | None = None


@lowers(Convolution)
class LowerConvolution(Lowering):
    """y = f(b + Σ W x), its bias, its activation and then a max pooling in the same row."""

    epilogues = True

    def fuse(self, node: Node, reader: Node, lowering: Lowering) -> bool:
        if not isinstance(lowering, LowerMaxPooling) or node.pooling is not None:
            return super().fuse(node, reader, lowering)
        grid = lowering.windows(reader)
        if len(grid.sizes) > 2 or not tiles(grid) or prod(grid.kernel) > MAX_CELLS:
            return False
        node.pooling = grid
        return True

    def forward(self, b: Builder, node: Node) -> tuple[Value, ConvolutionRecord]:
        require_two_axes(node)
        layer, x = node.layer, node.inputs[0]
        sizes: Any = x.shape[2:]
        on = Correlation(b, layer.window.grid(sizes), layer.groups, layer.W)
        record = ConvolutionRecord(on, *images(b, x))
        y = b.value(node.outputs[0].shape, last=True)
        pooling = None
        if node.pooling is not None:
            record.maxima = maxima_of(b, node.pooling, y)
            pooling = pooled(record.maxima)
        bias = b.parameter(layer.b) if layer.bias else None
        on.forward(x.shape[0], record.x, record.indexed, y, bias, node.epilogue, pooling)
        return y, record

    def backward(
        self, b: Builder, node: Node, record: ConvolutionRecord, dy: Value
    ) -> Value | None:
        layer, on, n, dx, dy = node.layer, record.on, dy.shape[0], None, b.last(dy)
        pooling = None
        if node.needs_input_grad[0]:
            if record.maxima is not None:  # dx needs the gradient of every pixel
                pixels = b.value((n, layer.outputs, *record.maxima.grid.sizes), last=True)
                dy = max_pooling_dx(b, record.maxima, dy, pixels, node.epilogue)
            epilogue = b.derivative(node.inputs[0], last=True)
            dx = b.value(node.inputs[0].shape, last=True)
            dx.through_epilogue = epilogue.applies
            on.back(n, dy, dx, None, epilogue)
        elif record.maxima is not None:
            pooling = pooled(record.maxima)
            if node.epilogue.applies:
                pooling |= node.epilogue._replace(saved=record.maxima.y).arguments
        dW, db, add = b.gradients(layer.W, layer.b if layer.bias else None)
        on.gradients(n, record.x, record.indexed, dy, dW, add, db, pooling)
        return dx


@lowers(TransposedConvolution)
class LowerTransposedConvolution(Lowering):
    """The same with the directions exchanged: forward is a convolution's way back."""

    epilogues = True

    def forward(self, b: Builder, node: Node) -> tuple[Value, ConvolutionRecord]:
        require_two_axes(node)
        layer, x = node.layer, b.last(node.inputs[0])
        sizes: Any = x.shape[2:]
        on = Correlation(b, layer.window.place_under(sizes, layer.extra), layer.groups, layer.W)
        y = b.value(node.outputs[0].shape, last=True)
        bias = b.parameter(layer.b) if layer.bias else None
        on.back(x.shape[0], x, y, bias, node.epilogue)
        return y, ConvolutionRecord(on, x)

    def backward(
        self, b: Builder, node: Node, record: ConvolutionRecord, dy: Value
    ) -> Value | None:
        layer, on, n, dy, dx = node.layer, record.on, dy.shape[0], b.last(dy), None
        if node.needs_input_grad[0]:
            epilogue = b.derivative(node.inputs[0], last=True)
            dx = b.value(node.inputs[0].shape, last=True)
            dx.through_epilogue = epilogue.applies
            on.forward(n, dy, False, dx, None, epilogue)
        dW, add = b.gradient(layer.W)
        on.gradients(n, dy, False, record.x, dW, add, None)
        db, add = b.gradient(layer.b) if layer.bias else (None, False)
        if db is not None:  # the sums that go with a product whose result is not needed
            F, rows = layer.outputs, times(n, *dy.shape[2:])
            unused = b.total((F,), dy)
            b.row(
                "weights", M=1, N=F, K=rows, x=dy, x_row=F, dy=dy, dy_row=F, dW=unused, dW_row=F,
                db=db, add=add,
            )  # fmt: skip
        return dx
