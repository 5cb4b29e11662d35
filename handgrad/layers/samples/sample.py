"""One row of the table of samples, and what rows are written with."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from handgrad import layers as all_layers
from handgrad.arrays import Array
from handgrad.layer import Layer

N = -1  # in a shape: the size of the batch

Maker = Callable[[np.random.Generator, int], Array]


@dataclass(frozen=True)
class Sample:
    """A layer class, the arguments of its constructor, and a maker for each input."""

    cls: type[Layer]
    makers: tuple[Maker, ...]
    arguments: dict[str, Any]

    def make(self) -> Layer:
        """A new layer."""
        return self.cls(**copy.deepcopy(self.arguments))

    def inputs(self, rng: np.random.Generator, batch: int = 5) -> tuple[Array, ...]:
        """Valid inputs, float64 where they are real."""
        return tuple(make(rng, batch) for make in self.makers)

    @property
    def has_batch(self) -> bool:
        """Whether the inputs have a batch axis, so that its size may vary."""
        one, two = (self.inputs(np.random.default_rng(0), n) for n in (1, 2))
        return any(a.shape != b.shape for a, b in zip(one, two))

    def __str__(self) -> str:
        shapes = [str(x.shape).replace(" ", "") for x in self.inputs(np.random.default_rng(0))]
        options = [f"{name}={value}" for name, value in self.arguments.items()]
        return f"{self.cls.__name__}({','.join(options)})-{'-'.join(shapes)}"


def row(name: str, *makers: Maker, **arguments: Any) -> Sample:
    """One row of the table."""
    return Sample(getattr(all_layers, name), makers, arguments)


def _sized(shape: tuple[int, ...], batch: int) -> tuple[int, ...]:
    return tuple(batch if n == N else n for n in shape)


def real(*shape: int, scale: float = 1.0) -> Maker:
    """Normally distributed elements."""
    return lambda rng, batch: scale * rng.standard_normal(_sized(shape, batch))


def positive(*shape: int) -> Maker:
    """Numbers from ½ to 2."""
    return lambda rng, batch: rng.uniform(0.5, 2, _sized(shape, batch))


def inside(*shape: int) -> Maker:
    """Numbers from −0.9 to 0.9."""
    return lambda rng, batch: rng.uniform(-0.9, 0.9, _sized(shape, batch))


def above_one(*shape: int) -> Maker:
    """Numbers from 1.2 to 3."""
    return lambda rng, batch: rng.uniform(1.2, 3, _sized(shape, batch))


def signs(*shape: int) -> Maker:
    """−1 and 1."""
    return lambda rng, batch: 2.0 * rng.integers(0, 2, _sized(shape, batch)) - 1


def labels(*shape: int, classes: int) -> Maker:
    """Class indices."""
    return lambda rng, batch: rng.integers(0, classes, _sized(shape, batch))


def coded(width: int, sizes: dict[int, int]) -> Maker:
    """Numbers (N, width), and in some columns codes below the sizes."""

    def make(rng: np.random.Generator, batch: int) -> Array:
        x = rng.standard_normal((batch, width))
        for column, size in sizes.items():
            x[:, column] = rng.integers(0, size, batch)
        return x

    return make


def one_hot(*shape: int) -> Maker:
    """Rows with a single 1."""
    return lambda rng, batch: np.eye(shape[-1])[labels(*shape[:-1], classes=shape[-1])(rng, batch)]


def distributions(*shape: int) -> Maker:
    """Rows of probabilities that sum to 1."""
    return lambda rng, batch: rng.dirichlet(np.ones(shape[-1]), _sized(shape[:-1], batch))


def mask(*shape: int) -> Maker:
    """Booleans, True up to a length of at least one step."""

    def make(rng: np.random.Generator, batch: int) -> Array:
        n, steps = _sized(shape, batch)
        return all_layers.length_mask(rng.integers(1, steps + 1, n), steps)

    return make
