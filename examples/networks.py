"""The networks of the field's classic books, each a few lines of layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad import (
    LSTM,
    Affine,
    BatchNorm,
    Convolution,
    Dropout,
    Embedding,
    Flatten,
    MaxPooling,
    Network,
    Parameter,
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


class BetterLanguageModel(Network):
    """Two LSTM layers with dropout around each; the words' vectors also weigh the scores.

    One table of vectors serves both ends, so its gradient is the sum of both.
    Shapes: x (N, T), y (N, T, V).
    Source: Zaremba et al., "Recurrent neural network regularization", 2014; Press & Wolf, "Using
    the output embedding to improve language models", 2017; Saito, "Deep Learning from Scratch 2",
    section 6.5.
    """

    def __init__(self, vocabulary: int, units: int = 650, dropout: float = 0.5, seed: int = 0):
        vectors = np.random.default_rng(seed).standard_normal((vocabulary, units), np.float32)
        self.words = Parameter(np.float32(0.01) * vectors)
        self.b = Parameter(np.zeros(vocabulary, np.float32))
        self.drop = [Dropout(dropout) for _ in range(3)]
        self.read = [LSTM(units, stateful=True) for _ in range(2)]

    def __call__(self, x: Any) -> Any:
        h = self.words[x]
        for drop, lstm in zip(self.drop, self.read):
            h = lstm(drop(h))
        return self.drop[-1](h) @ self.words.T + self.b


if __name__ == "__main__":
    print(simple_convnet().summary(np.zeros((1, 1, 28, 28))))
    print(deep_convnet().summary(np.zeros((1, 1, 28, 28))))
    print(language_model(1000).summary(np.zeros((1, 35), int)))
    print(BetterLanguageModel(1000).summary(np.zeros((1, 35), int)))
