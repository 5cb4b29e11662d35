"""Operators that move elements: shapes, slices, joins, pads; and those that make arrays."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from handgrad.interop.onnx.operators.registry import operator
from handgrad.interop.onnx.tensors import dtype_of

LIMIT: list[float] = [float("inf")]  # elements that an array of a stated size may have


def sized(shape: Any) -> tuple[int, ...]:
    """A stated shape, once it is small enough to be made."""
    shape = tuple(int(n) for n in shape)
    if any(n < 0 for n in shape) or prod(shape) > LIMIT[0]:
        raise ValueError(f"an array of shape {shape[:8]} cannot be made here")
    return shape


@operator("Constant")
def constant(*, value=None, sparse_value=None, value_float=None, value_floats=None, value_int=None,
             value_ints=None, value_string=None, value_strings=None):  # fmt: skip
    """The array that the node holds."""
    if value is not None or sparse_value is not None:
        return value if value is not None else sparse_value
    for number, dtype in ((value_float, "f4"), (value_floats, "f4"), (value_int, "i8"),
                          (value_ints, "i8")):  # fmt: skip
        if number is not None:
            return np.array(number, dtype)
    texts = [value_string] if value_strings is None else value_strings
    made = np.array([str(t).encode() for t in texts], object)
    return made[0] if value_strings is None else made


@operator("ConstantOfShape", since=9)
def constant_of_shape(shape, *, value=None):
    value = np.zeros(1, np.float32) if value is None else value
    return np.full(sized(shape), value.reshape(-1)[0], value.dtype)


@operator("Shape")
def shape_of(x, *, start=0, end=None):
    return np.array(x.shape[slice(start, end)], np.int64)


@operator("Size")
def size(x):
    return np.array(x.size, np.int64)


@operator("Reshape")
def reshape_fixed(x, *, shape, consumed_inputs=None):
    return reshape(x, shape)


@operator("Reshape", since=5)
def reshape(x, shape, *, allowzero=0):
    """0 keeps the length of x's axis there, −1 is what is left."""
    target = [int(n) for n in shape]
    if not allowzero:
        target = [x.shape[i] if n == 0 else n for i, n in enumerate(target)]
    if -1 in target and x.size == 0:
        known = prod(n for n in target if n != -1)
        target[target.index(-1)] = x.size // known if known else 0
    return x.reshape(target)


@operator("Flatten")
def flatten(x, *, axis=1):
    axis = axis + x.ndim if axis < 0 else axis
    return x.reshape(prod(x.shape[:axis]), prod(x.shape[axis:]))


@operator("Transpose")
def transpose(x, *, perm=None):
    return np.transpose(x, perm)


@operator("Squeeze")
def squeeze_fixed(x, *, axes=None):
    return np.squeeze(x, None if axes is None else tuple(axes))


@operator("Squeeze", since=13)
def squeeze(x, axes=None):
    return squeeze_fixed(x, axes=None if axes is None else [int(a) for a in axes])


@operator("Unsqueeze")
def unsqueeze_fixed(x, *, axes):
    return np.expand_dims(x, tuple(axes))


@operator("Unsqueeze", since=13)
def unsqueeze(x, axes):
    return np.expand_dims(x, tuple(int(a) for a in axes.reshape(-1)))


@operator("Expand", since=8)
def expand(x, shape):
    target = sized(np.broadcast_shapes(x.shape, tuple(int(n) for n in shape)))
    return np.broadcast_to(x, target).copy()


@operator("Tile")
def tile_fixed(x, tiles, axis):
    times = [1] * x.ndim
    times[int(axis)] = int(tiles)
    return np.tile(x, times)


@operator("Tile", since=6)
def tile(x, repeats):
    sized([n * int(t) for n, t in zip(x.shape, repeats)])
    return np.tile(x, tuple(int(t) for t in repeats))


@operator("Concat")
def concat_first(*xs, axis=1):
    return np.concatenate(xs, axis)


@operator("Concat", since=4)
def concat(*xs, axis):
    return np.concatenate(xs, axis)


@operator("Split")
def split_fixed(x, *, axis=0, split=None, node):
    return split_by(x, None if split is None else np.asarray(split), axis, node.outputs)


@operator("Split", since=13)
def split_sizes(x, split=None, *, axis=0, num_outputs=None, node):
    """Parts of the stated lengths, or equal ones, the last shorter where that is needed."""
    return split_by(x, split, axis, num_outputs or node.outputs)


def split_by(x: Any, sizes: Any, axis: int, count: int) -> list[Any]:
    """x cut along an axis."""
    n = x.shape[axis]
    if sizes is None:
        each = -(-n // count)
        cuts = [min(n, each * i) for i in range(1, count)]
    else:
        if sizes.sum() != n:
            raise ValueError(f"the parts {sizes.tolist()} must add up to {n}")
        cuts = [int(c) for c in np.cumsum(sizes)[:-1]]
    return np.split(x, cuts, axis)


@operator("Slice")
def slice_fixed(x, *, starts, ends, axes=None):
    axes = range(len(starts)) if axes is None else axes
    return slice_by(x, starts, ends, axes, [1] * len(starts))


@operator("Slice", since=10)
def slice_inputs(x, starts, ends, axes=None, steps=None):
    axes = np.arange(len(starts)) if axes is None else axes
    return slice_by(x, starts, ends, axes, np.ones(len(starts)) if steps is None else steps)


def slice_by(x: Any, starts: Any, ends: Any, axes: Any, steps: Any) -> Any:
    """x[start:end:step] along the axes; an end before the first element means "with it"."""
    key = slices(x.shape, starts, ends, axes, steps)
    return x[key]


def slices(shape: Any, starts: Any, ends: Any, axes: Any, steps: Any) -> tuple[slice, ...]:
    """The index of a Slice operator, in Python's own meaning."""
    key = [slice(None)] * len(shape)
    for start, end, axis, step in zip(starts, ends, axes, steps):
        start, end, axis, step = int(start), int(end), int(axis), int(step)
        n = shape[axis]
        stop: int | None = max(end + n, -1) if end < 0 else min(end, n)
        if step < 0:
            start = min(start + n if start < 0 else start, n - 1)
            if start < 0:
                start, stop = 0, 0
            stop = None if stop == -1 else stop
        else:
            start = max(start + n, 0) if start < 0 else min(start, n)
            stop = max(stop or 0, 0)
        key[axis] = slice(start, stop, step)
    return tuple(key)


MODES = {"constant": "constant", "reflect": "reflect", "edge": "edge", "wrap": "wrap"}


@operator("Pad")
def pad_fixed(x, *, pads=None, paddings=None, mode="constant", value=0.0):
    return pad(x, np.asarray(paddings if pads is None else pads), np.asarray(value), mode=mode)


@operator("Pad", since=11)
def pad(x, pads, value=None, axes=None, *, mode="constant"):
    """x with elements around it; a negative number of them takes some away."""
    axes = np.arange(x.ndim) if axes is None else axes
    before, after = pads[: len(axes)], pads[len(axes) :]
    width, key = [(0, 0)] * x.ndim, [slice(None)] * x.ndim
    for a, b, e in zip(axes, before, after):
        a, b, e = int(a) % x.ndim, int(b), int(e)
        width[a] = (max(b, 0), max(e, 0))
        key[a] = slice(max(-b, 0), x.shape[a] + min(e, 0))
    x = x[tuple(key)]
    sized([n + b + e for n, (b, e) in zip(x.shape, width)])
    if mode == "constant":
        fill = 0 if value is None else np.asarray(value).reshape(())
        return np.pad(x, width, constant_values=x.dtype.type(fill))
    return np.pad(x, width, MODES[mode])  # type: ignore[call-overload]


@operator("CenterCropPad", since=18)
def center_crop_pad(x, shape, *, axes=None):
    """The middle of x at another size, with zeros around where it grows."""
    axes = range(x.ndim) if axes is None else axes
    target = list(x.shape)
    for a, n in zip(axes, shape):
        target[a] = int(n)
    y = np.zeros(sized(target), x.dtype)
    source, into = [], []
    for n, m in zip(x.shape, target):
        common = min(n, m)
        source.append(slice((n - common) // 2, (n - common) // 2 + common))
        into.append(slice((m - common) // 2, (m - common) // 2 + common))
    y[tuple(into)] = x[tuple(source)]
    return y


@operator("DepthToSpace")
def depth_to_space(x, *, blocksize, mode="DCR"):
    """Blocks of channels moved into the image."""
    n, c, h, w = x.shape
    b = blocksize
    if mode == "DCR":
        y = x.reshape(n, b, b, c // (b * b), h, w).transpose(0, 3, 4, 1, 5, 2)
    else:
        y = x.reshape(n, c // (b * b), b, b, h, w).transpose(0, 1, 4, 2, 5, 3)
    return y.reshape(n, c // (b * b), h * b, w * b)


@operator("SpaceToDepth")
def space_to_depth(x, *, blocksize, mode="DCR"):
    """Blocks of the image moved into channels."""
    n, c, h, w = x.shape
    b = blocksize
    y = x.reshape(n, c, h // b, b, w // b, b)
    order = (0, 3, 5, 1, 2, 4) if mode == "DCR" else (0, 1, 3, 5, 2, 4)
    return y.transpose(order).reshape(n, c * b * b, h // b, w // b)


@operator("ReverseSequence", since=10)
def reverse_sequence(x, lengths, *, batch_axis=1, time_axis=0):
    """The first `length` steps of each sequence backwards."""
    y = np.moveaxis(x, (batch_axis, time_axis), (0, 1)).copy()
    for one, n in zip(y, lengths):
        one[: int(n)] = one[: int(n)][::-1].copy()
    return np.moveaxis(y, (0, 1), (batch_axis, time_axis))


@operator("Trilu", since=14)
def trilu(x, k=None, *, upper=1):
    k = 0 if k is None else int(np.asarray(k).reshape(()))
    return (np.triu if upper else np.tril)(x, k)


@operator("EyeLike", since=9)
def eye_like(x, *, dtype=None, k=0):
    rows, columns = x.shape
    return np.eye(rows, columns, k, x.dtype if dtype is None else dtype_of(dtype))


@operator("Range", since=11)
def range_of(start, limit, delta):
    """From start to limit, without it, in steps of delta."""
    start, limit, delta = (np.asarray(v).reshape(()) for v in (start, limit, delta))
    count = np.ceil((limit.astype(np.float64) - start) / delta)
    n = int(count) if np.isfinite(count) and count > 0 else 0
    sized([n])
    return (start + np.arange(n).astype(start.dtype) * delta).astype(start.dtype)


@operator("OneHot", since=9)
def one_hot(indices, depth, values, *, axis=-1):
    """The second value at each index, the first elsewhere; negative indices count from behind."""
    n = int(np.asarray(depth).reshape(-1)[0])
    sized([*indices.shape, n])
    index = np.expand_dims(indices.astype(np.int64), axis)
    index = np.where(index < 0, index + n, index)
    axis = axis % (indices.ndim + 1)
    steps = np.arange(n).reshape([n if a == axis else 1 for a in range(indices.ndim + 1)])
    return np.where(steps == index, values[1], values[0])
