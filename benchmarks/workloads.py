"""The workloads as data: layers, optimizer, initial weights, rows, the order of the batches.

Every system builds its network from `layers` and `weights()`, and trains it on the rows that
`rows()` names, so that all of them do the same arithmetic. A step is: gather the batch by row
numbers, forward, backward, update; float32.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from handgrad.train.data import random_order

Arrays = list[np.ndarray]


class Affine(NamedTuple):
    """W (inputs, outputs), b (outputs)."""

    inputs: int
    outputs: int


class Convolution(NamedTuple):
    """W (filters, channels, kernel, kernel), b (filters); stride 1."""

    channels: int
    filters: int
    kernel: int
    pad: int = 0


class MaxPooling(NamedTuple):
    """Windows of size × size side by side."""

    size: int = 2


class ReLU(NamedTuple):
    """max(x, 0)."""


class Flatten(NamedTuple):
    """(N, …) to (N, D), channels first."""


class Dropout(NamedTuple):
    """Zero with probability `ratio`, the others grown by 1 / (1 − ratio)."""

    ratio: float = 0.5


class Embedding(NamedTuple):
    """W (vocabulary, dimension)."""

    vocabulary: int
    dimension: int


class LSTM(NamedTuple):
    """Wx (D, 4H), Wh (H, 4H), b (4H), in blocks f, g, i, o; the first state is 0."""

    inputs: int
    hidden: int


@dataclass(frozen=True)
class Workload:
    """One network with its data and its way to learn; the loss is softmax cross-entropy."""

    name: str
    title: str
    layers: tuple[Any, ...]
    shape: tuple[int, ...]  # of one row of x
    classes: int
    batch: int
    optimizer: str  # "sgd" or "adam"
    lr: float
    clip: float | None = None  # limit of the gradient's norm
    check_steps: int = 20  # after so many steps, all systems must have the same loss

    @property
    def batches(self) -> int:
        """The steps in an epoch: 100, or fewer of large batches."""
        return max(4, min(100, 16_384 // self.batch))

    @cached_property
    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """x and t: noise around one pattern for each class, or words that depend on nothing.

        One label in five is wrong, so that the loss falls at once but never to zero.
        """
        rng, n = np.random.default_rng(1), self.batches * self.batch
        if isinstance(self.layers[0], Embedding):
            u = rng.random((n, self.shape[0] + 1))
            words = (self.classes * u**4).astype(np.int64)  # a few words are most of the text
            return np.ascontiguousarray(words[:, :-1]), np.ascontiguousarray(words[:, 1:])
        t = rng.integers(0, self.classes, n)
        x = rng.random((n, *self.shape), np.float32)
        for label in range(self.classes):  # not at once: that would add to every system's peak
            x[t == label] += rng.random(self.shape, np.float32) - 1
        wrong = rng.random(n) < 0.2
        return x, np.where(wrong, rng.integers(0, self.classes, n), t)

    def weights(self) -> Arrays:
        """New initial weights, in the order of the layers."""
        rng = np.random.default_rng(2)
        return [
            (std * rng.standard_normal(shape)).astype(np.float32)
            for layer in self.layers
            for shape, std in initial(layer)
        ]

    def rows(self, start: int, steps: int) -> np.ndarray:
        """Row numbers (steps, batch) of the steps from `start` on: an order for each epoch."""
        n, first = self.batches * self.batch, start // self.batches
        epochs = range(first, -(-(start + steps) // self.batches))
        order = np.concatenate([random_order(n, 0, epoch) for epoch in epochs])
        return order.reshape(-1, self.batch)[start - first * self.batches :][:steps]

    def without_dropout(self) -> Workload:
        """The same, where all systems compute the same numbers: their masks would differ."""
        layers = tuple(layer for layer in self.layers if not isinstance(layer, Dropout))
        return self if layers == self.layers else replace(self, layers=layers)

    def has(self, kind: type) -> bool:
        return any(isinstance(layer, kind) for layer in self.layers)


def initial(layer: Any) -> list[tuple[tuple[int, ...], float]]:
    """Shape and standard deviation of each of a layer's weights; biases start at 0."""
    match layer:
        case Affine(inputs, outputs):
            return [((inputs, outputs), (2 / inputs) ** 0.5), ((outputs,), 0.0)]
        case Convolution(channels, filters, k):
            std = (2 / (channels * k * k)) ** 0.5
            return [((filters, channels, k, k), std), ((filters,), 0.0)]
        case Embedding(vocabulary, dimension):
            return [((vocabulary, dimension), 0.1)]
        case LSTM(inputs, hidden):
            wx, wh = (inputs, 4 * hidden), (hidden, 4 * hidden)
            return [(wx, inputs**-0.5), (wh, hidden**-0.5), ((4 * hidden,), 0.0)]
    return []


def mlp(name: str, sizes: tuple[int, ...], batch: int, optimizer: str, lr: float) -> Workload:
    """Affine layers with ReLU between them."""
    layers: list[Any] = []
    for inputs, outputs in zip(sizes, sizes[1:]):
        layers += [Affine(inputs, outputs), ReLU()]
    title = f"{'-'.join(map(str, sizes))}, batch {batch}, {optimizer.upper()[:3]}"
    title = title.replace("ADA", "Adam")
    return Workload(name, title, tuple(layers[:-1]), sizes[:1], sizes[-1], batch, optimizer, lr)


SIMPLE = Workload(
    "simple-convnet", "conv 30@5×5, pool, 100, 10; 28×28, batch 100, Adam",
    (Convolution(1, 30, 5), ReLU(), MaxPooling(), Flatten(),
     Affine(30 * 12 * 12, 100), ReLU(), Affine(100, 10)),
    (1, 28, 28), 10, 100, "adam", 0.001, check_steps=10,
)  # fmt: skip

DEEP = Workload(
    "deep-convnet", "six 3×3 convolutions, 50, 10, dropout; batch 100, Adam",
    (Convolution(1, 16, 3, 1), ReLU(), Convolution(16, 16, 3, 1), ReLU(), MaxPooling(),
     Convolution(16, 32, 3, 1), ReLU(), Convolution(32, 32, 3, 2), ReLU(), MaxPooling(),
     Convolution(32, 64, 3, 1), ReLU(), Convolution(64, 64, 3, 1), ReLU(), MaxPooling(),
     Flatten(), Affine(64 * 4 * 4, 50), ReLU(), Dropout(), Affine(50, 10), Dropout()),
    (1, 28, 28), 10, 100, "adam", 0.001, check_steps=12,
)  # fmt: skip

LANGUAGE = Workload(
    "lstm", "words of 10,000, embedding 100, LSTM 100; T 35, batch 20, SGD, clipping",
    (Embedding(10_000, 100), LSTM(100, 100), Affine(100, 10_000)),
    (35,), 10_000, 20, "sgd", 5.0, clip=0.25, check_steps=10,
)  # fmt: skip

WORKLOADS = {
    workload.name: workload
    for workload in (
        mlp("tiny", (2, 10, 3), 30, "sgd", 0.1),
        mlp("two", (784, 50, 10), 100, "sgd", 0.1),
        mlp("deep", (784, 100, 100, 100, 100, 10), 100, "adam", 0.001),
        mlp("wide", (784, 512, 512, 10), 128, "adam", 0.001),
        SIMPLE,
        DEEP,
        LANGUAGE,
    )
}


def find(name: str) -> Workload:
    """A workload by its name: one of the table, or of a curve, such as width-64 or batch-1."""
    if name in WORKLOADS:
        return WORKLOADS[name]
    kind, _, size = name.partition("-")
    if kind == "width" and size.isdigit():
        wide = mlp(name, (784, int(size), int(size), 10), 100, "adam", 0.001)
        return replace(wide, check_steps=5)  # a step of the widest takes long
    if kind == "batch" and size.isdigit():
        return mlp(name, (784, 50, 10), int(size), "sgd", 0.1)
    raise ValueError(f"workload: one of {', '.join(WORKLOADS)} is needed, got {name!r}")
