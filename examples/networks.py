"""The networks of the field's classic books, each a few lines of layers."""

from __future__ import annotations

from typing import Any

from handgrad import (
    LSTM,
    Affine,
    BatchNorm,
    Convolution,
    Dropout,
    Embedding,
    Flatten,
    MaxPooling,
    ReLU,
    Sequential,
)


def two_layer_net(hidden: int, classes: int, **options: Any) -> Sequential:
    """Affine, ReLU, Affine."""
    return Sequential(Affine(hidden), ReLU(), Affine(classes), **options)


def multi_layer_net(
    hidden: tuple[int, ...], classes: int, *, batch_norm: bool = False, dropout: float = 0.0,
    **options: Any,
) -> Sequential:  # fmt: skip
    """Any number of hidden layers, with batch normalization and dropout as wished."""
    layers: list[Any] = []
    for size in hidden:
        layers += [Affine(size), BatchNorm()] if batch_norm else [Affine(size)]
        layers += [ReLU(), Dropout(dropout)] if dropout else [ReLU()]
    return Sequential(*layers, Affine(classes), **options)


def simple_convnet(classes: int = 10, **options: Any) -> Sequential:
    """One convolution of 30 filters 5×5, pooling, two affine layers. Shapes: x (N, C, H, W)."""
    return Sequential(
        Convolution(30, 5), ReLU(), MaxPooling(2),
        Flatten(), Affine(100), ReLU(), Affine(classes), **options,
    )  # fmt: skip


def deep_convnet(classes: int = 10, **options: Any) -> Sequential:
    """Six 3×3 convolutions in three blocks with pooling, then two affine layers with dropout."""
    layers: list[Any] = []
    for filters, last_pad in ((16, 1), (32, 2), (64, 1)):
        layers += [Convolution(filters, 3, pad=1), ReLU()]
        layers += [Convolution(filters, 3, pad=last_pad), ReLU(), MaxPooling(2)]
    return Sequential(
        *layers, Flatten(), Affine(50), ReLU(), Dropout(0.5), Affine(classes), Dropout(0.5),
        **options,
    )  # fmt: skip


def language_model(vocabulary: int, units: int = 100, **options: Any) -> Sequential:
    """Embedding, LSTM over time, scores of the next word. Shapes: x (N, T), y (N, T, V)."""
    return Sequential(
        Embedding(vocabulary, units), LSTM(units, stateful=True), Affine(vocabulary), **options
    )


if __name__ == "__main__":
    import numpy as np

    print(simple_convnet().summary(np.zeros((1, 1, 28, 28))))
    print(deep_convnet().summary(np.zeros((1, 1, 28, 28))))
    print(language_model(1000).summary(np.zeros((1, 35), int)))
