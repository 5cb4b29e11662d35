"""Dropout: the mask as bits, drawn to the bit as the layer draws it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.compile.builder import Builder
from handgrad.compile.lowering.activation import linear
from handgrad.compile.lowering.registry import Lowering, lowers
from handgrad.compile.trace import Node
from handgrad.compile.values import NO_EPILOGUE, BatchDim, Epilogue, NotNative, Size, Value, times
from handgrad.layers import Dropout, SpatialDropout
from handgrad.parallel import STRIDE

MOST_SEED = 1 << 63  # below this


@dataclass
class Mask:
    """Bits for the kept elements, the factor of these, and how many elements share a bit."""

    bits: Value
    factor: float
    each: Size = 1


@lowers(Dropout, SpatialDropout)
class LowerDropout(Lowering):
    """y = x · m; dx = dy · m, together with the derivative of the activation before it."""

    def forward(self, b: Builder, node: Node) -> tuple[Value, Mask | None]:
        layer, x = node.layer, node.inputs[0]
        if not layer.training:
            return (linear(b, b.gathered(x), 1 - layer.ratio) if layer.scaled else x), None
        x = b.plain(b.gathered(x))
        stream = layer.draw()
        first = 2 if type(layer) is SpatialDropout else len(x.shape)  # axes with words of their own
        words, each = times(*x.shape[:first]), times(*x.shape[first:])
        if (
            not 0 <= stream.seed < MOST_SEED
            or not isinstance(words, BatchDim)
            or isinstance(each, BatchDim)
        ):
            raise NotNative(f"{node.name}: seed {stream.seed}, or an input without a batch axis")
        mask = b.value((BatchDim(-(-words.count // 32)),))
        b.early("keep", count=words, mask=mask, **drawn(b, stream, layer.ratio))
        factor = 1.0 if layer.scaled else 1 / (1 - layer.ratio)
        record = Mask(mask, factor, each)
        return self.masked(b, record, x), record

    def backward(self, b: Builder, node: Node, record: Mask | None, dy: Value) -> Value:
        if record is not None:
            return self.masked(b, record, b.plain(dy), b.derivative(node.inputs[0]))
        ratio = node.layer.ratio
        return linear(b, b.gathered(dy), 1 - ratio) if node.layer.scaled else dy

    def masked(self, b: Builder, mask: Mask, x: Value, epilogue: Epilogue = NO_EPILOGUE) -> Value:
        """x · m, forward and back."""
        y = b.value(x.shape)
        y.through_epilogue = epilogue.applies
        b.row(
            "masked", count=x.size, x=x, mask=mask.bits, y=y, each=mask.each, factor=mask.factor,
            **epilogue.arguments,
        )  # fmt: skip
        return y


def drawn(b: Builder, stream: Any, ratio: float) -> dict[str, Any]:
    """The arguments for random words of this use of a stream, which others may share."""
    return {
        "counter": counter(b, stream), "stride": STRIDE if b.part else 0, "seed": stream.seed,
        "layer": stream.layer, "limit": ratio * 2**32,
    }  # fmt: skip


def counter(b: Builder, stream: Any) -> int:
    """The number of the step at which this use draws, for the first of the batch's shards."""
    before = b.draws.get(id(stream), 0)
    b.draws[id(stream)] = before + 1

    def steps(count: int) -> int:  # of so many batches
        each: int = b.part.shards.count * STRIDE if b.part else b.draws[id(stream)]
        return count * each

    def ahead(count: int) -> Array:
        first: int = stream.step + before
        return first + steps(1) * np.arange(count)

    def after(count: int) -> None:
        stream.step += steps(count)

    if not before:
        b.after.append(after)
    return b.step_number(ahead)
