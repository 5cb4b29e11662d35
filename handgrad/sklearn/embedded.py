"""Categories that are embedded: the layer that a network then begins with, and what it does to
columns and their scaling."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.layers import ColumnEmbedding
from handgrad.sklearn.scaling import Scaling

_BEGIN = 0.1  # deviation of new embeddings


def begin(model: Any) -> None:
    """Initial embeddings_ of a model whose frame has such categories."""
    layer = _layer(model)
    if layer is not None:
        shape = sum(layer.vocabulary), layer.hidden
        model.embeddings_ = _BEGIN * model._random_state.standard_normal(shape)
        for array, value in zip(model.scaling_, (0, 1, -np.inf, np.inf)):
            array[codes(model)] = value


def codes(model: Any) -> list[int]:
    """Columns of codes, which are no quantities."""
    layer = _layer(model)
    return [] if layer is None else list(layer.columns)


def first_layer(model: Any) -> ColumnEmbedding | None:
    """A new layer with the model's embeddings_; None where no category is embedded."""
    layer = copy.deepcopy(_layer(model))
    if layer is not None:
        layer.W = model.embeddings_.copy()
    return layer


def embedded(model: Any, X: Array) -> Array:
    """Raw X with embeddings in the place of codes: what coefs_ take."""
    layer = first_layer(model)
    return X if layer is None else layer.forward(X).astype(X.dtype)


def folded(model: Any) -> Scaling:
    """The scaling of what coefs_ take: embeddings are not scaled."""
    layer, scaling = _layer(model), model.scaling_
    if layer is None:
        return scaling
    more = Scaling.none(len(layer.columns) * layer.hidden)
    numbers = scaling.at(layer.numbers(len(scaling.center)))
    return Scaling(*(np.concatenate(pair) for pair in zip(numbers, more)))


def width(model: Any, columns: int) -> int:
    """How many numbers so many columns are, once categories are embedded."""
    layer = _layer(model)
    return columns if layer is None else columns + len(layer.columns) * (layer.hidden - 1)


def _layer(model: Any) -> ColumnEmbedding | None:
    columns = model.__dict__.get("columns_")
    return None if columns is None else columns.embedding
