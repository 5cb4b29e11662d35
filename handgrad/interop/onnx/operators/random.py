"""Random arrays: the same for the same seed, from a counter-based generator."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import numpy as np

from handgrad.arrays import Stream
from handgrad.interop.onnx.operators.registry import operator
from handgrad.interop.onnx.operators.shape import sized
from handgrad.interop.onnx.tensors import dtype_of

unseeded: ContextVar[Stream | None] = ContextVar("unseeded", default=None)  # of a training step


def generator(seed: float | None) -> np.random.Generator:
    """A generator of this seed; where none is given, the next of a training's stream, or seed 0."""
    stream = unseeded.get()
    if seed is None and stream is not None:
        return stream.generator()
    bits = np.float64(seed or 0).view(np.uint64)
    return np.random.Generator(np.random.Philox(int(bits)))


def like(x: Any, dtype: int | None) -> Any:
    return dtype_of(dtype) if dtype is not None else x.dtype if x.dtype.kind == "f" else np.float32


@operator("RandomUniform")
def random_uniform(*, shape, high=1.0, low=0.0, seed=None, dtype=1):
    return generator(seed).uniform(low, high, sized(shape)).astype(dtype_of(dtype))


@operator("RandomUniformLike")
def random_uniform_like(x, *, high=1.0, low=0.0, seed=None, dtype=None):
    return generator(seed).uniform(low, high, x.shape).astype(like(x, dtype))


@operator("RandomNormal")
def random_normal(*, shape, mean=0.0, scale=1.0, seed=None, dtype=1):
    return generator(seed).normal(mean, scale, sized(shape)).astype(dtype_of(dtype))


@operator("RandomNormalLike")
def random_normal_like(x, *, mean=0.0, scale=1.0, seed=None, dtype=None):
    return generator(seed).normal(mean, scale, x.shape).astype(like(x, dtype))


@operator("Bernoulli", since=15)
def bernoulli(x, *, dtype=None, seed=None):
    """1 with the probability x."""
    drawn = generator(seed).random(x.shape) < x
    return drawn.astype(x.dtype if dtype is None else dtype_of(dtype))


@operator("Multinomial", since=7)
def multinomial(x, *, dtype=6, sample_size=1, seed=None):
    """Classes drawn by their unnormalized log probabilities."""
    sized([len(x), sample_size, x.shape[-1]])
    noise = generator(seed).gumbel(size=(len(x), sample_size, x.shape[-1]))
    return (x[:, None] + noise).argmax(-1).astype(dtype_of(dtype))
