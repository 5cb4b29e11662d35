"""Dropout: the mask as bits, drawn to the bit as the layer draws it."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.compile.builder import Builder
from handgrad.compile.lowering.activation import LINE, curve
from handgrad.compile.lowering.registry import Lowering, lowers
from handgrad.compile.trace import Node
from handgrad.compile.values import BatchDim, NotNative, Value, times
from handgrad.layers import Dropout, SpatialDropout

MOST_SEED = 1 << 63  # below this


@lowers(Dropout, SpatialDropout)
class LowerDropout(Lowering):
    """y = x · m; dx = dy · m, together with the slope of the activation before it."""

    def forward(self, b: Builder, node: Node) -> Value:
        layer, x = node.layer, node.inputs[0]
        if not layer.training:
            return curve(b, b.gathered(x), LINE, (1 - layer.ratio,)) if layer.scaled else x
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
        b.early(
            "keep", words, mask, counter(b, stream), stream.seed, stream.layer,
            reals=(layer.ratio * 2**32,),
        )  # fmt: skip
        factor = 1.0 if layer.scaled else 1 / (1 - layer.ratio)
        node.kept.update(mask=mask, factor=factor, each=each)
        return self._masked(b, node, x)

    def backward(self, b: Builder, node: Node, dy: Value) -> Value:
        if "mask" in node.kept:
            return self._masked(b, node, b.plain(dy), *b.slope(node.inputs[0]))
        ratio = node.layer.ratio
        return curve(b, b.gathered(dy), LINE, (1 - ratio,)) if node.layer.scaled else dy

    def _masked(
        self, b: Builder, node: Node, x: Value, code: int = 0, saved: Value | None = None,
        options: tuple[float, ...] = (),
    ) -> Value:  # fmt: skip
        y, kept = b.value(x.shape), node.kept
        y.sloped = saved is not None
        options = (*options, 0.0, 0.0, 0.0)[:3]
        b.row(
            "masked", x.size, x, kept["mask"], y, kept["each"], saved, code,
            reals=(*options, kept["factor"]),
        )  # fmt: skip
        return y


def counter(b: Builder, stream: Any) -> int:
    """The number of the step at which this use draws from its stream, which others may share."""
    before = b.draws.get(id(stream), 0)
    b.draws[id(stream)] = before + 1

    def ahead(count: int) -> Array:
        return stream.step + before + b.draws[id(stream)] * np.arange(count)

    def after(count: int) -> None:
        stream.step += count

    b.after.append(after)
    return b.step_number(ahead)
