"""Operators that read or write elements by index, and those that find indices."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.interop.onnx.operators.registry import ML, operator

WRITES = {
    "add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum,
}  # fmt: skip


def counted(index: Any, n: int) -> Any:
    """Indices from 0 on; negative ones count from behind. Raises IndexError outside."""
    index = np.asarray(index).astype(np.int64)
    if index.size and (index.min() < -n or index.max() >= n):
        raise IndexError(f"an index lies outside of [{-n}, {n - 1}]")
    return np.where(index < 0, index + n, index)


@operator("Gather")
def gather(x, indices, *, axis=0):
    return np.take(x, counted(indices, x.shape[axis]), axis=axis)


@operator("LabelEncoder", domain=ML, since=2)
def label_encoder(
    x, *, keys_strings=None, keys_int64s=None, keys_floats=None, keys_tensor=None,
    values_strings=None, values_int64s=None, values_floats=None, values_tensor=None,
    default_string="_Unused", default_int64=-1, default_float=-0.0, default_tensor=None,
):  # fmt: skip
    """The value that stands beside the key that each element is; else the default."""
    keys = next((k for k in (keys_strings, keys_int64s, keys_floats, keys_tensor)
                 if k is not None), None)  # fmt: skip
    kinds = (
        (values_strings, default_string, object), (values_int64s, default_int64, np.int64),
        (values_floats, default_float, np.float32), (values_tensor, default_tensor, None),
    )  # fmt: skip
    found = next((kind for kind in kinds if kind[0] is not None), None)
    if keys is None or found is None or len(keys) != len(found[0]):
        raise ValueError("keys and values are needed, as many of each")
    values, default, dtype = found
    dtype = values.dtype if dtype is None else dtype
    default = np.zeros(1, dtype) if default is None else default
    plain = [k.item() if hasattr(k, "item") else k for k in keys]
    table = dict(zip((_text(k) for k in plain), values))
    missing = next((v for k, v in zip(plain, values) if k != k), None)  # NaN is a key too
    default = np.ravel(np.asarray(default, dtype))[0]
    made = [table.get(_text(k), default if k == k or missing is None else missing)
            for k in x.reshape(-1).tolist()]  # fmt: skip
    return np.array(made, dtype).reshape(x.shape)


def _text(key: Any) -> Any:
    return bytes(key).decode("utf-8", "replace") if isinstance(key, bytes | memoryview) else key


@operator("GatherElements", since=11)
def gather_elements(x, indices, *, axis=0):
    """y[i, j, …] = x[indices[i, j, …], j, …], the index standing at the axis."""
    return x[grid_with(indices, axis, x.shape[axis])]


def grid_with(indices: Any, axis: int, n: int) -> tuple[Any, ...]:
    """The index of every element of `indices`, its own value standing at the axis."""
    key = list(np.ogrid[tuple(slice(m) for m in indices.shape)])
    key[axis] = counted(indices, n)
    return tuple(key)


@operator("GatherND", since=11)
def gather_nd(x, indices, *, batch_dims=0):
    """The parts of x at the index vectors along the last axis."""
    return x[vectors(x.shape, indices, batch_dims)]


def vectors(shape: Any, indices: Any, batch: int = 0) -> tuple[Any, ...]:
    """Index vectors as one array for each axis."""
    depth = indices.shape[-1]
    lead = np.ogrid[tuple(slice(n) for n in indices.shape[:batch])] if batch else []
    grid = [g.reshape(g.shape + (1,) * (indices.ndim - 1 - batch)) for g in lead]
    return (*grid, *(counted(indices[..., i], shape[batch + i]) for i in range(depth)))


def written(x: Any, key: Any, updates: Any, reduction: str) -> Any:
    """x with the updates at the key; several for one element count in turn."""
    y = x.copy()
    if reduction == "none":
        y[key] = updates
    else:
        WRITES[reduction].at(y, key, updates)
    return y


@operator("Scatter")
def scatter(x, indices, updates, *, axis=0):
    return scatter_elements(x, indices, updates, axis=axis)


@operator("ScatterElements", since=11)
def scatter_elements(x, indices, updates, *, axis=0, reduction="none"):
    return written(x, grid_with(indices, axis, x.shape[axis]), updates, reduction)


@operator("ScatterND", since=11)
def scatter_nd(x, indices, updates, *, reduction="none"):
    return written(x, vectors(x.shape, indices), updates, reduction)


@operator("TensorScatter", since=24)
def tensor_scatter(cache, update, start=None, *, axis=-2, mode="linear"):
    """A cache with new steps written from `start` on, sample by sample."""
    y, steps = np.moveaxis(cache.copy(), axis, 1), np.moveaxis(update, axis, 1)
    for i, new in enumerate(steps):
        index = (0 if start is None else int(start[i])) + np.arange(len(new))
        y[i, index % y.shape[1] if mode == "circular" else index] = new
    return np.moveaxis(y, 1, axis)


@operator("Compress", since=9)
def compress(x, condition, *, axis=None):
    return np.compress(condition, x, axis)


@operator("NonZero", since=9)
def non_zero(x):
    return np.array(np.nonzero(np.atleast_1d(x)), np.int64)[-max(x.ndim, 0) or x.ndim :]


@operator("Unique", since=11)
def unique(x, *, axis=None, sorted=1):
    """The different elements, where each comes first, which is where, how often."""
    y, first, inverse, count = np.unique(
        x, return_index=True, return_inverse=True, return_counts=True, axis=axis
    )
    inverse = inverse.reshape(-1)
    if not sorted:
        order = np.argsort(first, kind="stable")
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        y = np.take(y, order, axis=0 if axis is None else axis)
        first, count, inverse = first[order], count[order], place[inverse]
    return y, *(v.astype(np.int64) for v in (first, inverse, count))


@operator("ArrayFeatureExtractor", domain=ML)
def array_feature_extractor(x, indices):
    y = np.take(x, counted(indices.reshape(-1), x.shape[-1]), axis=-1)
    return y.reshape(1, -1) if x.ndim == 1 else y


@operator("NonMaxSuppression", since=10)
def non_max_suppression(boxes, scores, most=None, iou=None, least=None, *, center_point_box=0):
    """(batch, class, box) of the boxes with the highest scores that overlap none before them."""
    most, iou = (0 if v is None else np.asarray(v).reshape(()).item() for v in (most, iou))
    found = []
    corners = [corners_of(b, center_point_box) for b in boxes]
    for n, c in np.ndindex(*scores.shape[:2]):
        score, kept = scores[n, c], list[Any]()
        candidates = np.argsort(-score, kind="stable")
        if least is not None:
            candidates = candidates[score[candidates] > np.asarray(least).reshape(())]
        for i in candidates:
            if len(kept) >= most:
                break
            if all(overlap(corners[n][i], corners[n][j]) <= iou for j in kept):
                kept.append(i)
        found += [(n, c, i) for i in kept]
    return np.array(found, np.int64).reshape(-1, 3)


def corners_of(boxes: Any, centred: int) -> Any:
    """Boxes as (low, low, high, high)."""
    if centred:
        x, y, w, h = np.moveaxis(boxes, -1, 0)
        return np.stack([y - h / 2, x - w / 2, y + h / 2, x + w / 2], -1)
    low, high = np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])
    return np.concatenate([low, high], -1)


def overlap(a: Any, b: Any) -> float:
    """The common area of two boxes, as a share of what both cover."""
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    common = float(np.prod(np.maximum(sides, 0)))
    both = float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - common
    return common / both if both > 0 else 0.0
