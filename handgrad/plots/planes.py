"""Planes: vectors in their main plane, decisions of a network, paths of optimizers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from handgrad.arrays import Array, ShapeError
from handgrad.derivative import grad
from handgrad.plots.style import (
    COLOURS,
    MARKERS,
    finite,
    lines,
    names_for,
    one_panel,
    say,
    style_of,
)
from handgrad.tensor import Tensor
from handgrad.train.spec import OutputSpec

NAMED = 60  # points that are named one by one
HATCHES = ("", "///", "...", "\\\\\\", "xxx", "ooo", "+++", "---", "**", "||")


class Plane(NamedTuple):
    """Coordinates (N, K) of vectors, the directions (K, D), each one's share of the variance."""

    points: Array
    axes: Array
    shares: Array


def principal_plane(vectors: Any, count: int = 2) -> Plane:
    """The `count` directions in which vectors (N, D) differ most (PCA), by an SVD.

    X − mean = U S Vᵀ; the points are U S, the directions Vᵀ, the shares S² / Σ S². Of each
    direction the largest entry is positive, so that the picture has one side only.
    Raises ValueError for vectors that are not finite or fewer than two, ShapeError for others.
    Source: Jolliffe, "Principal component analysis", 2002, section 3.5.
    """
    x = np.asarray(vectors, np.float64)
    if x.ndim != 2 or min(x.shape) < count or len(x) < 2:
        raise ShapeError(
            f"principal_plane: vectors (N, D), N ≥ 2, D ≥ {count}, are needed, got {x.shape}"
        )
    if not np.isfinite(x).all():
        bad = (~np.isfinite(x).all(axis=1)).sum()
        raise ValueError(f"principal_plane: {bad:,} of {len(x):,} vectors are not finite")
    u, s, v = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)
    largest = np.abs(v).argmax(axis=1)
    sign = np.where(v[np.arange(len(v)), largest] < 0, -1.0, 1.0)
    total = (s**2).sum() or 1.0
    return Plane((u * s * sign)[:, :count], (v * sign[:, None])[:count], (s**2 / total)[:count])


def draw_embedding(
    vectors: Any, names: Sequence[str] | None = None, *, groups: Any = None, axes: Any = None
) -> Any:
    """Vectors (N, D) in the plane in which they differ most; the axes.

    names: of the first few vectors, or all, written beside them. groups (N,): a colour and a
    marker for each value. Vectors that are not finite are left out, and counted in the picture.

        axes = draw_embedding(network[0].W[:40], words[:40])

    Raises ValueError where fewer than two are left.
    """
    x = np.asarray(vectors, np.float64)
    if x.ndim != 2:
        raise ShapeError(f"draw_embedding: vectors (N, D) are needed, got shape {x.shape}")
    kept = np.isfinite(x).all(axis=1)
    if kept.sum() < 2:
        raise ValueError(f"draw_embedding: two finite vectors are needed, {kept.sum()} are")
    plane = principal_plane(x[kept])
    axes = lines(one_panel(axes), "the plane of the largest variance", *(
        f"component {i} ({share:.0%} of the variance)" for i, share in enumerate(plane.shares, 1)
    ))  # fmt: skip
    if not kept.all():
        say(axes, f"not finite: {(~kept).sum():,} of {len(x):,} vectors, left out")
    values = np.zeros(len(x), int) if groups is None else np.asarray(groups)
    if values.shape != (len(x),):
        raise ShapeError(f"draw_embedding: groups ({len(x)},) are needed, got {values.shape}")
    for number, group in enumerate(np.unique(values)):
        of = values[kept] == group
        axes.scatter(*plane.points[of].T, s=18, color=COLOURS[number % len(COLOURS)],
                     marker=MARKERS[number % len(MARKERS)], label=str(group))  # fmt: skip
    for i, point in list(zip(np.flatnonzero(kept).tolist(), plane.points))[:NAMED]:
        if names is not None and i < len(names):
            axes.annotate(str(names[i]), point, xytext=(3, 3), textcoords="offset points",
                          fontsize=8)  # fmt: skip
    if groups is not None:
        axes.legend()
    return axes


def draw_boundary(
    network: Any, x: Any, t: Any, *, classes: Sequence[str] | None = None, steps: int = 200,
    axes: Any = None,
) -> Any:  # fmt: skip
    """What a network takes each spot of the plane for, under the samples; the axes.

    network: one of two inputs whose outputs are scores, or a function of points (M, 2) that
    returns them. Each class has a hatch of its own; the line is where two are equal.

        axes = draw_boundary(network, x, t)

    Shapes: x (N, 2), t (N,). Raises ShapeError for other samples or outputs.
    """
    x, t = np.asarray(x, np.float64), np.asarray(t)
    if x.ndim != 2 or x.shape[1] != 2 or t.shape != x.shape[:1] or not len(x):
        raise ShapeError(f"draw_boundary: x (N, 2) and t (N,) are needed, got {x.shape}, {t.shape}")
    axes = lines(one_panel(axes, (4.8, 4.2)), "decisions", "x₁", "x₂")
    x1, x2 = finite(axes, "draw_boundary", x[:, 0], x[:, 1])
    sides = [np.linspace(v.min() - m, v.max() + m, steps)
             for v in (x1, x2) for m in [0.08 * (np.ptp(v) or 1.0)]]  # fmt: skip
    points = np.stack([side.ravel() for side in np.meshgrid(*sides)], axis=1)
    y = network.predict(points) if hasattr(network, "predict") else network(points)
    y = np.asarray(y, np.float64)
    if y.shape[:1] != points.shape[:1] or y.ndim > 2:
        raise ShapeError(f"draw_boundary: scores (N, K) are needed, the network gives {y.shape}")
    (y,) = finite(axes, "draw_boundary", y.reshape(len(y), -1))
    found = OutputSpec("scores").probabilities(y.filled(0.0)).argmax(axis=1).astype(float)
    found = np.ma.masked_array(found, np.ma.getmaskarray(y).any(axis=1)).reshape(steps, steps)
    count = int(max(2, y.shape[1], t.max() + 1))
    names = names_for(count, classes, "draw_boundary: classes")
    edges = np.arange(count + 1) - 0.5
    colours = [COLOURS[k % len(COLOURS)] for k in range(count)]
    axes.contourf(*sides, found, edges, colors=colours, alpha=0.22,
                  hatches=[HATCHES[k % len(HATCHES)] for k in range(count)])  # fmt: skip
    if found.count():
        axes.contour(*sides, found, edges[1:-1], colors="#30343a", linewidths=1.2)
    for k in range(count):
        axes.scatter(x1[t == k], x2[t == k], s=16, color=colours[k], edgecolor="white",
                     linewidth=0.4, marker=MARKERS[k % len(MARKERS)], label=names[k])  # fmt: skip
    axes.legend(title="class", frameon=True, loc="upper right", fontsize=8)
    return axes


def optimizer_paths(
    f: Callable[[Any, Any], Any], optimizers: Mapping[str, Any], start: Sequence[float],
    steps: int = 30,
) -> dict[str, Array]:  # fmt: skip
    """Where each optimizer goes on f(x, y) from the start: points (steps + 1, 2) under its name.

    f: a function of two tensors, differentiated by `handgrad.grad`.
    Raises ValueError for a start that is no two numbers.
    """
    if np.shape(start) != (2,):
        raise ValueError(f"optimizer_paths: start must be two numbers (x, y), got {start!r}")
    paths = {}
    for name, optimizer in optimizers.items():
        point = {"p": np.array(start, np.float64)}
        path = [point["p"].copy()]
        with np.errstate(all="ignore"):
            for _ in range(steps):
                g = grad(f, [Tensor(v) for v in point["p"]])
                optimizer.update(point, {"p": np.array([float(v) for v in g])})
                path.append(point["p"].copy())
        paths[name] = np.array(path)
    return paths


def draw_optimizer_paths(
    f: Callable[[Any, Any], Any], optimizers: Mapping[str, Any], start: Sequence[float], *,
    steps: int = 30, axes: Any = None,
) -> Any:  # fmt: skip
    """The paths of optimizers over the contours of f(x, y); the axes.

        draw_optimizer_paths(lambda x, y: x**2 / 20 + y**2, {"SGD": SGD(0.95)}, start=(-7, 2))

    Points that are not finite are left out, and counted in the picture.
    Source: Saito, "Deep Learning from Scratch", section 6.1. See `optimizer_paths`.
    """
    paths = optimizer_paths(f, optimizers, start, steps)
    axes = lines(one_panel(axes), f"{steps} updates", "x", "y")
    shown = finite(axes, "draw_optimizer_paths", *paths.values())
    every = np.concatenate([path.data[~np.ma.getmaskarray(path).any(axis=1)] for path in shown])
    spread = [(v.min(), v.max(), 0.15 * (np.ptp(v) or 1.0)) for v in every.T]
    sides = [np.linspace(low - m, high + m, 120) for low, high, m in spread]
    grid = np.meshgrid(*sides)
    with np.errstate(all="ignore"):
        height = np.ma.masked_invalid(np.broadcast_to(f(*grid), grid[0].shape))
    drawn = axes.contour(*sides, height, 12, colors="#8a919b", linewidths=0.8)
    axes.clabel(drawn, fontsize=6.5)
    for number, (name, path) in enumerate(zip(paths, shown)):
        axes.plot(*path.T, label=name, markersize=3, **style_of(number) | {"linewidth": 1.3})
    axes.legend(frameon=True, fontsize=8)
    return axes
