"""Small data for the zoo, each made once."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from handgrad import datasets

Pair = tuple[Any, Any]


@cache
def digits(n: int = 600, images: bool = False) -> Pair:
    x, t = datasets.digits(images=images)
    return x[:n], t[:n]


@cache
def moons(n: int = 300) -> Pair:
    return datasets.moons(n, noise=0.15)


@cache
def spiral(n: int = 100) -> Pair:
    return datasets.spiral(n)


@cache
def sine(n: int = 300) -> Pair:
    return datasets.sine(n)


@cache
def table(n: int = 400, noise: float = 0.3, seed: int = 0) -> Pair:
    """Six columns of several distributions, and a value that depends on four of them."""
    random = np.random.default_rng(seed)
    x = np.stack([
        random.normal(size=n), random.uniform(-1, 1, n), random.exponential(size=n) - 1,
        random.integers(0, 2, n), random.normal(size=n), random.normal(size=n),
    ], axis=1)  # fmt: skip
    t = x[:, 0] - 2 * x[:, 1] + np.sin(2 * x[:, 4]) + x[:, 3] * x[:, 2]
    return x.astype(np.float32), (t + noise * random.normal(size=n)).astype(np.float32)[:, None]


@cache
def rare(n: int = 600, share: float = 0.05, shift: float = 0.5, seed: int = 0) -> Pair:
    """Two classes, of which one is rare; `shift`: how far apart they are."""
    random = np.random.default_rng(seed)
    t = (random.uniform(size=n) < share).astype(np.int64)
    x = random.normal(size=(n, 5)) + shift * t[:, None]
    return x.astype(np.float32), t


@cache
def texts(n: int = 400, words: int = 30, length: int = 12, seed: int = 0) -> Pair:
    """Sequences of numbers of words, and which of two words comes more often."""
    random = np.random.default_rng(seed)
    t = random.integers(0, 2, n)
    x = random.integers(2, words, (n, length))
    marks = random.uniform(size=(n, length)) < 0.4
    x[marks] = np.where(random.uniform(size=(n, length)) < 0.85, t[:, None], 1 - t[:, None])[marks]
    return x.astype(np.int64), t


def split(pair: Pair, share: float = 0.25) -> tuple[Any, Any, Pair]:
    """x, t, and a random part of the samples as validation data."""
    order = np.random.default_rng(7).permutation(len(pair[0]))
    x, t = (a[order] for a in pair)
    n = int(len(x) * (1 - share))
    return x[:n], t[:n], (x[n:], t[n:])


def cut(pair: Pair, share: float = 0.25) -> tuple[Any, Any, Pair]:
    """x, t, and the last samples as validation data."""
    x, t = pair
    n = int(len(x) * (1 - share))
    return x[:n], t[:n], (x[n:], t[n:])
