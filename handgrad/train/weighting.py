"""Weights that mean the same in every batch: the loss divided by their mean over the data."""

from __future__ import annotations

from typing import Any

from handgrad.arrays import Array
from handgrad.layer import shallow_clone
from handgrad.train.checks import check_choice


def weighted(
    loss: Any, t: Array, weights: Array | None, weighting: str, y_shape: tuple[int, ...]
) -> Any:
    """The loss as the training uses it: divided by the mean weight of the data, or as it is."""
    check_choice("weighting", weighting, ("data", "batch"))
    if weighting == "batch" or not hasattr(loss, "mean_weight") or loss.normalizer is not None:
        return loss
    clone = shallow_clone(loss)
    clone.normalizer = loss.mean_weight(t, weights, y_shape)
    return clone
