"""Distributions of what a policy does: logarithms of probabilities, entropies and divergences.

`Categorical` is given by scores, `Normal` by means μ and logarithms s = ln σ of deviations, so that
a network's outputs need no bounds. The layers are functions of these; the two classes below put
together what belongs to one distribution, on arrays or, recorded, on tensors.
"""

from __future__ import annotations

from math import e, log, pi
from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, as_float
from handgrad.layer import Layer
from handgrad.layers.checks import integers_below, require_equal_shapes
from handgrad.tensor import Tensor


def _log_softmax(layer: Layer, y: Array) -> Array:
    """ln p along the last axis, the largest score being subtracted first."""
    if not y.ndim or not y.shape[-1]:
        raise ShapeError(f"{type(layer).__name__}: scores (N, …, C) are needed, got {y.shape}")
    y = y - y.max(axis=-1, keepdims=True)
    return y - np.log(np.exp(y).sum(axis=-1, keepdims=True))


class CategoricalLogProb(Layer):
    """l = ln p at the class a, p = softmax(y).

    Shapes: y (N, …, C) scores, a (N, …) integers, l (N, …).
    Gradient: dy = dl · (1ₐ − p), 1ₐ being 1 at a; none for a.
    Raises ShapeError where a does not fit y, ValueError for a that is no class.
    Source: Williams, "Simple statistical gradient-following algorithms for connectionist
    reinforcement learning", 1992, section 4.
    """

    def forward(self, y: Array, a: Any) -> Array:
        y = as_float(y)
        logs = _log_softmax(self, y)
        a = integers_below(self, a, y.shape[-1])
        if a.shape != y.shape[:-1]:
            raise ShapeError(
                f"CategoricalLogProb: scores {y.shape} need classes {y.shape[:-1]}, got {a.shape}"
            )
        self.at = (np.arange(y.shape[-1]) == a[..., None]).astype(y.dtype)
        self.p = np.exp(logs)
        return (logs * self.at).sum(axis=-1)

    def backward(self, dl: Array) -> tuple[Array, None]:
        return dl[..., None] * (self.at - self.p), None


class CategoricalEntropy(Layer):
    """H = −Σ p · ln p, p = softmax(y).

    Shapes: y (N, …, C) scores, H (N, …).
    Gradient: dy = −dH · p · (ln p + H).
    Raises ShapeError for y without classes.
    Source: Mnih et al., "Asynchronous methods for deep reinforcement learning", ICML 2016,
    section 4.
    """

    def forward(self, y: Array) -> Array:
        self.logs = _log_softmax(self, as_float(y))
        self.p = np.exp(self.logs)
        self.H = -(self.p * self.logs).sum(axis=-1)
        return self.H

    def backward(self, dH: Array) -> Array:
        return -dH[..., None] * self.p * (self.logs + self.H[..., None])


class CategoricalKL(Layer):
    """D = Σ p · (ln p − ln q), p = softmax(y) and q = softmax(z).

    Shapes: y and z (N, …, C) scores, D (N, …).
    Gradient: dy = dD · p · (ln p − ln q − D), dz = dD · (q − p).
    Raises ShapeError where z does not fit y.
    Source: Kullback & Leibler, "On information and sufficiency", 1951.
    """

    def forward(self, y: Array, z: Array) -> Array:
        require_equal_shapes(self, y, z)
        p, q = (_log_softmax(self, as_float(scores)) for scores in (y, z))
        self.p, self.q, self.more = np.exp(p), np.exp(q), p - q
        self.D = (self.p * self.more).sum(axis=-1)
        return self.D

    def backward(self, dD: Array) -> tuple[Array, Array]:
        dD = dD[..., None]
        return dD * self.p * (self.more - self.D[..., None]), dD * (self.q - self.p)


class NormalLogProb(Layer):
    """l = −½ · z² − s − ½ · ln 2π with z = (a − μ) / σ, elementwise; s = ln σ.

    Shapes: μ, s, a, l (any, equal).
    Gradient: dμ = dl · z / σ, ds = dl · (z² − 1), da = −dμ.
    Raises ShapeError where the shapes differ.
    Source: Williams, "Simple statistical gradient-following algorithms for connectionist
    reinforcement learning", 1992, section 6.
    """

    def forward(self, mu: Array, s: Array, a: Array) -> Array:
        require_equal_shapes(self, mu, s, a)
        mu, s = as_float(mu), as_float(s)
        self.narrow = np.exp(-s)
        self.z = (as_float(a) - mu) * self.narrow
        return -0.5 * self.z**2 - s - 0.5 * log(2 * pi)

    def backward(self, dl: Array) -> tuple[Array, Array, Array]:
        dmu = dl * self.z * self.narrow
        return dmu, dl * (self.z**2 - 1), -dmu


class NormalEntropy(Layer):
    """H = s + ½ · ln 2πe, elementwise; s = ln σ.

    Shapes: s, H (any).
    Gradient: ds = dH.
    Source: Cover & Thomas, "Elements of information theory", 1991, section 9.1.
    """

    def forward(self, s: Array) -> Array:
        return as_float(s) + 0.5 * log(2 * pi * e)

    def backward(self, dH: Array) -> Array:
        return dH * 1


class NormalKL(Layer):
    """D = r − s + ½ · (w + v² − 1), elementwise, of N(μ, e^s) from N(ν, e^r).

    w = e^(2s − 2r), v = (μ − ν) · e^−r; s and r are logarithms of the deviations.
    Shapes: μ, s, ν, r, D (any, equal).
    Gradient: dμ = dD · v · e^−r, ds = dD · (w − 1), dν = −dμ, dr = dD · (1 − w − v²).
    Raises ShapeError where the shapes differ.
    Source: Kullback & Leibler, "On information and sufficiency", 1951.
    """

    def forward(self, mu: Array, s: Array, nu: Array, r: Array) -> Array:
        require_equal_shapes(self, mu, s, nu, r)
        s, r = as_float(s), as_float(r)
        self.narrow = np.exp(-r)
        self.w, self.v = np.exp(2 * (s - r)), (as_float(mu) - as_float(nu)) * self.narrow
        return r - s + 0.5 * (np.expm1(2 * (s - r)) + self.v**2)

    def backward(self, dD: Array) -> tuple[Array, Array, Array, Array]:
        dmu = dD * self.v * self.narrow
        return dmu, dD * (self.w - 1), -dmu, dD * (1 - self.w - self.v**2)


class Categorical:
    """One of C classes, p = softmax(y), for scores y (N, …, C): an array or a tensor."""

    def __init__(self, y: Any):
        self.y = y

    @property
    def p(self) -> Array:
        """The probabilities (N, …, C), as an array."""
        return np.exp(_log_softmax(CategoricalEntropy(), as_float(_array(self.y))))

    def sample(self, rng: np.random.Generator) -> Array:
        """Classes (N, …) drawn from p: by where a uniform number falls among its sums."""
        sums = self.p.cumsum(axis=-1)
        u = _generator(rng).random((*sums.shape[:-1], 1)) * sums[..., -1:]
        return (u >= sums[..., :-1]).sum(axis=-1)

    def log_prob(self, a: Any) -> Any:
        """ln p of classes a (N, …)."""
        return CategoricalLogProb()(self.y, a)

    def entropy(self) -> Any:
        """−Σ p ln p, (N, …)."""
        return CategoricalEntropy()(self.y)

    def kl(self, other: Categorical) -> Any:
        """The divergence (N, …) of this distribution from the other: Σ p (ln p − ln q)."""
        return CategoricalKL()(self.y, other.y)


class Normal:
    """Independent normal numbers with means mu and deviations e^s: arrays or tensors of one shape.

    Of a vector of actions, the logarithm of the probability is the sum over its last axis.
    """

    def __init__(self, mu: Any, s: Any):
        self.mu, self.s = mu, s

    def sample(self, rng: np.random.Generator) -> Array:
        """Numbers of the shape of mu: μ + σ · ε with ε from N(0, 1)."""
        mu, s = (as_float(_array(a)) for a in (self.mu, self.s))
        return mu + np.exp(s) * _generator(rng).standard_normal(mu.shape).astype(mu.dtype)

    def log_prob(self, a: Any) -> Any:
        """The logarithm of the density at a, elementwise."""
        return NormalLogProb()(self.mu, self.s, a)

    def entropy(self) -> Any:
        """s + ½ ln 2πe, elementwise."""
        return NormalEntropy()(self.s)

    def kl(self, other: Normal) -> Any:
        """The divergence of this distribution from the other, elementwise."""
        return NormalKL()(self.mu, self.s, other.mu, other.s)


def _array(x: Any) -> Array:
    return x.data if isinstance(x, Tensor) else np.asarray(x)


def _generator(rng: Any) -> np.random.Generator:
    if not isinstance(rng, np.random.Generator):
        raise ValueError(
            f"sample: a generator such as numpy.random.default_rng(0) is needed, got {rng!r}"
        )
    return rng
