"""Images: pictures in a grid, and those that a network takes for something else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError
from handgrad.plots.style import names_for, one_panel, panels, plain, show
from handgrad.train.spec import OutputSpec

GAP = 1  # pixels between pictures


def as_pictures(what: str, x: Any, shape: Sequence[int] | None = None) -> Array:
    """Pictures (N, C, H, W) of real numbers, C being 1 or 3.

    x: (N, C, H, W), (N, H, W), or rows (N, D) with the `shape` of one, (C, H, W) or (H, W); by
    default a square of one channel. Bytes are brought to [0, 1].
    Raises ShapeError for anything else.
    """
    x = np.asarray(x)
    x = x / 255 if x.dtype == np.uint8 else x
    if x.ndim == 2 and shape is None:
        side = math.isqrt(x.shape[1])
        shape = (side, side) if side * side == x.shape[1] else None
    if x.ndim == 2 and shape is not None and math.prod(shape) == x.shape[1]:
        x = x.reshape(len(x), *shape)
    x = x[:, None] if x.ndim == 3 else x
    if x.ndim != 4 or x.shape[1] not in (1, 3) or not x.size:
        raise ShapeError(
            f"{what}: pictures (N, C, H, W) with C = 1 or 3, or (N, H, W), or rows with their "
            f"shape=(H, W), are needed, got shape {x.shape}"
        )
    if x.dtype.kind not in "fiub":
        raise ValueError(f"{what}: real numbers are needed, got dtype {x.dtype}")
    pictures: Array = x.astype(np.float64)
    return pictures


def scaled(x: Array) -> Array:
    """The least value that is finite brought to 0, the largest to 1; all 0.5 where they agree."""
    values = x[np.isfinite(x)]
    low, high = values.min(initial=np.inf), values.max(initial=-np.inf)
    return (x - low) / (high - low) if high > low else np.where(np.isfinite(x), 0.5, x)


def mosaic(x: Array, columns: int) -> Array:
    """Pictures (N, C, H, W) in one (H', W', C), row by row, with a gap of white between them."""
    n, c, high, wide = x.shape
    rows = -(-n // columns)
    whole = np.ones((rows * (high + GAP) + GAP, columns * (wide + GAP) + GAP, c))
    for i, one in enumerate(x):
        top, left = GAP + i // columns * (high + GAP), GAP + i % columns * (wide + GAP)
        whole[top : top + high, left : left + wide] = one.transpose(1, 2, 0)
    return whole


def draw_images(
    x: Any, *, columns: int | None = None, shape: Sequence[int] | None = None, axes: Any = None
) -> Any:
    """Pictures in a grid; the axes.

    x: as for `as_pictures`. Values in [0, 1] are shown as they are; otherwise all are brought to
    it together, from the least to the largest.

        axes = draw_images(x[:40], columns=10)

    Raises ShapeError for what is no pictures, ValueError for columns < 1.
    """
    pictures = as_pictures("draw_images", x, shape)
    columns = math.ceil(math.sqrt(len(pictures))) if columns is None else columns
    if isinstance(columns, bool) or not isinstance(columns, int | np.integer) or columns < 1:
        raise ValueError(f"draw_images: columns must be an integer ≥ 1, got {columns!r}")
    values = pictures[np.isfinite(pictures)]
    if values.size and (values.min() < 0 or values.max() > 1):
        pictures = scaled(pictures)
    whole = mosaic(pictures, int(min(columns, len(pictures))))
    high, wide = whole.shape[:2]
    across = 4.8
    axes = plain(one_panel(axes, (across, min(across * high / wide + 0.5, 12))))
    show(axes, "draw_images", whole if whole.shape[2] == 3 else whole[:, :, 0], cmap="gray",
         vmin=0, vmax=1)  # fmt: skip
    return axes


def draw_misclassified(
    network: Any, x: Any, t: Any, *, classes: Sequence[str] | None = None, most: int = 12,
    shape: Sequence[int] | None = None,
) -> Array:  # fmt: skip
    """The pictures whose class is not the right one, the surest first: right → taken for, how sure.

    network: one whose outputs are scores, or the scores (N, K) themselves.

        draw_misclassified(network, x_test, t_test, classes="0123456789")

    Shapes: x (N, C, H, W) or as in `draw_images`, t (N,); the axes (M,), M ≤ most; of M = 0 one
    that says so. Raises ShapeError where they do not fit each other.
    """
    x, t = np.asarray(x), np.asarray(t)
    y = network.predict(x) if hasattr(network, "predict") else np.asarray(network)
    if y.ndim != 2 or t.shape != y.shape[:1] or len(x) != len(t) or t.dtype.kind not in "iub":
        raise ShapeError(
            f"draw_misclassified: scores (N, K) and labels (N,) for {len(x)} pictures are needed, "
            f"got {y.shape} and {t.dtype} {t.shape}"
        )
    p = OutputSpec("scores").probabilities(y)
    taken = p.argmax(axis=1)
    sure = p[np.arange(len(p)), taken]
    wrong = np.flatnonzero(taken != t)
    order = wrong[np.argsort(-np.nan_to_num(sure[wrong], nan=2), kind="stable")][: max(most, 1)]
    if not len(order):
        axes = plain(panels(1, 1, (3.2, 1.0))[0, 0])
        axes.text(0.5, 0.5, f"all {len(t):,} are right", ha="center", transform=axes.transAxes)
        return np.array([axes], object)
    names = names_for(max(p.shape[1], int(t.max()) + 1), classes, "draw_misclassified: classes")
    pictures = as_pictures("draw_misclassified", x[order], shape)
    columns = min(6, len(order))
    grid = panels(-(-len(order) // columns), columns, (1.15, 1.4)).ravel()
    for axes, picture, i in zip(grid, pictures, order):
        drawn = draw_images(picture[None], axes=axes)
        drawn.set_title(f"{names[t[i]]} → {names[taken[i]]}, {_percent(sure[i])}", fontsize=8.5,
                        fontweight="normal")  # fmt: skip
    for axes in grid[len(order) :]:
        axes.set_visible(False)
    grid[0].figure.suptitle(f"{len(wrong):,} of {len(t):,} wrong: right → taken for, how sure",
                            fontsize=9.5)  # fmt: skip
    return grid[: len(order)]


def _percent(p: float) -> str:
    return f"{p:.0%}" if math.isfinite(p) else "not finite"
