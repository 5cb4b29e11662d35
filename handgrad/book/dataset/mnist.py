"""The first book's `load_mnist`, from the folder of data sets."""

import os
from pathlib import Path

import numpy as np

from handgrad.arrays import Array
from handgrad.book import sizes
from handgrad.train.images import MNIST, mnist

train_num, test_num = 60_000, 10_000
img_dim, img_size = (1, 28, 28), 784

Pair = tuple[Array, Array]


def load_mnist(
    normalize: bool = True, flatten: bool = True, one_hot_label: bool = False
) -> tuple[Pair, Pair]:
    """(x_train, t_train), (x_test, t_test).

    Shapes: x (N, 784), or (N, 1, 28, 28) unless `flatten`, float32 in [0, 1] or uint8; t (N)
    uint8, or (N, 10) float64 with `one_hot_label`.
    """
    train, test = mnist(folder(), images=not flatten)
    first, second = (prepare(*part, normalize, one_hot_label) for part in (train, test))
    return first, second


def folder() -> Path | None:
    """The book's own `dataset` folder, if it has MNIST and HANDGRAD_DATA names no other."""
    beside = Path("..", "dataset")
    here = "HANDGRAD_DATA" not in os.environ and all((beside / f).exists() for f in MNIST.sha256)
    return beside if here else None


def prepare(x: Array, t: Array, normalize: bool, one_hot_label: bool) -> Pair:
    """Pictures and labels in the form asked for."""
    x, t = x[: sizes.samples], t[: sizes.samples]
    if not normalize:
        x = np.rint(x * 255).astype(np.uint8)
    return x, np.eye(10)[t] if one_hot_label else t.astype(np.uint8)
