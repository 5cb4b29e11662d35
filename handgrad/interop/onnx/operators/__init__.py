"""Every operator as a small function of arrays, by family."""

from handgrad.interop.onnx.operators import (
    arithmetic,
    attention,
    control,
    elementwise,
    indexing,
    linear,
    loss,
    normalization,
    random,
    recurrent,
    reduction,
    resize,
    sampling,
    shape,
    training,
    trees,
    windows,
)
from handgrad.interop.onnx.operators.registry import NEWEST, TABLE, Call, Operator, find, operator

FAMILIES = (
    arithmetic, attention, control, elementwise, indexing, linear, loss, normalization, random,
    recurrent, reduction, resize, sampling, shape, training, trees, windows,
)  # fmt: skip

__all__ = ["FAMILIES", "NEWEST", "TABLE", "Call", "Operator", "find", "operator"]
