"""Lowerings: how each layer becomes rows of a program, forward with backward below it."""

from handgrad.compile.lowering import affine, embedding, recurrent

__all__ = ["affine", "embedding", "recurrent"]
