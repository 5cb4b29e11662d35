"""Normalizations, dropout, and embeddings of positions."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.interop.onnx.operators.registry import operator
from handgrad.interop.onnx.tensors import dtype_of


def wide(v: Any, x: Any) -> Any:
    """One number for each channel, to be stretched over x."""
    return v.reshape(1, -1, *[1] * (x.ndim - 2))


def standardized(x: Any, axes: tuple[int, ...], epsilon: float) -> Any:
    """(x − mean) / √(variance + epsilon)."""
    centred = x - x.mean(axes, keepdims=True)
    return centred / np.sqrt((centred * centred).mean(axes, keepdims=True) + epsilon)


@operator("BatchNormalization")
def batch_normalization_fixed(x, scale, b, mean, var, *, epsilon=1e-5, momentum=0.9, spatial=1,
                              is_test=1, consumed_inputs=None):  # fmt: skip
    if not spatial:
        normal = (x - mean) / np.sqrt(var + epsilon)
        return (scale * normal + b).astype(x.dtype)
    return batch_normalization(x, scale, b, mean, var, epsilon=epsilon)


@operator("BatchNormalization", since=14)
def batch_normalization(x, scale, b, mean, var, *, epsilon=1e-5, momentum=0.9, training_mode=0):
    """By the running statistics; in training mode by those of the batch, which they follow."""
    if not training_mode:
        normal = (x - wide(mean, x)) / np.sqrt(wide(var, x) + epsilon)
        return (wide(scale, x) * normal + wide(b, x)).astype(x.dtype)
    axes = (0, *range(2, x.ndim))
    y = wide(scale, x) * standardized(x, axes, epsilon) + wide(b, x)
    running = [(momentum * old + (1 - momentum) * new).astype(old.dtype)
               for old, new in ((mean, x.mean(axes)), (var, x.var(axes)))]  # fmt: skip
    return (y.astype(x.dtype), *running)


@operator("InstanceNormalization")
def instance_normalization(x, scale, b, *, epsilon=1e-5, consumed_inputs=None):
    normal = standardized(x, tuple(range(2, x.ndim)), epsilon)
    return (wide(scale, x) * normal + wide(b, x)).astype(x.dtype)


@operator("LayerNormalization", since=17)
def layer_normalization(x, scale, b=None, *, axis=-1, epsilon=1e-5, stash_type=1):
    """Over the axes from `axis` on; also the mean and 1 / √(variance + epsilon)."""
    axes = tuple(range(axis % x.ndim, x.ndim))
    wider = x.astype(np.result_type(dtype_of(stash_type), x.dtype))
    mean = wider.mean(axes, keepdims=True)
    centred = wider - mean
    r = 1 / np.sqrt((centred * centred).mean(axes, keepdims=True) + epsilon)
    y = (centred * r).astype(x.dtype) * scale
    stash = dtype_of(stash_type)
    return (y if b is None else y + b), mean.astype(stash), r.astype(stash)


@operator("RMSNormalization", since=23)
def rms_normalization(x, scale, *, axis=-1, epsilon=1e-5, stash_type=1):
    axes = tuple(range(axis % x.ndim, x.ndim))
    wider = x.astype(np.result_type(dtype_of(stash_type), x.dtype))
    r = 1 / np.sqrt((wider * wider).mean(axes, keepdims=True) + epsilon)
    return ((wider * r).astype(x.dtype) * scale).astype(x.dtype)


@operator("GroupNormalization", since=18)
def group_normalization_18(x, scale, b, *, num_groups, epsilon=1e-5):
    channels = x.shape[1] // num_groups
    scale, b = np.repeat(scale, channels), np.repeat(b, channels)
    return group_normalization(x, scale, b, num_groups=num_groups, epsilon=epsilon)


@operator("GroupNormalization", since=21)
def group_normalization(x, scale, b, *, num_groups, epsilon=1e-5, stash_type=1):
    grouped = x.reshape(x.shape[0], num_groups, -1)
    grouped = grouped.astype(np.result_type(dtype_of(stash_type), x.dtype))
    normal = standardized(grouped, (2,), epsilon).astype(x.dtype).reshape(x.shape)
    return wide(scale, x) * normal + wide(b, x)


@operator("MeanVarianceNormalization", since=9)
def mean_variance_normalization(x, *, axes=(0, 2, 3)):
    axes = tuple(axes)
    centred = x - x.mean(axes, keepdims=True)
    return (centred / (np.sqrt((centred * centred).mean(axes, keepdims=True)) + 1e-9)).astype(
        x.dtype
    )


@operator("LpNormalization")
def lp_normalization(x, *, axis=-1, p=2):
    """x / ‖x‖, and 0 where the norm is 0."""
    norm = (
        np.abs(x).sum(axis, keepdims=True) if p == 1 else np.sqrt((x * x).sum(axis, keepdims=True))
    )
    return np.where(norm == 0, 0, x / np.where(norm == 0, 1, norm)).astype(x.dtype)


@operator("LRN")
def local_response(x, *, size, alpha=1e-4, beta=0.75, bias=1.0):
    """x by a power of the squares of the channels beside it."""
    before = (size - 1) // 2
    squares = np.pad(x * x, [(0, 0), (before, size - 1 - before), *[(0, 0)] * (x.ndim - 2)])
    total = sum(squares[:, i : i + x.shape[1]] for i in range(size))
    return (x / (bias + alpha / size * total) ** beta).astype(x.dtype)


@operator("Dropout")
def dropout_fixed(x, *, ratio=0.5, is_test=0, seed=None, consumed_inputs=None, node):
    """In inference x itself, and a mask of ones."""
    return x, np.ones(x.shape, bool if node.opset >= 10 else x.dtype)


@operator("Dropout", since=12)
def dropout(x, ratio=None, training=None, *, seed=None):
    """In training some elements are 0, the others larger for it."""
    share = 0.5 if ratio is None else float(np.asarray(ratio).reshape(()))
    if training is None or not np.asarray(training).reshape(()) or share == 0:
        return x, np.ones(x.shape, bool)
    mask = np.random.RandomState(int(seed or 0)).uniform(0, 1, x.shape) >= share  # as NumPy's seed
    return (x * mask / (1 - share)).astype(x.dtype), mask


@operator("RotaryEmbedding", since=23)
def rotary_embedding(x, cos, sin, positions=None, *, interleaved=0, num_heads=None,
                     rotary_embedding_dim=0):  # fmt: skip
    """Pairs of elements of each head turned by an angle that grows with the position."""
    if positions is not None:
        cos, sin = cos[positions], sin[positions]
    heads = x.reshape(*x.shape[:2], num_heads, -1) if x.ndim == 3 else x.transpose(0, 2, 1, 3)
    turning = rotary_embedding_dim or heads.shape[-1]
    half = turning // 2
    first, second = (slice(0, turning, 2), slice(1, turning, 2)) if interleaved else (
        slice(0, half), slice(half, turning)
    )  # fmt: skip
    cos, sin = cos[:, :, None, :], sin[:, :, None, :]
    a, b = heads[..., first], heads[..., second]
    y = heads.copy()
    y[..., first], y[..., second] = a * cos - b * sin, a * sin + b * cos
    return y.reshape(x.shape) if x.ndim == 3 else y.transpose(0, 2, 1, 3)
