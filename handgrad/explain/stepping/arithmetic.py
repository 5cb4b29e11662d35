"""Arithmetic: which layers the page can compute, and which of their options that takes.

The formulas are in script/, `ops.Name = …`, `unary.Name = …` and so on; a layer that is not
listed here has its own name there, and its constructor's numbers as options.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from handgrad import layers
from handgrad.explain.stepping.arrays import encoded
from handgrad.explain.stepping.translate import translated
from handgrad.layer import shallow_clone
from handgrad.layers.convolution.window import Grid
from handgrad.layers.loss.cross_entropy import class_factors
from handgrad.tensor import CallRecord, Tensor

SCRIPT = Path(__file__).with_name("script")
Options = dict[str, Any]


@cache
def script() -> str:
    """The whole script, in the order of its files."""
    return "\n".join(path.read_text() for path in sorted(SCRIPT.glob("*.js")))


@cache
def formulas_there() -> frozenset[str]:
    """The names of what the script can compute."""
    names = re.findall(r"^(?:ops|unary|binary|elementwise)\.(\w+) = ", script(), re.M)
    return frozenset(names)


class Use(NamedTuple):
    """A layer with what forward kept on it, the arrays that it was given, the shape it gave."""

    layer: Any
    inputs: tuple[Any, ...]
    shape: tuple[int, ...]


def arithmetic(call: CallRecord) -> tuple[str, Options] | None:
    """What the script calls this use of a layer, and its options; None where it has no formula."""
    arrays = tuple(x.data if isinstance(x, Tensor) else x for x in call.given)
    use, cls = Use(call.layer, arrays, call.shapes[0]), type(call.original)
    ours = getattr(layers, cls.__name__, None) is cls
    if ours and cls in NEEDED:
        name, needed = NEEDED[cls]
        options = needed(use)
        return None if options is None else (name or cls.__name__, options)
    if ours and cls.__name__ in formulas_there():
        return cls.__name__, _plain(use)
    own = translated(call.original)  # the layer's own code is run
    return None if own is None else ("Own", own)


def wants_parts(call: CallRecord) -> bool:
    """Whether a use is shown as the steps inside: a layer of ours that has no formula.

    Not where it has inputs that are no tensors: what depends on them would not be seen.
    """
    cls = type(call.original)
    ours = getattr(layers, cls.__name__, None) is cls
    return ours and all(isinstance(x, Tensor | None) for x in call.given) and not arithmetic(call)


def _plain(use: Use) -> Options:
    config = use.layer.config() if hasattr(use.layer, "config") else {}
    return {k: v for k, v in config.items() if isinstance(v, int | float | str | None)}


def _taken(use: Use) -> Options:
    """Which elements of the inputs the outputs are: forward on their numbers."""
    layer, start, numbered = shallow_clone(use.layer), 0, []
    for x in use.inputs:
        numbered.append(np.arange(start, start + x.size, dtype=np.float64).reshape(x.shape))
        start += x.size
    fill = getattr(layer, "value", 0.0)
    if isinstance(layer, layers.Pad):
        layer.value = -1.0
    found = layer.forward(*numbered)
    several = found if isinstance(found, tuple | list) else [found]
    return {"maps": [encoded(y.astype(np.int64)) for y in several], "fill": float(fill)}


def _dropped(use: Use) -> Options:
    mask = 1.0 if use.layer.mask is None else use.layer.mask
    return {"shift": 0.0, "factor": encoded(np.broadcast_to(mask, use.inputs[0].shape))}


def _standardized(use: Use) -> Options:
    return {"shift": encoded(use.layer.center), "factor": encoded(use.layer.factor)}


def _axes(use: Use) -> Options:
    """Axes counted from 0, and the shape of the output."""
    (x,), axis = use.inputs, use.layer.axis
    listed = range(x.ndim) if axis is None else axis if isinstance(axis, tuple | list) else (axis,)
    shape = list(use.shape)
    return {"axes": [a % x.ndim for a in listed], "y": shape, **_plain(use)}


def _whole_images(use: Use) -> Options:
    return {"axes": list(range(2, use.inputs[0].ndim)), "y": list(use.shape)}


def _grid(grid: Grid) -> Options:
    return {
        "sizes": list(grid.sizes), "outputs": list(grid.outputs), "kernel": list(grid.kernel),
        "stride": list(grid.stride), "dilation": list(grid.dilation),
        "pad": [before for before, _ in grid.pad],
    }  # fmt: skip


def _filters(use: Use) -> Options:
    grid, groups = use.layer.on
    return {**_grid(grid), "groups": groups}


def _pooling(use: Use) -> Options:
    share = getattr(use.layer, "share", None)
    options = _grid(use.layer.grid)
    return options if share is None else {**options, "share": encoded(share)}


def _normalized(use: Use) -> Options | None:
    """The axes of the statistics on x, seen in some shape, and those along which γ is copied."""
    layer, (x,) = use.layer, use.inputs
    view, axes, kind = x.shape, list(getattr(layer, "axes", layer.copied)), "moments"
    if isinstance(layer, layers.GroupNorm):
        view, axes = layer.grouped, [2]
    scaled = list(layer.scaled_axes(x))
    if scaled != sorted(scaled):
        return None
    options: Options = {}
    if isinstance(layer, layers.BatchNorm) and not layer.trained:
        kind, axes = "running", list(layer.copied)
        options = {"mean": encoded(layer.running_mean), "variance": encoded(layer.running_var)}
    elif isinstance(layer, layers.RMSNorm):
        kind = "rms"
    return {
        "view": list(view), "axes": [a % len(view) for a in axes], "kind": kind,
        "copied": list(layer.copied), "eps": float(layer.eps), **options,
    }  # fmt: skip


def _recurrent(use: Use) -> Options | None:
    """For sequences without a mask that start from zeros and give y alone."""
    layer = use.layer
    zeros = not any(np.any(state) for state in layer.befores[0])
    simple = len(use.inputs) == 1 and zeros and layer.drop is None and not layer.return_state
    return {"states": len(layer.states)} if simple else None


def _loss(use: Use) -> Options:
    return {**_plain(use), "normalizer": use.layer.normalizer}


def _class_loss(use: Use) -> Options:
    v = class_factors(use.layer)
    return {**_loss(use), "v": None if v is None else encoded(v)}


def _selu(use: Use) -> Options:
    return {"alpha": use.layer.alpha, "scale": use.layer.scale}


# Layer -> the name in the script (None: its own), and what options it needs.
NEEDED: dict[type, tuple[str | None, Callable[[Use], Options | None]]] = {
    **dict.fromkeys(
        (layers.Reshape, layers.Flatten, layers.Transpose, layers.Flip, layers.Index,
         layers.Broadcast, layers.Tile, layers.Pad, layers.Concat, layers.Stack, layers.Split),
        ("Take", _taken),
    ),
    **dict.fromkeys((layers.Dropout, layers.SpatialDropout), ("Scale", _dropped)),
    layers.Standardize: ("Scale", _standardized),
    **dict.fromkeys(
        (layers.Sum, layers.Mean, layers.Max, layers.Var, layers.Std, layers.Norm, layers.Prod,
         layers.LogSumExp, layers.CumSum, layers.Softmax, layers.LogSoftmax), (None, _axes),
    ),
    layers.GlobalAveragePooling: ("Mean", _whole_images),
    layers.GlobalMaxPooling: ("Max", _whole_images),
    **dict.fromkeys((layers.Convolution, layers.TransposedConvolution), (None, _filters)),
    **dict.fromkeys((layers.MaxPooling, layers.AveragePooling), (None, _pooling)),
    **dict.fromkeys(
        (layers.BatchNorm, layers.LayerNorm, layers.RMSNorm, layers.GroupNorm,
         layers.InstanceNorm), ("Normalize", _normalized),
    ),
    **dict.fromkeys((layers.RNN, layers.LSTM), (None, _recurrent)),
    **dict.fromkeys(
        (layers.MeanSquaredError, layers.SumSquaredError, layers.MeanAbsoluteError, layers.Huber,
         layers.SigmoidCrossEntropy, layers.BinaryCrossEntropy, layers.Hinge), (None, _loss),
    ),
    **dict.fromkeys((layers.SoftmaxCrossEntropy, layers.NegativeLogLikelihood),
                    (None, _class_loss)),
    layers.SELU: (None, _selu),
}  # fmt: skip
