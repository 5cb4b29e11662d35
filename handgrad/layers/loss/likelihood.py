"""Losses of likelihood: of labels, of distributions, of yes and no, of numbers and of counts.

On scores, SoftmaxCrossEntropy and SigmoidCrossEntropy are safer: they take the logarithm of
nothing small. `forward(y, t, weights=None)` gives one number; `weights` (N) are of the samples.
"""

from __future__ import annotations

from math import log, pi, prod
from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, as_float
from handgrad.layers.loss.base import ElementwiseLoss, Loss
from handgrad.layers.loss.cross_entropy import ClassLoss


class NegativeLogLikelihood(ClassLoss):
    """loss = −Σ m · y, where y are logarithms of probabilities, as LogSoftmax gives them.

    m shares 1 out over samples and classes: m = w · v · t / D, D = Σ w · v · t, with t one-hot or
    probabilities, v = class_weights, w = weights of samples, and no share where the label is
    ignore_index; `Loss` says what a normalizer changes. After LogSoftmax it is
    SoftmaxCrossEntropy.
    Shapes: y (N, …, C); t labels (N, …) or probabilities (N, …, C); weights (N); loss ().
    Gradient: dy = −dloss · m.
    Raises as `ClassLoss` says.
    Source: Bishop, "Pattern recognition and machine learning", 2006, section 4.3.4.
    """

    def forward(self, y: Array, t: Array, weights: Array | None = None) -> Array:
        y = as_float(y)
        at, share, _ = self.share_out(y, t, weights)
        self.m = np.zeros((prod(y.shape[:-1]), y.shape[-1]), y.dtype)
        self.m[at] = share
        self.m = self.m.reshape(y.shape)
        return -(self.m * y).sum()

    def backward(self, dloss: Any = 1.0) -> tuple[Array, None]:
        return as_float(dloss).astype(self.m.dtype) * -self.m, None


class KLDivergence(Loss):
    """loss = Σ wₙ · Σ_c t · (ln t − y) / D, where y are logarithms of probabilities.

    The mean over samples, D = Σ wₙ and all wₙ = 1 where none are given, of what t tells and y
    does not; where t = 0 the term is 0. Further axes between N and C count as more samples.
    Shapes: y and t (N, …, C) alike, t probabilities; weights (N); loss ().
    Gradient: dy = −dloss · t · wₙ / D.
    Raises ShapeError where t does not fit y, ValueError for negative t, and as `Loss` says.
    Source: Kullback & Leibler, "On information and sufficiency", 1951.
    """

    def forward(self, y: Array, t: Array, weights: Array | None = None) -> Array:
        y = as_float(y)
        t = as_float(t, y.dtype).astype(y.dtype, copy=False)
        if y.shape != t.shape or not y.ndim:
            raise ShapeError(
                f"KLDivergence: y and t need one shape (N, …, C), got {y.shape} and {t.shape}"
            )
        if t.size and not t.min() >= 0:
            raise ValueError(f"KLDivergence: t must be ≥ 0, got values from {t.min()}")
        self.share = t * self.weigh(y, weights, prod(y.shape[1:-1]))
        return (self.share * (np.log(np.where(t > 0, t, 1)) - y)).sum()

    def backward(self, dloss: Any = 1.0) -> tuple[Array, None]:
        return as_float(dloss).astype(self.share.dtype) * -self.share, None


class BinaryCrossEntropy(ElementwiseLoss):
    """The mean of −t · ln y − (1 − t) · ln(1 − y), where y are probabilities.

    y is first cut to [ε, 1 − ε], ε being the spacing of floats at 1, so the loss is finite.
    Shapes: y and t (N, …) alike, weights (N), loss ().
    Gradient: dy = dloss · (y − t) / (y · (1 − y)) / n, y being the cut one.
    At y = 0 or 1: the derivative at the cut, so that a sure mistake still learns.
    Raises as `ElementwiseLoss` says; ValueError where y or t lies outside [0, 1].
    Source: Bishop, "Pattern recognition and machine learning", 2006, section 4.3.2.
    """

    def term(self, y: Array, t: Array) -> Array:
        for name, a in (("y", y), ("t", t)):
            if a.size and not (a.min() >= 0 and a.max() <= 1):
                raise ValueError(
                    f"BinaryCrossEntropy: {name} must lie in [0, 1], got values from {a.min()} "
                    f"to {a.max()}; for scores use SigmoidCrossEntropy"
                )
        tiny = np.finfo(y.dtype).eps
        self.y, self.t = np.clip(y, tiny, 1 - tiny), t
        return -t * np.log(self.y) - (1 - t) * np.log1p(-self.y)

    def derivative(self) -> Array:
        return (self.y - self.t) / (self.y * (1 - self.y))


class GaussianKL(Loss):
    """The divergence of N(μ, e^s) from N(0, 1), summed over a sample, and its mean over samples.

    loss = Σ wₙ · Σ_d ½ · (μ² + e^s − 1 − s) / D, where s = ln σ² and D = Σ wₙ; all wₙ = 1 where
    none are given.
    Shapes: μ and s (N, …) alike, weights (N), loss ().
    Gradient: dμ = dloss · μ · wₙ / D, ds = dloss · ½ · (e^s − 1) · wₙ / D.
    Raises ShapeError where s does not fit μ, and as `Loss` says.
    Source: Kingma & Welling, "Auto-encoding variational Bayes", ICLR 2014, appendix B.
    """

    def forward(self, mu: Array, s: Array, weights: Array | None = None) -> Array:
        self.mu = as_float(mu)
        s = as_float(s, self.mu.dtype)
        if self.mu.shape != s.shape or not self.mu.ndim:
            raise ShapeError(
                f"GaussianKL: μ and s need one shape (N, …), got {self.mu.shape} and {s.shape}"
            )
        self.share = self.weigh(s, weights)
        self.excess = np.expm1(s)
        return (0.5 * (self.mu**2 + self.excess - s) * self.share).sum()

    def backward(self, dloss: Any = 1.0) -> tuple[Array, Array]:
        scale = as_float(dloss).astype(self.mu.dtype) * self.share
        return scale * self.mu, scale * (0.5 * self.excess)


class GaussianLikelihood(Loss):
    """The mean of ½ · ((t − μ)² · e^−s + s + ln 2π): −ln of the density of N(μ, e^s) at t.

    y holds μ and s = ln σ², side by side: a network says how sure it is, and learns that from the
    size of its errors. loss = Σ wₙ · termₙₖ / D, D = K · Σ wₙ, all wₙ = 1 where none are given.
    Shapes: y (N, …, 2·K), t (N, …, K), weights (N), loss ().
    Gradient: dμ = dloss · (μ − t) · e^−s · wₙ / D, ds = dloss · ½ · (1 − (t − μ)² · e^−s) · wₙ / D.
    Raises as `Loss` says; ShapeError where t does not fit y.
    Source: Nix & Weigend, "Estimating the mean and variance of the target probability
    distribution", 1994.
    """

    def forward(self, y: Array, t: Array, weights: Array | None = None) -> Array:
        y = as_float(y)
        t = as_float(t, y.dtype).astype(y.dtype, copy=False)
        if not t.ndim or y.shape != (*t.shape[:-1], 2 * t.shape[-1]):
            raise ShapeError(
                "GaussianLikelihood: y must be (N, …, 2·K) for t (N, …, K), the means and beside "
                f"them the logarithms of the variances, got y {y.shape} and t {t.shape}"
            )
        mu, s = np.split(y, 2, axis=-1)
        self.share = self.weigh(t, weights, prod(t.shape[1:]))
        self.narrow = np.exp(-s)
        self.error = mu - t
        self.squares = self.error**2 * self.narrow
        return (0.5 * self.share * (self.squares + s + log(2 * pi))).sum()

    def backward(self, dloss: Any = 1.0) -> tuple[Array, None]:
        scale = as_float(dloss).astype(self.error.dtype) * self.share
        dmu, ds = scale * self.error * self.narrow, 0.5 * scale * (1 - self.squares)
        return np.concatenate((dmu, ds), axis=-1), None


class PoissonLikelihood(ElementwiseLoss):
    """The mean of e^y − t · y: −ln of the probability of the count t where e^y is its mean.

    Without ln t!, which no output changes.
    Shapes: y and t (N, …) alike, weights (N), loss ().
    Gradient: dy = dloss · (e^y − t) / n.
    Raises as `ElementwiseLoss` says; ValueError for negative t.
    Source: Nelder & Wedderburn, "Generalized linear models", 1972.
    """

    def term(self, y: Array, t: Array) -> Array:
        if t.size and not t.min() >= 0:
            raise ValueError(f"PoissonLikelihood: t must be ≥ 0, got values from {t.min()}")
        self.mean, self.t = np.exp(y), t
        return self.mean - t * y

    def derivative(self) -> Array:
        return self.mean - self.t
