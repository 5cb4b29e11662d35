"""Reductions, normalizations and losses."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from handgrad.interop.onnx.convert.expressions.table import EXPRESSIONS, NoExpression, expression
from handgrad.layer import apply
from handgrad.layers import CumSum, Gather, LogSoftmax, LogSumExp, Prod
from handgrad.layers.operators import plain


def reduction(name: str, function: Callable[..., Any]) -> None:
    """Enter a reduction, its axes an attribute or an input."""

    def run(x: Any, axes: Any = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Any:
        if not x.size:
            raise NoExpression
        axis = None if axes is None or not len(axes) else tuple(int(a) for a in axes)
        if axis is None and noop_with_empty_axes:
            return function(x, (), True)
        return function(x, tuple(range(x.ndim)) if axis is None else axis, bool(keepdims))

    EXPRESSIONS[name] = run


REDUCTIONS: dict[str, Callable[..., Any]] = {
    "ReduceSum": lambda x, axis, keep: x.sum(axis, keep),
    "ReduceMean": lambda x, axis, keep: x.mean(axis, keep),
    "ReduceMax": lambda x, axis, keep: x.max(axis, keep),
    "ReduceMin": lambda x, axis, keep: -(-x).max(axis, keep),
    "ReduceProd": lambda x, axis, keep: apply(Prod(axis, keepdims=keep), x),
    "ReduceL1": lambda x, axis, keep: np.abs(x).sum(axis, keep),
    "ReduceL2": lambda x, axis, keep: np.sqrt((x * x).sum(axis, keep)),
    "ReduceLogSum": lambda x, axis, keep: np.log(x.sum(axis, keep)),
    "ReduceLogSumExp": lambda x, axis, keep: apply(LogSumExp(axis, keepdims=keep), x),
    "ReduceSumSquare": lambda x, axis, keep: (x * x).sum(axis, keep),
}  # fmt: skip
for name, rule in REDUCTIONS.items():
    reduction(name, rule)


@expression("GlobalAveragePool")
def global_average_pool(x):
    return x.mean(tuple(range(2, x.ndim)), True)


@expression("GlobalMaxPool")
def global_max_pool(x):
    return x.max(tuple(range(2, x.ndim)), True)


@expression("CumSum")
def cum_sum(x, axis, *, exclusive=0, reverse=0):
    axis = int(np.asarray(axis).reshape(())) % x.ndim
    x = np.flip(x, axis) if reverse else x
    y = apply(CumSum(axis), x)
    y = y - x if exclusive else y
    return np.flip(y, axis) if reverse else y


@expression("TopK")
def top_k(x, k, *, axis=-1, largest=1, sorted=1):
    keys = plain(x) if not largest else -plain(x)
    order = np.argsort(keys, axis=axis, kind="stable")
    order = np.take(order, np.arange(int(np.reshape(k, ()))), axis=axis)
    return apply(Gather(axis), x, order), order


def standardized(x: Any, axes: tuple[int, ...], epsilon: float) -> Any:
    """(x − mean) / √(variance + epsilon)."""
    centred = x - x.mean(axes, True)
    return centred / np.sqrt((centred * centred).mean(axes, True) + epsilon)


@expression("LayerNormalization")
def layer_normalization(x, scale, b=None, *, axis=-1, epsilon=1e-5, stash_type=1):
    y = standardized(x, tuple(range(axis % x.ndim, x.ndim)), epsilon) * scale
    return y if b is None else y + b


@expression("RMSNormalization")
def rms_normalization(x, scale, *, axis=-1, epsilon=1e-5, stash_type=1):
    axes = tuple(range(axis % x.ndim, x.ndim))
    return x / np.sqrt((x * x).mean(axes, True) + epsilon) * scale


@expression("InstanceNormalization")
def instance_normalization(x, scale, b, *, epsilon=1e-5):
    wide = (-1,) + (1,) * (x.ndim - 2)
    y = standardized(x, tuple(range(2, x.ndim)), epsilon)
    return y * scale.reshape(wide) + b.reshape(wide)


@expression("BatchNormalization")
def batch_normalization(x, scale, b, mean, var, *, epsilon=1e-5, momentum=0.9, spatial=1,
                        training_mode=0):  # fmt: skip
    wide = (-1,) + (1,) * (x.ndim - 2)
    if not training_mode:
        normal = (x - mean.reshape(wide)) / np.sqrt(var.reshape(wide) + epsilon)
        return normal * scale.reshape(wide) + b.reshape(wide)
    axes = (0, *range(2, x.ndim))
    y = standardized(x, axes, epsilon) * scale.reshape(wide) + b.reshape(wide)
    batch = plain(x).mean(axes), plain(x).var(axes)
    running = [momentum * np.asarray(old) + (1 - momentum) * new
               for old, new in zip((mean, var), batch)]  # fmt: skip
    return (y, *running)


@expression("GroupNormalization")
def group_normalization(x, scale, b, *, num_groups, epsilon=1e-5, stash_type=1, node):
    """γ and β for each channel; in opset 18 for each group."""
    n = x.shape[0]
    y = standardized(x.reshape(n, num_groups, -1), (2,), epsilon)
    if node.opset < 21:
        y = y.reshape(n, num_groups, -1) * scale.reshape(-1, 1) + b.reshape(-1, 1)
        return y.reshape(x.shape)
    wide = (-1,) + (1,) * (x.ndim - 2)
    return y.reshape(x.shape) * scale.reshape(wide) + b.reshape(wide)


@expression("MeanVarianceNormalization")
def mean_variance_normalization(x, *, axes=(0, 2, 3)):
    centred = x - x.mean(tuple(axes), True)
    return centred / (np.sqrt((centred * centred).mean(tuple(axes), True)) + 1e-9)


@expression("RotaryEmbedding")
def rotary_embedding(x, cos, sin, positions=None, *, interleaved=0, num_heads=None,
                     rotary_embedding_dim=0):  # fmt: skip
    """Pairs of elements of each head turned by an angle."""
    if positions is not None:
        cos, sin = plain(cos)[positions], plain(sin)[positions]
    heads = x.reshape(*x.shape[:2], num_heads, -1) if x.ndim == 3 else x.transpose(0, 2, 1, 3)
    turning = rotary_embedding_dim or heads.shape[-1]
    first, second = (slice(0, turning, 2), slice(1, turning, 2)) if interleaved else (
        slice(0, turning // 2), slice(turning // 2, turning)
    )  # fmt: skip
    cos, sin = (np.asarray(plain(v))[:, :, None, :] for v in (cos, sin))
    a, b = heads[..., first], heads[..., second]
    turned = [a * cos - b * sin, a * sin + b * cos]
    if interleaved:
        pairs = np.stack(turned, axis=-1)
        y = pairs.reshape(*pairs.shape[:-2], -1)
    else:
        y = np.concatenate(turned, axis=-1)
    if turning < heads.shape[-1]:
        y = np.concatenate([y, heads[..., turning:]], axis=-1)
    return y.reshape(x.shape) if x.ndim == 3 else y.transpose(0, 2, 1, 3)


@expression("LpNormalization")
def lp_normalization(x, *, axis=-1, p=2):
    axis = (axis % x.ndim,)
    size = np.abs(x).sum(axis, True) if p == 1 else np.sqrt((x * x).sum(axis, True))
    return x / np.maximum(size, np.finfo(x.dtype).tiny)  # 0 stays 0


@expression("ai.onnx.ml.Normalizer")
def normalizer(x, *, norm="MAX"):
    if norm == "MAX":
        return x / x.max((-1,), True)
    size = np.abs(x).sum((-1,), True) if norm == "L1" else np.sqrt((x * x).sum((-1,), True))
    return x / size


@expression("LRN")
def local_response(x, *, size, alpha=1e-4, beta=0.75, bias=1.0):
    before = (size - 1) // 2
    width = [(0, 0), (before, size - 1 - before), *[(0, 0)] * (x.ndim - 2)]
    squares, c = np.pad(x * x, width), x.shape[1]
    total = reduce(np.add, [squares[:, i : i + c] for i in range(size)])
    return x / (bias + alpha / size * total) ** beta


@expression("NegativeLogLikelihoodLoss")
def negative_log_likelihood(x, t, weight=None, *, ignore_index=None, reduction="mean"):
    t = np.asarray(t)
    counted = np.ones(t.shape, bool) if ignore_index is None else t != ignore_index
    index = np.where(counted, t, 0).astype(np.int64)
    w = counted.astype(x.dtype) if weight is None else counted * plain(weight)[index]
    picked = apply(Gather(1), x, np.expand_dims(index, 1))
    loss = -(picked.reshape(index.shape) * np.asarray(w, x.dtype))
    if reduction == "none":
        return loss
    return loss.sum() if reduction == "sum" else loss.sum() / float(w.sum())


@expression("SoftmaxCrossEntropyLoss")
def softmax_cross_entropy(x, t, weight=None, *, ignore_index=None, reduction="mean"):
    log_p = apply(LogSoftmax(1), x)
    loss = negative_log_likelihood(log_p, t, weight, ignore_index=ignore_index,
                                   reduction=reduction)  # fmt: skip
    return loss, log_p
