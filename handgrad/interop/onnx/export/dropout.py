"""Dropout: nothing in predictions; in a training graph a mask that is drawn."""

from __future__ import annotations

from typing import Any

from handgrad import layers as L
from handgrad.interop.onnx.export.builder import Builder
from handgrad.interop.onnx.export.emit import emits
from handgrad.interop.onnx.export.traced import Use


@emits(L.Dropout, L.SpatialDropout, L.VariationalDropout)
def dropout(b, use, x):
    if b.training and use.layer.ratio:
        return masked(b, use, x[0])
    if getattr(use.layer, "scaled", False):
        return b.node("Mul", [x[0], b.dtype.type(1 - use.layer.ratio)])
    return b.node("Identity", x)


def masked(b: Builder, use: Use, x: str) -> Any:
    """x times a mask that is drawn anew each time the file is run."""
    layer, like = use.layer, x
    shared = {L.SpatialDropout: range(2, use.rank()), L.VariationalDropout: [1]}.get(type(layer))
    if shared:
        like = b.reduce("ReduceMax", x, shared, True)
    drawn = b.node("RandomUniformLike", [like], dtype=b.code)
    low = b.cast(b.node("Less", [drawn, b.dtype.type(layer.ratio)], since=9), b.code)
    mask = b.node("Sub", [b.dtype.type(1), low])
    if not getattr(layer, "scaled", False):
        mask = b.node("Mul", [mask, b.dtype.type(1 / (1 - layer.ratio))])
    b.masks.append(mask)
    return b.node("Mul", [x, mask])
