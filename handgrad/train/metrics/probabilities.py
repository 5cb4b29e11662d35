"""Whether probabilities are right: y (N,) or (N, 1) of the class 1, or (N, …, K) of K classes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from handgrad.arrays import Array
from handgrad.train.metrics.pairs import columns_pair, mean_of, of_probabilities, weights_of


@of_probabilities
def log_loss(y: Any, t: Any, *, sample_weights: Any = None) -> float:
    """The mean of -ln p at the right class, p within [ε, 1 - ε], ε = 2.2e-16.

    p = 0 at what then happens would be an infinite loss.
    """
    p, right = _pair("log_loss", y, t)
    eps = np.finfo(np.asarray(y).dtype if np.asarray(y).dtype.kind == "f" else float).eps
    p = np.clip(p, eps, 1 - eps)
    one = _one_class(right)
    shares = (p * right).sum(axis=1) if one else np.where(right == 1, p, 1 - p)
    return mean_of(-np.log(shares), sample_weights)


@of_probabilities
def brier_loss(y: Any, t: Any, *, sample_weights: Any = None) -> float:
    """mean (p - t)², t being 0 or 1; with more than two classes summed over these.

    Source: Brier, "Verification of forecasts expressed in terms of probability", 1950.
    """
    p, right = _pair("brier_loss", y, t)
    square = np.square(p - right)
    return mean_of(square.sum(axis=1) if _one_class(right) else square, sample_weights)


class Calibration(NamedTuple):
    """Of each bin that has samples: the mean probability, the share of class 1, the weight."""

    predicted: Array
    observed: Array
    weight: Array


def calibration_curve(
    y: Any, t: Any, bins: int = 10, strategy: str = "uniform", *, sample_weights: Any = None
) -> Calibration:
    """How often class 1 comes where its probability is about so large, bin by bin.

    y (N,), (N, 1) or (N, 2) are probabilities, t (N,) 0 or 1. Bins are of equal width
    ("uniform"), or of equally many samples ("quantile"); a bin holds its upper bound.

    Source: Niculescu-Mizil, Caruana, "Predicting good probabilities with supervised learning",
    ICML 2005.
    """
    p, right = _pair("calibration_curve", y, t)
    if p.shape[1] != 1:
        raise ValueError(
            f"calibration_curve: probabilities of one class are needed, got {p.shape[1]} columns; "
            "give y[:, c] and t == c"
        )
    if isinstance(bins, bool) or not isinstance(bins, int | np.integer) or bins < 1:
        raise ValueError(f"calibration_curve: bins must be an integer of at least 1, got {bins!r}")
    p, right, w = p[:, 0], right[:, 0], weights_of(sample_weights, len(p))
    edges = np.linspace(0, 1, bins + 1)
    if strategy == "quantile":
        edges = np.quantile(p, edges)
    elif strategy != "uniform":
        raise ValueError(
            f"calibration_curve: strategy must be 'uniform' or 'quantile', got {strategy!r}"
        )
    into = np.searchsorted(edges[1:-1], p)
    weight, predicted, observed = (
        np.bincount(into, v, minlength=bins) for v in (w, w * p, w * right)
    )
    kept = weight > 0
    return Calibration(predicted[kept] / weight[kept], observed[kept] / weight[kept], weight[kept])


def _one_class(right: Array) -> bool:
    """Whether each sample has one class of several, rather than several yes or no."""
    return right.shape[1] > 1 and bool((right.sum(axis=1) == 1).all())


def _pair(name: str, y: Any, t: Any) -> tuple[Array, Array]:
    """Probabilities (N, K) in [0, 1], and 0 or 1 for what was right."""
    p, right = columns_pair(name, y, t)
    if not (p >= 0).all() or not (p <= 1).all():
        raise ValueError(
            f"{name}: y must be probabilities, got {p.min():.3g} to {p.max():.3g}; softmax or "
            "sigmoid makes them of scores (fit and evaluate do so by the loss)"
        )
    return p, right
