"""Inside a network: activations layer by layer, filters, maps, and functions with derivatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.attribution import recorded
from handgrad.derivative import grad
from handgrad.inside import is_layer
from handgrad.layer import shallow_clone, slots
from handgrad.plots.images import draw_images, scaled
from handgrad.plots.style import COLOURS, finite, lines, panels, say, titled
from handgrad.tensor import Tensor
from handgrad.train.registry import is_layer_class

MOST = 64  # maps or filters in a picture
BINS = 30


def activations(network: Any, x: Any) -> dict[str, Array]:
    """What each layer gives for x (N, …), by the layer's path, in evaluation mode.

    A layer that is used several times counts once, with its last output.
    """
    _, made = recorded(network, x)
    return {path: y.data for path, y in made.items()}


def draw_activations(
    by_rule: Mapping[str, Mapping[str, Any] | Sequence[Any]], *, limits: Any = None
) -> Array:
    """Histograms of activations: a row for each rule for initial weights, a column for each layer.

    by_rule: arrays by layer, such as `activations` gives, or a list of them, under each rule's
    name. limits: (low, high) of the values; by default those of a row.

        draw_activations({"he": activations(deep("he"), x), "0.01": activations(deep(0.01), x)})

    Shapes: the axes (rules, layers). Source: Saito, "Deep Learning from Scratch", section 6.2.
    """
    rows = {rule: dict(each) if isinstance(each, Mapping) else dict(enumerate(each, 1))
            for rule, each in by_rule.items()}  # fmt: skip
    counts = {len(row) for row in rows.values()}
    if len(counts) != 1 or 0 in counts:
        raise ValueError(
            "draw_activations: as many layers under each rule, one or more, are needed, got "
            f"{ {rule: len(row) for rule, row in rows.items()} }"
        )
    made = panels(len(rows), counts.pop(), (1.75, 1.5), sharex=limits is not None)
    for line, (rule, row) in zip(made, rows.items()):
        for axes, (layer, values) in zip(line, row.items()):
            (shown,) = finite(axes, "draw_activations", values)
            data = shown.compressed()
            heights, edges = np.histogram(data, BINS, range=limits or _range(row))
            axes.stairs(heights / max(data.size, 1), edges, fill=True, color=COLOURS[0])
            axes.set_title(f"layer {layer}", fontsize=8.5, fontweight="normal")
            axes.tick_params(labelsize=7.5)
            if axes is line[0]:
                axes.set_ylabel(f"{rule}\nshare")
            if line is made[-1]:
                axes.set_xlabel("activation")
    return made


def _range(row: Mapping[Any, Any]) -> tuple[float, float]:
    """The least and the largest value of a row that is finite, some way apart."""
    values = [np.asarray(v, np.float64) for v in row.values()]
    values = [v[np.isfinite(v)] for v in values]
    low = min((v.min() for v in values if v.size), default=0.0)
    high = max((v.max() for v in values if v.size), default=1.0)
    apart = high - low > 1e-9 * max(abs(low), abs(high), 1e-290)  # else np.histogram refuses
    return (low, high) if apart else (low - 0.5, high + 0.5)


def draw_filters(
    network: Any, *, shape: tuple[int, int] | None = None, columns: int | None = None,
    axes: Any = None,
) -> Any:  # fmt: skip
    """The weights of the first layer that has some, each output's as a picture; the axes.

    Dark is negative, light positive, the same grey everywhere zero. Of a convolution's filters the
    mean over the input channels is shown, or colours where these are three; of an Affine's columns
    the picture of `shape`, by default square.

        axes = draw_filters(network)

    Raises ValueError where there are no weights yet, or they have no such shape.
    """
    if not is_layer(network):
        raise ValueError(f"draw_filters: a network or a layer is needed, got {network!r}")
    found = [s for s in slots(network) if s.value is not None and s.value.ndim in (2, 4)]
    if not found:
        raise ValueError(
            "draw_filters: no layer with weights (D, M) or (O, C, H, W) yet; use the network once"
        )
    w = np.asarray(found[0].value, np.float64)
    if w.ndim == 2:
        side = round(len(w) ** 0.5)
        high, wide = shape or (side, side)
        if high * wide != len(w):
            raise ValueError(
                f"draw_filters: {found[0].path} has {len(w)} inputs, no picture of {high}×{wide}; "
                "give shape=(H, W)"
            )
        w = w.T.reshape(-1, 1, high, wide)
    pictures = w if w.shape[1] == 3 else w.mean(axis=1, keepdims=True)
    most = np.abs(pictures[np.isfinite(pictures)]).max(initial=0.0) or 1.0
    axes = draw_images(pictures[:MOST] / (2 * most) + 0.5, columns=columns, axes=axes)
    titled(axes, f"{found[0].path}: {len(w)} filters of {w.shape[2]}×{w.shape[3]}")
    _note_rest(axes, len(w), "filters")
    axes.set_xlabel(f"black −{most:.3g}, grey 0, white {most:.3g}")
    return axes


def draw_feature_maps(
    network: Any, x: Any, layer: str | None = None, *, columns: int | None = None, axes: Any = None
) -> Any:
    """The maps that a layer gives for one sample, each brought to the full range; the axes.

    layer: its path, as "0"; by default the first that gives maps (N, K, H, W).

        axes = draw_feature_maps(network, x[0])

    Raises ValueError where no such layer gives maps.
    """
    x = np.asarray(x)
    made = {path: y for path, y in activations(network, x[None]).items() if y.ndim == 4}
    layer = next(iter(made), None) if layer is None else layer
    if layer not in made:
        raise ValueError(
            f"draw_feature_maps: layer {layer!r} gives no maps (N, K, H, W); those that do: "
            f"{', '.join(made) or 'none'}"
        )
    maps = made[layer][0][:, None].astype(np.float64)
    pictures = np.stack([scaled(one) for one in maps[:MOST]])
    axes = draw_images(pictures, columns=columns, axes=axes)
    titled(axes, f"layer {layer}: {len(maps)} maps of {maps.shape[2]}×{maps.shape[3]}")
    _note_rest(axes, len(maps), "maps")
    axes.set_xlabel("each from its least (black) to its largest value (white)")
    return axes


def _note_rest(axes: Any, count: int, what: str) -> None:
    if count > MOST:
        say(axes, f"the first {MOST} of {count} {what}")


def draw_functions(
    functions: Mapping[str, Any] | Sequence[Any], *, low: float = -5.0, high: float = 5.0
) -> Array:
    """Functions of one number (solid) with their derivatives (dashed), side by side; the axes.

    functions: elementwise layers, whose own backward gives the derivative, or functions of a
    tensor; named by a dict, or by themselves.

        draw_functions([Sigmoid(), Tanh(), ReLU()])

    Shapes: the axes (functions,). Raises ValueError for what is neither.
    """
    named = functions if isinstance(functions, Mapping) else {_name(f): f for f in functions}
    if not named or not low < high:
        raise ValueError(
            f"draw_functions: functions, and low < high, are needed; got {low}, {high}"
        )
    row: Array = panels(1, len(named), (2.6, 2.5))[0]
    x = np.linspace(low, high, 401)
    for axes, (name, function) in zip(row, named.items()):
        lines(axes, name, "x", "y")
        y, dy = finite(axes, f"draw_functions: {name}", *_with_derivative(name, function, x))
        axes.plot(x, y, color=COLOURS[0], label="y")
        axes.plot(x, dy, color=COLOURS[1], linestyle="--", label="dy/dx")
        axes.legend(fontsize=8)
    return row


def _name(function: Any) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _with_derivative(name: str, function: Any, x: Array) -> tuple[Any, Any]:
    if is_layer_class(function):
        function = function()
    if is_layer(function):
        layer = shallow_clone(function)
        y = np.asarray(layer.forward(x.copy()))
        dy = layer.backward(np.ones_like(y)) if y.shape == x.shape else None
        if dy is None:
            raise ValueError(f"draw_functions: {name} is not elementwise: {x.shape} to {y.shape}")
        return y, dy[0] if isinstance(dy, tuple) else dy
    if not callable(function):
        raise ValueError(f"draw_functions: a layer or a function is needed, got {function!r}")
    return _by_tensors(function, x)


def _by_tensors(function: Callable[[Any], Any], x: Array) -> tuple[Any, Any]:
    at = Tensor(x)
    y = function(at)
    return y.data, grad(y, at, np.ones_like(x))
