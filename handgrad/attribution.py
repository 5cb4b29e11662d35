"""Attribution: which part of an input an output depends on, as arrays of the input's shape.

s(x) is the score that is explained: of each sample the output `target`, by default its largest.
The network is used in evaluation mode, and nothing of it changes.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError
from handgrad.derivative import grad
from handgrad.inside import is_layer, untouched, walk
from handgrad.layer import as_input, shallow_clone
from handgrad.layers.recurrent.state import forgetting
from handgrad.network import Network, Sequential
from handgrad.tensor import Tensor, calls_behind, learning

__all__ = ["grad_cam", "integrated_gradients", "occlusion", "saliency"]


def saliency(network: Any, x: Any, target: Any = None) -> Array:
    """|∂s/∂x|: how much the score changes with each element of the input.

    Shapes: x (N, …), target an index or (N,), result (N, …).
    Raises ValueError for x that is no real numbers, or a target that is no output.
    Source: Simonyan, Vedaldi, Zisserman, "Deep inside convolutional networks", 2014, section 3.
    """
    run = _Run("saliency", network, x)
    magnitude: Array = np.abs(run.gradient(run.x, run.chosen(target)))
    return magnitude


def integrated_gradients(
    network: Any, x: Any, target: Any = None, *, baseline: Any = 0.0, steps: int = 64
) -> Array:
    """(x − b) · ∫₀¹ ∂s/∂x at b + a (x − b) da: the shares of each element in s(x) − s(b).

    The integral is the mean over the middles of `steps` equal parts. Completeness: the shares of a
    sample add up to s(x) − s(b), but for what that mean misses.
    Shapes: x (N, …), baseline b that of x or of one sample or a number, result (N, …).
    Raises ValueError as `saliency`, and for steps < 1; ShapeError for a baseline that does not fit.
    Source: Sundararajan, Taly, Yan, "Axiomatic attribution for deep networks", ICML 2017.
    """
    if isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 1:
        raise ValueError(f"integrated_gradients: steps must be an integer ≥ 1, got {steps!r}")
    run = _Run("integrated_gradients", network, x)
    x, target = run.x.data, run.chosen(target)
    try:
        b = np.broadcast_to(np.asarray(baseline, x.dtype), x.shape)
    except ValueError:
        raise ShapeError(
            f"integrated_gradients: baseline must fit x {x.shape}, got {np.shape(baseline)}"
        ) from None
    total = np.zeros(x.shape, np.float64)
    for k in range(steps):
        part = _Run("integrated_gradients", network, b + (x - b) * x.dtype.type((k + 0.5) / steps))
        total += part.gradient(part.x, target)
    shares: Array = (x - b) * (total / steps)
    return shares


def grad_cam(
    network: Any, x: Any, target: Any = None, *, layer: str | None = None, resize: bool = True
) -> Array:
    """max(0, Σₖ αₖ Aₖ), αₖ = mean of ∂s/∂Aₖ over H and W: where the maps A speak for the score.

    A is the output of the layer at this path ("2", "body.0"), by default the last with maps.
    Shapes: x (N, C, H, W), A (N, K, H', W'), result (N, H, W), or (N, H', W') with resize=False.
    Raises ValueError as `saliency`, and where there is no such layer, or its output is no maps.
    Source: Selvaraju et al., "Grad-CAM", ICCV 2017.
    """
    run = _Run("grad_cam", network, x)
    if run.x.data.ndim != 4:
        raise ShapeError(f"grad_cam: pictures (N, C, H, W) are needed, got {run.x.shape}")
    maps = run.maps(layer)
    alpha = run.gradient(maps, run.chosen(target)).mean(axis=(2, 3), keepdims=True)
    cam = np.maximum((alpha * maps.data).sum(axis=1), 0)
    return resized(cam, run.x.shape[2:]) if resize else cam


def occlusion(
    network: Any, x: Any, target: Any = None, *, size: int = 3, stride: int = 1, value: float = 0.0
) -> Array:
    """s(x) − s(x with a patch set to `value`): of each element the mean over its patches.

    Patches are `size` by `size` in pictures, all channels at once, `size` long in rows; they begin
    every `stride` elements, and the last one ends at the border.
    Shapes: x (N, C, H, W) gives (N, H, W); x (N, D) gives (N, D).
    Raises ValueError as `saliency`, and for a size that is not from 1 to the sample's own.
    Source: Zeiler, Fergus, "Visualizing and understanding convolutional networks", ECCV 2014.
    """
    run = _Run("occlusion", network, x)
    x, target = run.x.data, run.chosen(target)
    sides = x.shape[1:] if x.ndim == 2 else x.shape[2:]
    if x.ndim not in (2, 4):
        raise ShapeError(f"occlusion: x must be (N, D) or (N, C, H, W), got {x.shape}")
    for name, given, most in (("size", size, min(sides)), ("stride", stride, max(sides))):
        if isinstance(given, bool) or given not in range(1, most + 1):
            raise ValueError(f"occlusion: {name} must be from 1 to {most}, got {given!r}")
    samples = np.arange(len(x))
    before = run.scores[samples, target]
    total, count = np.zeros((len(x), *sides)), np.zeros(sides)
    starts = [sorted({*range(0, side - size + 1, stride), side - size}) for side in sides]
    for corner in product(*starts):
        patch: Any = (..., *(slice(a, a + size) for a in corner))
        hidden = x.copy()
        hidden[patch] = value
        y = run.network.predict(hidden, engine="numpy")
        drop = before - y.reshape(len(x), -1)[samples, target]
        total[patch] += drop.reshape(-1, *[1] * len(sides))
        count[patch[1:]] += 1
    return total / np.maximum(count, 1)


def resized(maps: Array, shape: tuple[int, ...]) -> Array:
    """Maps (N, H, W) brought to another H and W, read between the centres (bilinear)."""
    for axis, size in zip((1, 2), shape):
        at = np.clip((np.arange(size) + 0.5) * maps.shape[axis] / size - 0.5, 0, None)
        low = np.minimum(at.astype(int), maps.shape[axis] - 1)
        high = np.minimum(low + 1, maps.shape[axis] - 1)
        part = (at - low).reshape([-1 if i == axis else 1 for i in range(3)])
        maps = maps.take(low, axis) * (1 - part) + maps.take(high, axis) * part
    return maps


def recorded(network: Any, x: Any) -> tuple[Any, dict[str, Tensor]]:
    """The output for x (N, …), and what each layer gave by its path, recorded, in evaluation mode.

    A layer that is used several times counts once, with its last output. x may be a tensor; other
    real numbers become one.
    """
    network = network if isinstance(network, Network) else Sequential(network)
    if not isinstance(x, Tensor):
        x = as_input(x, network.dtype)
        x = Tensor(x) if x.dtype.kind == "f" else x
    network.build(x.data if isinstance(x, Tensor) else x)
    inner = shallow_clone(network, training=False)
    with untouched(inner), learning(), forgetting(inner):
        y = inner(x)
    paths = {id(layer): path for path, layer in walk(inner) if path}
    calls = calls_behind(y) if isinstance(y, Tensor) else ()
    made = {paths.get(id(call.original), ""): call.outputs[0]() for call in calls}
    return y, {path: output for path, output in made.items() if path and output is not None}


class _Run:
    """One recorded use of a network in evaluation mode: x, the outputs (N, K), and what is between.

    Raises ValueError for what is no network, and for an input that is no real numbers.
    """

    def __init__(self, what: str, network: Any, x: Any):
        if isinstance(network, type) or not is_layer(network):
            raise ValueError(f"{what}: a network or a layer is needed, got {network!r}")
        self.what = what
        self.network = network if isinstance(network, Network) else Sequential(network)
        x = as_input(x, self.network.dtype)
        if x.dtype.kind != "f" or not x.ndim:
            raise ValueError(
                f"{what}: x must be real numbers (N, …), got {x.dtype} of shape {x.shape}; a "
                "derivative needs a continuous input"
            )
        self.x = Tensor(x)
        self.y, self.made = recorded(self.network, self.x)
        if not isinstance(self.y, Tensor) or self.y.data.shape[:1] != x.shape[:1]:
            raise ValueError(f"{what}: the output must be one tensor (N, …) that comes from x")
        self.scores = self.y.data.reshape(len(x), -1)

    def chosen(self, target: Any) -> Array:
        """The output of each sample that is explained (N,)."""
        n, k = self.scores.shape
        chosen = self.scores.argmax(axis=1) if target is None else np.asarray(target)
        fits = chosen.dtype.kind in "iu" and chosen.shape in ((), (n,))
        if not fits or (chosen < 0).any() or (chosen >= k).any():
            raise ValueError(
                f"{self.what}: target must be one output from 0 to {k - 1}, or one for each of "
                f"{n} samples, got {target!r}"
            )
        return np.broadcast_to(chosen, n)

    def gradient(self, by: Tensor, target: Array) -> Array:
        """∂s/∂`by`, each sample's own."""
        dy = np.zeros_like(self.scores)
        dy[np.arange(len(dy)), target] = 1
        found: Array = grad(self.y, by, dy.reshape(self.y.shape))
        return found

    def maps(self, path: str | None) -> Tensor:
        """The maps (N, K, H, W) that a layer gave."""
        shown = {name: y for name, y in self.made.items() if y.data.ndim == 4}
        if path is None and shown:
            path = list(shown)[-1]
        if path not in shown:
            wanted = "no layer" if path is None else f"layer {path!r} does not"
            raise ValueError(
                f"{self.what}: {wanted} give maps (N, K, H, W); layers that do: "
                f"{', '.join(shown) or 'none'}".replace("no layer give", "no layer gives")
            )
        return shown[path]
