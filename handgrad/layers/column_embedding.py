"""ColumnEmbedding: categories beside numbers in one array, each category a row of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, Stream, array_module, as_float
from handgrad.layer import Layer
from handgrad.layers.checks import require_positive
from handgrad.layers.embedding import AddRows, accept_ids
from handgrad.layers.init import initialize, require_rule


class ColumnEmbedding(Layer):
    """y = the columns of x that hold numbers, then W[code] for each that holds codes.

    Column columns[c] of x holds codes from 0 to vocabulary[c] − 1, rounded to integers; they have
    the rows of W after those of the columns before. So a network takes a table as one array.
    Shapes: x (N, D), of reals, W (V, E), y (N, D − C + C·E); C = number of columns, E = hidden,
    V = Σ vocabulary. W starts as `init` says, N(0, 1) by default, in float64 outside a network.
    Gradient: dx = dy for numbers and 0 for codes, on which y depends in steps; dW[v] = Σ of the
    parts of dy into which row v went, as in `Embedding`.
    Raises ShapeError where x has not all of the columns, ValueError for codes that are too large.
    Source: Guo, Berkhahn, "Entity embeddings of categorical variables", 2016.
    """

    params = ("W",)

    def __init__(self, columns: Sequence[int], vocabulary: Sequence[int], hidden: int = 8, *,
                 init: Any = 1.0, seed: int | None = None):  # fmt: skip
        self.columns, self.vocabulary = tuple(map(int, columns)), tuple(map(int, vocabulary))
        named = {f"vocabulary[{i}]": size for i, size in enumerate(vocabulary)}
        require_positive(self, hidden=hidden, **named)
        require_rule(self, init)
        each = len(set(self.columns)) == len(self.vocabulary) == len(self.columns) > 0
        if not each or min(self.columns) < 0:
            raise ValueError("ColumnEmbedding: columns must be different indices, each with "
                             f"a vocabulary, got {columns} and {vocabulary}")  # fmt: skip
        self.hidden, self.init, self.seed = hidden, init, seed
        if seed is not None:
            self.stream = Stream(seed)

    def build(self, x: Any = None) -> None:
        if "W" not in self.__dict__:
            shape = sum(self.vocabulary), self.hidden
            self.W = initialize(self.init, shape, *shape, self.draw(), self.dtype or np.float64)

    @property
    def starts(self) -> Array:
        """Where the rows of each column begin in W (C)."""
        return np.cumsum([0, *self.vocabulary[:-1]])

    def numbers(self, width: int) -> list[int]:
        """The columns of x (N, width) that hold numbers."""
        return sorted({*range(width)} - {*self.columns})

    def forward(self, x: Array) -> Array:
        self.build()
        x = as_float(x, self.dtype)
        if x.ndim != 2 or x.shape[1] <= max(self.columns):
            raise ShapeError(f"ColumnEmbedding: x must be (N, D) with D > {max(self.columns)}, the "
                             f"last column of codes, got {x.shape}")  # fmt: skip
        self.width, self.ids = x.shape[1], accept_codes(self, x)
        y = self.W[self.ids].reshape(len(x), len(self.columns) * self.hidden)
        return np.concatenate([x[:, self.numbers(self.width)], y], axis=1)

    def backward(self, dy: Array) -> Array:
        numbers = self.numbers(self.width)
        back = AddRows(self.ids, len(self.W))
        self.dW = back(dy[:, len(numbers) :].reshape(-1, self.hidden))
        none = array_module(dy).zeros((len(dy), len(self.columns)), dy.dtype)
        order = np.argsort([*numbers, *self.columns])
        return np.concatenate([dy[:, : len(numbers)], none], axis=1)[:, order]


def accept_codes(layer: ColumnEmbedding, x: Array) -> Array:
    """The rows of W (N, C) that the codes in x name."""
    xp = array_module(x)
    codes = xp.rint(x[:, list(layer.columns)])
    wrong = ~((codes >= 0) & (codes < xp.asarray(layer.vocabulary)))
    if wrong.any():
        n, c = (int(i[0]) for i in wrong.nonzero())
        raise ValueError(
            f"ColumnEmbedding: codes of column {layer.columns[c]} must lie from 0 to "
            f"{layer.vocabulary[c] - 1}, got {x[n, layer.columns[c]]} in sample {n}"
        )
    return accept_ids(layer, codes.astype(np.intp) + xp.asarray(layer.starts), len(layer.W))
