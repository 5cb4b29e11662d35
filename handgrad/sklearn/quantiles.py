"""Numbers as several inputs each, so that a network can bend where the data lie."""

from __future__ import annotations

import numpy as np

from handgrad.arrays import Array
from handgrad.sklearn.scaling import quantiles


class Quantiles:
    """Piecewise linear encoding: how far x has come through each of the bins of its column.

    Bin i, from quantile aᵢ to aᵢ₊₁, gives (x − aᵢ) / (aᵢ₊₁ − aᵢ), cut to [0, 1], and outwards for
    the first and the last to one more width of the bin. Equal quantiles are one; a constant column
    gives 0. These inputs need no scaling.
    Source: Gorishniy, Rubachev, Babenko, "On embeddings for numerical features in tabular deep
    learning", NeurIPS 2022, section 3.2.
    """

    def __init__(self, x: Array, weights: Array | None, bins: int):
        found = quantiles(np.asarray(x, np.float64), weights, tuple(np.linspace(0, 1, bins + 1)))
        self.edges = [np.unique(column) for column in found.T]

    def __call__(self, x: Array) -> Array:
        """The inputs for x (N, D), in its dtype."""
        return np.concatenate([_bins(x[:, i : i + 1], a) for i, a in enumerate(self.edges)], axis=1)


def _bins(x: Array, edges: Array) -> Array:
    if len(edges) < 2:
        return np.zeros_like(x)
    low, high = np.zeros(len(edges) - 1), np.ones(len(edges) - 1)
    low[0], high[-1] = -1, 2
    return np.clip((x - edges[:-1]) / np.diff(edges), low, high).astype(x.dtype)
