"""Maps: attention, and which part of a picture an output depends on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from handgrad import attribution
from handgrad.arrays import Array, ShapeError
from handgrad.plots.images import as_pictures, draw_images
from handgrad.plots.style import SIGNED, names_for, one_panel, panels, plain, show

MOST = 6  # pictures side by side


def draw_attention(
    weights: Any, queries: Sequence[str] | None = None, keys: Sequence[str] | None = None, *,
    axes: Any = None,
) -> Any:  # fmt: skip
    """Attention weights (T, S) as a map, dark where much is taken: a row for each query; the axes.

    weights: one sample's, as a layer keeps them: `attention.weights[0]`; queries, keys: the words.

        axes = draw_attention(network.attention.weights[0], "she reads".split(), "elle lit".split())

    Raises ShapeError unless weights has two axes.
    """
    weights = np.asarray(weights)
    if weights.ndim != 2:
        raise ShapeError(
            f"draw_attention: weights (T, S) of one sample and head are needed, got {weights.shape}"
        )
    t, s = weights.shape
    axes = one_panel(axes, (max(2.8, 0.32 * s + 1.8), max(2.2, 0.3 * t + 1.2)))
    shown = show(axes, "draw_attention", weights, cmap="Greys", vmin=0, aspect="auto")
    axes.set_xticks(range(s), names_for(s, keys, "draw_attention: keys"), rotation=90)
    axes.set_yticks(range(t), names_for(t, queries, "draw_attention: queries"))
    axes.set_xlabel("key")
    axes.set_ylabel("query")
    axes.figure.colorbar(shown, ax=axes, label="weight")
    return axes


def draw_saliency(
    network: Any, x: Any, target: Any = None, *, classes: Sequence[str] | None = None
) -> Array:
    """Pictures above their saliency |∂s/∂x|, the largest over the channels; the axes (2, N).

        draw_saliency(network, x_test[:4])

    x (N, C, H, W), N ≤ 6; see `attribution.saliency`, also for what is raised.
    """
    found = attribution.saliency(network, _few("draw_saliency", x), target)
    return _pairs("saliency |∂s/∂x|", network, x, found.max(axis=1), target, classes, signed=False)


def draw_grad_cam(
    network: Any, x: Any, target: Any = None, *, layer: str | None = None,
    classes: Sequence[str] | None = None,
) -> Array:  # fmt: skip
    """Pictures above their Grad-CAM: where a layer's maps speak for the score; the axes (2, N).

        draw_grad_cam(network, x_test[:4])

    x (N, C, H, W), N ≤ 6; see `attribution.grad_cam`, also for what is raised.
    """
    found = attribution.grad_cam(network, _few("draw_grad_cam", x), target, layer=layer)
    return _pairs("Grad-CAM", network, x, found, target, classes, signed=False)


def draw_integrated_gradients(
    network: Any, x: Any, target: Any = None, *, baseline: Any = 0.0, steps: int = 64,
    classes: Sequence[str] | None = None,
) -> Array:  # fmt: skip
    """Pictures above the shares of their pixels in the score, summed over channels; axes (2, N).

        draw_integrated_gradients(network, x_test[:4])

    x (N, C, H, W), N ≤ 6; see `attribution.integrated_gradients`, also for what is raised.
    """
    few = _few("draw_integrated_gradients", x)
    found = attribution.integrated_gradients(network, few, target, baseline=baseline, steps=steps)
    return _pairs("share in the score", network, x, found.sum(axis=1), target, classes, signed=True)


def draw_occlusion(
    network: Any, x: Any, target: Any = None, *, size: int = 3, stride: int = 1,
    value: float = 0.0, classes: Sequence[str] | None = None,
) -> Array:  # fmt: skip
    """Pictures above the fall of the score where a patch is hidden; the axes (2, N).

        draw_occlusion(network, x_test[:4], size=2)

    x (N, C, H, W), N ≤ 6; see `attribution.occlusion`, also for what is raised.
    """
    few = _few("draw_occlusion", x)
    found = attribution.occlusion(network, few, target, size=size, stride=stride, value=value)
    return _pairs("fall of the score", network, x, found, target, classes, signed=True)


def _few(what: str, x: Any) -> Array:
    """Pictures, as they came. Raises ShapeError for anything else, ValueError for too many."""
    few: Array = np.asarray(x)
    as_pictures(what, few)
    if few.ndim != 4:
        raise ShapeError(f"{what}: pictures (N, C, H, W) are needed, got shape {few.shape}")
    if len(few) > MOST:
        raise ValueError(f"{what}: at most {MOST} pictures side by side, got {len(few)}")
    return few


def _pairs(
    what: str, network: Any, x: Any, maps: Array, target: Any, classes: Any, *, signed: bool
) -> Array:
    """Each picture with what was explained, and its map below."""
    pictures = as_pictures(what, x)
    grid = panels(2, len(maps), (1.6, 1.75))
    y = network.predict(np.asarray(x), engine="numpy").reshape(len(maps), -1)
    target = np.broadcast_to(y.argmax(axis=1) if target is None else target, len(maps))
    names = names_for(y.shape[1], classes, "classes")
    for above, below, picture, one, k in zip(*grid, pictures, maps, target):
        draw_images(picture[None], axes=above).set_title(f"score of {names[k]}", fontsize=9)
        most = np.abs(one[np.isfinite(one)]).max(initial=0.0) or 1.0
        shown = show(plain(below), what, one, cmap=SIGNED if signed else "gray",
                     vmin=-most if signed else 0, vmax=most)  # fmt: skip
        bar = below.figure.colorbar(shown, ax=below, location="bottom", shrink=0.9, pad=0.02)
        bar.set_ticks([-most, 0, most] if signed else [0, most])
        bar.ax.set_xticklabels([f"{v:.2g}" for v in bar.get_ticks()], fontsize=7)
    grid[1, 0].set_ylabel(what, fontsize=8.5)
    return grid
