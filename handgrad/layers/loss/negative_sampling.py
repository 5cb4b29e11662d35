"""Negative sampling: learn from the right word and a few wrong ones instead of all others."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, Stream, as_float
from handgrad.layers.activation import sigmoid, softplus
from handgrad.layers.checks import require_positive
from handgrad.layers.embedding import EmbeddingDot, accept_ids
from handgrad.layers.loss.base import Loss


class UnigramSampler:
    """Draws words with probability p(v) = counts[v]^power / Σ counts^power.

    A power below 1 lifts rare words. Draws come from a `Stream`, one step each, never from global
    state.
    Shapes: counts (V), how often each word occurs.
    Raises ShapeError where counts is not (V); ValueError for counts that are negative or not
    finite, or of which one has nearly all: then there is no other word to draw.
    Source: Mikolov et al., "Distributed representations of words and phrases", NIPS 2013, section
    2.2 (power ¾).
    """

    def __init__(self, counts: Any, *, power: float = 0.75, seed: int = 0):
        counts = np.asarray(counts, np.float64)
        if counts.ndim != 1:
            raise ShapeError(f"UnigramSampler: counts must be (V), got {counts.shape}")
        if not (np.isfinite(counts).all() and (counts >= 0).all() and (counts > 0).sum() > 1):
            raise ValueError(
                "UnigramSampler: counts must be finite and ≥ 0, and two or more above 0, got "
                f"{(counts > 0).sum()} above 0"
            )
        weights = np.where(counts > 0, counts, 1) ** power * (counts > 0)  # also for power 0
        self.p = weights / weights.sum()
        if self.p.max() > 0.9999:
            raise ValueError(
                "UnigramSampler: no word may have more than 99.99 % of the probability, word "
                f"{self.p.argmax()} has {self.p.max():.6%}"
            )
        self.upto = np.cumsum(self.p)
        self.stream = Stream(seed)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(counts of {len(self.p)} words)"

    def sample(self, targets: Array, negatives: int, stream: Stream | None = None) -> Array:
        """K = `negatives` words for each target, independent, none equal to it: (N) → (N, K)."""
        rng = (stream or self.stream).generator()
        targets = np.asarray(targets)[:, None]
        words = self._draw(rng, (len(targets), negatives))
        while (same := words == targets).any():  # draw those again
            words[same] = self._draw(rng, int(same.sum()))
        return words

    def _draw(self, rng: np.random.Generator, shape: Any) -> Array:
        return np.searchsorted(self.upto, rng.random(shape) * self.upto[-1], side="right")


class NegativeSampling(Loss, EmbeddingDot):
    """The loss of telling the right word from `negatives` words drawn by `UnigramSampler`.

    loss = Σ wₙ · (−ln σ(W[tₙ] · hₙ) − Σ_k ln σ(−W[sₙₖ] · hₙ)) / D, s drawn anew each time; D =
    Σ wₙ, all wₙ = 1 where none are given.
    In evaluation always the same draws, those of step 0: a batch has one loss, which can be
    compared from epoch to epoch, and measuring it leaves the training's random numbers alone.
    Shapes: h (N, M), t (N) of integers from 0 to V − 1, weights (N), s (N, K), W (V, M), loss ().
    V is the length of `counts`; M is found from the first batch, or given as `inputs`.
    Gradient: dscore = dloss · wₙ / D · (σ(score) − label), label 1 for t and 0 for s; from there
    dh, dW, `rows` and `drows` as in `EmbeddingDot`. t has none.
    Raises ShapeError where h and t do not fit; ValueError as `Loss`, `EmbeddingDot` and
    `UnigramSampler` say.
    Source: Mikolov et al., 2013, equation 4; Saito, "Deep Learning from Scratch 2", section 4.2.
    """

    def __init__(
        self, counts: Any, *, negatives: int = 5, power: float = 0.75, inputs: int | None = None,
        init: Any = 0.01, seed: int | None = None,
    ):  # fmt: skip
        super().__init__(len(counts), inputs=inputs, init=init, seed=seed)
        require_positive(self, negatives=negatives)
        self.counts, self.negatives, self.power = counts, negatives, power
        self.sampler = UnigramSampler(counts, power=power)

    def forward(self, h: Array, t: Array, weights: Array | None = None) -> Array:
        self.build(h)
        t = accept_ids(self, t, self.vocabulary)
        if t.ndim != 1:
            raise ShapeError(f"NegativeSampling: t must be (N), got {t.shape}")
        stream = self.draw()
        if not self.training:
            stream = Stream(stream.seed, stream.layer)
        drawn = self.sampler.sample(t, self.negatives, stream)
        scores = super().forward(h, np.concatenate([t[:, None], drawn], axis=1))
        share = self.weigh(scores, weights)
        right = np.arange(1 + self.negatives) == 0  # the label: 1 for t, 0 for the words drawn
        self.dscore = (sigmoid(scores) - right.astype(scores.dtype)) * share
        wrong = np.where(right, -1, 1).astype(scores.dtype) * scores
        return (softplus(wrong) * share).sum()

    def backward(self, dloss: Any = 1.0) -> tuple[Array, None]:
        return super().backward(self.dscore * as_float(dloss).astype(self.dscore.dtype))
