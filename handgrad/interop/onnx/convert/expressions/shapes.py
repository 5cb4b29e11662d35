"""Operators that move elements."""

from __future__ import annotations

import numpy as np

from handgrad.interop.onnx.convert.expressions.table import dtype_of, expression, number
from handgrad.interop.onnx.operators.indexing import vectors
from handgrad.interop.onnx.operators.shape import slices
from handgrad.layer import apply
from handgrad.layers import Gather, Index
from handgrad.tensor import Tensor


@expression("Reshape")
def reshape(x, shape, *, allowzero=0):
    target = [int(n) for n in shape]
    if not allowzero:
        target = [x.shape[i] if n == 0 else n for i, n in enumerate(target)]
    return x.reshape(tuple(target))


@expression("Flatten")
def flatten(x, *, axis=1):
    axis = axis + x.ndim if axis < 0 else axis
    return x.reshape(int(np.prod(x.shape[:axis])), -1 if x.size else int(np.prod(x.shape[axis:])))


@expression("Transpose")
def transpose(x, *, perm=None):
    return x.transpose(perm)


@expression("Squeeze")
def squeeze(x, axes=None):
    return np.squeeze(x, None if axes is None else tuple(int(a) for a in axes))


@expression("Unsqueeze")
def unsqueeze(x, axes):
    return np.expand_dims(x, tuple(int(a) for a in np.reshape(axes, -1)))


@expression("Expand")
def expand(x, shape):
    target = np.broadcast_shapes(x.shape, tuple(int(n) for n in shape))
    return x if target == x.shape else np.broadcast_to(x, target)


@expression("Tile")
def tile(x, repeats):
    return np.tile(x, tuple(int(t) for t in repeats))


@expression("Concat")
def concat(*xs, axis=1):
    dtype = dtype_of(*xs)
    kept = [x for x in xs if isinstance(x, Tensor) or np.size(x)]
    return np.concatenate([x if isinstance(x, Tensor) else np.asarray(x, dtype) for x in kept],
                          axis=axis)  # fmt: skip


@expression("Split")
def split(x, split=None, *, axis=0, num_outputs=None, node):
    n, count = x.shape[axis], num_outputs or node.outputs
    if split is None:
        cuts = [min(n, -(-n // count) * i) for i in range(1, count)]
    else:
        cuts = [int(c) for c in np.cumsum(split)[:-1]]
    return tuple(np.split(x, cuts, axis=axis % x.ndim))


@expression("Slice")
def slice_of(x, starts, ends, axes=None, steps=None):
    axes = range(len(starts)) if axes is None else axes
    key = slices(x.shape, starts, ends, axes, [1] * len(starts) if steps is None else steps)
    return x[key]


@expression("Gather")
def gather(x, indices, *, axis=0):
    axis = axis % x.ndim
    index = np.asarray(indices)
    key = int(index) if index.ndim == 0 else index.astype(np.int64)
    return apply(Index((*[slice(None)] * axis, key)), x)


@expression("GatherElements")
def gather_elements(x, indices, *, axis=0):
    indices = np.asarray(indices)
    index = np.where(indices < 0, indices + x.shape[axis], indices)
    cut = tuple(slice(None) if a == axis % x.ndim else slice(n) for a, n in enumerate(index.shape))
    return apply(Gather(axis), x[cut], index)


@expression("GatherND")
def gather_nd(x, indices, *, batch_dims=0):
    return apply(Index(vectors(x.shape, np.asarray(indices), batch_dims)), x)


@expression("Pad")
def pad(x, pads=None, value=None, axes=None, *, mode="constant", paddings=None):
    pads = [int(p) for p in (paddings if pads is None else pads)]
    axes = range(x.ndim) if axes is None else [int(a) % x.ndim for a in axes]
    width, key = [(0, 0)] * x.ndim, [slice(None)] * x.ndim
    for a, before, after in zip(axes, pads[: len(pads) // 2], pads[len(pads) // 2 :]):
        width[a] = (max(before, 0), max(after, 0))
        key[a] = slice(max(-before, 0), x.shape[a] + min(after, 0))
    if any(p < 0 for p in pads):
        x = x[tuple(key)]
    fill = 0.0 if value is None else number(value)
    return np.pad(x, width, mode, **({"constant_values": fill} if mode == "constant" else {}))


@expression("DepthToSpace")
def depth_to_space(x, *, blocksize, mode="DCR"):
    n, c, h, w = x.shape
    b = blocksize
    if mode == "DCR":
        y = x.reshape(n, b, b, c // (b * b), h, w).transpose(0, 3, 4, 1, 5, 2)
    else:
        y = x.reshape(n, c // (b * b), b, b, h, w).transpose(0, 1, 4, 2, 5, 3)
    return y.reshape(n, c // (b * b), h * b, w * b)


@expression("SpaceToDepth")
def space_to_depth(x, *, blocksize, mode="DCR"):
    n, c, h, w = x.shape
    b = blocksize
    order = (0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4)
    y = x.reshape(n, c, h // b, b, w // b, b).transpose(order)
    return y.reshape(n, c * b * b, h // b, w // b)


@expression("Trilu")
def trilu(x, k=None, *, upper=1):
    ones = np.ones(x.shape[-2:], x.dtype)
    return x * (np.triu if upper else np.tril)(ones, 0 if k is None else int(k))
