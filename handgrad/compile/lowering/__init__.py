"""Lowerings: how each layer becomes rows of a program, forward with backward below it."""

from handgrad.compile.lowering import (
    affine,
    convolution,
    embedding,
    normalization,
    pooling,
    recurrent,
    shape,
)

__all__ = ["affine", "convolution", "embedding", "normalization", "pooling", "recurrent", "shape"]
