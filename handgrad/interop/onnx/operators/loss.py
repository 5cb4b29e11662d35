"""Losses."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.interop.onnx.operators.reduction import log_softmax
from handgrad.interop.onnx.operators.registry import operator


def weighted(log_p: Any, t: Any, weight: Any, ignore: int | None, reduction: str) -> Any:
    """−w · log p of each target, and their mean by the weights; ignored targets weigh 0."""
    counted = np.ones(t.shape, bool) if ignore is None else t != ignore
    index = np.where(counted, t, 0)
    w = counted.astype(log_p.dtype)
    if weight is not None:
        w = w * weight[index]
    picked = np.take_along_axis(log_p, np.expand_dims(index.astype(np.int64), 1), 1)[:, 0]
    loss = np.where(counted, -picked * w, 0).astype(log_p.dtype)
    if reduction == "none":
        return loss
    total = loss.sum(dtype=log_p.dtype)
    return np.asarray(total if reduction == "sum" else total / w.sum(), log_p.dtype)


@operator("NegativeLogLikelihoodLoss", since=12)
def negative_log_likelihood(x, t, weight=None, *, ignore_index=None, reduction="mean"):
    return weighted(x, t, weight, ignore_index, reduction)


@operator("SoftmaxCrossEntropyLoss", since=12)
def softmax_cross_entropy(x, t, weight=None, *, ignore_index=None, reduction="mean"):
    log_p = log_softmax(x, axis=1)
    return weighted(log_p, t, weight, ignore_index, reduction), log_p
