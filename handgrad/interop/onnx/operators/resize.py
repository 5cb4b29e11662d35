"""Images at another size: along each axis a matrix of weights, since interpolation is separable."""

from __future__ import annotations

from math import ceil, floor
from typing import Any

import numpy as np

from handgrad.interop.onnx.operators.registry import operator
from handgrad.interop.onnx.operators.shape import sized


def positions(mode: str, n: int, out: int, scale: float, roi: tuple[float, float]) -> Any:
    """Where each output element lies along the input's axis."""
    i = np.arange(out, dtype=np.float64)
    if mode == "align_corners":
        return i * (n - 1) / (n * scale - 1) if n * scale > 1 else np.zeros(out)
    if mode == "asymmetric":
        return i / scale
    if mode == "tf_crop_and_resize":
        start, end = roi
        if out == 1:
            return np.full(1, 0.5 * (start + end) * (n - 1))
        return start * (n - 1) + i * (end - start) * (n - 1) / (out - 1)
    if mode == "pytorch_half_pixel" and out == 1:
        return np.zeros(1)
    shift = 0.0
    if mode == "half_pixel_symmetric":
        shift = n / 2 * (1 - out / (n * scale))
    elif mode not in ("half_pixel", "pytorch_half_pixel"):
        raise ValueError(f"coordinate_transformation_mode {mode!r} is not known")
    return shift + (i + 0.5) / scale - 0.5


def rounded(x: Any, how: str) -> Any:
    """The nearest pixel."""
    functions: dict[str, Any] = {
        "round_prefer_floor": lambda v: np.ceil(v - 0.5),
        "round_prefer_ceil": lambda v: np.floor(v + 0.5),
        "floor": np.floor, "ceil": np.ceil,
    }  # fmt: skip
    return functions[how](x)


def bell(mode: str, distance: Any, a: float) -> Any:
    """The weight of a pixel at this distance."""
    d = np.abs(distance)
    if mode == "linear":
        return np.maximum(1 - d, 0)
    near = ((a + 2) * d - (a + 3)) * d * d + 1
    far = a * (((d - 5) * d + 8) * d - 4)
    return np.where(d <= 1, near, np.where(d < 2, far, 0))


def weights_of(x: Any, n: int, mode: str, a: float, spread: float, inside: bool) -> Any:
    """A matrix (positions, n): what each pixel gives to each position.

    Pixels beyond the ends count as the last ones, or not at all where `inside` is asked for.
    """
    reach = (1 if mode == "linear" else 2) * spread
    first = np.floor(x - reach).astype(int) + 1
    count = ceil(2 * reach) + 1
    index = first[:, None] + np.arange(count)
    w = bell(mode, (index - x[:, None]) / spread, a)
    if inside:
        w = np.where((index >= 0) & (index < n), w, 0)
    if inside or spread > 1:
        w = w / w.sum(1, keepdims=True)
    matrix = np.zeros((len(x), n))
    np.add.at(matrix, (np.arange(len(x))[:, None], np.clip(index, 0, n - 1)), w)
    return matrix


@operator("Upsample")
def upsample_fixed(x, *, scales, mode="nearest"):
    return upsample(x, np.asarray(scales), mode=mode)


@operator("Upsample", since=9)
def upsample(x, scales, *, mode="nearest"):
    return resize_10(x, scales, mode=mode)


@operator("Resize", since=10)
def resize_10(x, scales, *, mode="nearest"):
    return resize(x, None, scales, mode=mode, coordinate_transformation_mode="asymmetric",
                  nearest_mode="floor")  # fmt: skip


@operator("Resize", since=11)
def resize(x, roi=None, scales=None, sizes=None, *, antialias=0, axes=None,
           coordinate_transformation_mode="half_pixel", cubic_coeff_a=-0.75, exclude_outside=0,
           extrapolation_value=0.0, keep_aspect_ratio_policy="stretch", mode="nearest",
           nearest_mode="round_prefer_floor"):  # fmt: skip
    """Each axis in turn, by nearest pixels or by linear or cubic interpolation."""
    axes = list(range(x.ndim)) if axes is None else [a % x.ndim for a in axes]
    scales = None if scales is None or not scales.size else scales.astype(np.float64)
    if scales is None:
        scales, targets = by_sizes(x, axes, sizes, keep_aspect_ratio_policy)
    else:
        targets = [floor(x.shape[a] * s) for a, s in zip(axes, scales)]
    ends = crops(roi, len(axes), coordinate_transformation_mode)
    if coordinate_transformation_mode == "tf_crop_and_resize" and sizes is None:
        targets = [floor(x.shape[a] * s * (e[1] - e[0])) for a, s, e in zip(axes, scales, ends)]
    sized([*targets, *(n for i, n in enumerate(x.shape) if i not in axes)])
    y, outside = x, np.zeros((1,) * x.ndim, bool)
    if mode == "nearest":
        y = x
    else:
        y = x.astype(np.float64)
    for a, scale, out, end in zip(axes, scales, targets, ends):
        n = x.shape[a]
        if out == n and scale == 1 and coordinate_transformation_mode != "tf_crop_and_resize":
            continue
        at = positions(coordinate_transformation_mode, n, out, scale, end)
        if coordinate_transformation_mode == "tf_crop_and_resize":
            shape = [out if i == a else 1 for i in range(x.ndim)]
            outside = outside | ((at < 0) | (at > n - 1)).reshape(shape)
        if mode == "nearest":
            index = np.clip(rounded(at, nearest_mode), 0, n - 1).astype(int)
            y = np.take(y, index, axis=a)
            continue
        spread = max(1.0, 1 / scale) if antialias else 1.0
        matrix = weights_of(at, n, mode, cubic_coeff_a, spread,
                            bool(exclude_outside))  # fmt: skip
        y = np.moveaxis(np.tensordot(y, matrix, (a, 1)), -1, a)
    y = y if x.dtype.kind == "f" or mode == "nearest" else np.rint(y)
    return (
        np.where(outside, extrapolation_value, y).astype(x.dtype)
        if outside.any()
        else y.astype(x.dtype)
    )


def by_sizes(x: Any, axes: list[int], sizes: Any, policy: str) -> tuple[Any, list[int]]:
    """Scales and lengths from the lengths that were asked for."""
    wanted = [int(n) for n in sizes]
    each = [n / x.shape[a] for n, a in zip(wanted, axes)]
    if policy == "stretch":
        return each, wanted
    scale = min(each) if policy == "not_larger" else max(each)
    return [scale] * len(axes), [floor(scale * x.shape[a] + 0.5) for a in axes]


def crops(roi: Any, count: int, mode: str) -> list[tuple[float, float]]:
    """(start, end) of each axis, as shares of it."""
    if mode != "tf_crop_and_resize" or roi is None or not roi.size:
        return [(0.0, 1.0)] * count
    return list(zip(roi[:count].tolist(), roi[count:].tolist()))
