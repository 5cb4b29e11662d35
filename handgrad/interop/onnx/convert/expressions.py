"""Operators as expressions on tensors: the gradient comes from the layers that they record.

Each takes the inputs by position and the attributes by name, in the form of every opset.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from handgrad.interop.onnx.operators.resize import positions, rounded, weights_of
from handgrad.interop.onnx.operators.shape import slices
from handgrad.interop.onnx.operators.windows import ones, padding
from handgrad.layer import apply
from handgrad.layers import (
    CumSum,
    Gather,
    Index,
    LogSoftmax,
    LogSumExp,
    Prod,
    Softmax,
)
from handgrad.layers.convolution.correlation import Correlate
from handgrad.layers.convolution.window import Window
from handgrad.layers.operators import operands, plain
from handgrad.tensor import Tensor

EXPRESSIONS: dict[str, Callable[..., Any]] = {}


def expression(*names: str) -> Callable[..., Any]:
    """Enter an expression under these operators' names."""

    def enter(function: Callable[..., Any]) -> Callable[..., Any]:
        EXPRESSIONS.update(dict.fromkeys(names, function))
        return function

    return enter


def dtype_of(*xs: Any) -> Any:
    """That of the first tensor."""
    return next(x.dtype for x in xs if isinstance(x, Tensor))


def binary(name: str, function: Callable[[Any, Any], Any]) -> None:
    """Enter an operator of two arrays; b stretched from an axis on, as before opset 7."""

    def run(a: Any, b: Any, *, axis: int | None = None, broadcast: int = 0) -> Any:
        if broadcast and axis is not None and b.ndim:
            b = b.reshape(b.shape + (1,) * (a.ndim - axis % a.ndim - b.ndim))
        return function(a, b)

    EXPRESSIONS[name] = run


binary("Add", lambda a, b: a + b)
binary("Sub", lambda a, b: a - b)
binary("Mul", lambda a, b: a * b)
binary("Div", lambda a, b: a / b)
binary("Pow", lambda a, b: power(a, b))


def power(a: Any, b: Any) -> Any:
    """a to the power of b; squares and square roots by their own layers."""
    if not isinstance(b, Tensor) and np.size(b) == 1:
        exponent = float(np.asarray(b).reshape(()))
        if exponent == 2:
            return a * a
        if exponent == 0.5:
            return np.sqrt(a)
        return a**exponent
    return a**b


for name, function in {"Max": np.maximum, "Min": np.minimum, "Sum": np.add}.items():
    EXPRESSIONS[name] = lambda *xs, function=function: reduce(function, xs)


@expression("Mean")
def mean_of(*xs):
    return reduce(np.add, xs) / len(xs)


@expression("Identity", "Cast", "CastLike")
def same(x, *others, **options):
    return x


@expression("Reciprocal")
def reciprocal(x):
    return 1 / x


@expression("Where")
def where(condition, a, b):
    return np.where(plain(condition), a, b)


@expression("Clip")
def clip(x, min=None, max=None):
    return np.clip(x, number(min), number(max))


def number(x: Any) -> Any:
    """An array of one element as a number."""
    return x if x is None or isinstance(x, Tensor) else float(np.asarray(x).reshape(()))


@expression("Swish")
def swish(x, *, alpha=1.0):
    return x / (1 + np.exp(-alpha * x))


@expression("SwiGLU")
def swiglu(a, b, *, alpha=1.0):
    return swish(a, alpha=alpha) * b


@expression("HardSigmoid")
def hard_sigmoid(x, *, alpha=0.2, beta=0.5):
    return np.clip(alpha * x + beta, 0, 1)


@expression("ThresholdedRelu")
def thresholded_relu(x, *, alpha=1.0):
    return x * (x > alpha)


@expression("PRelu")
def prelu(x, slope, *, node):
    if node.opset < 7 and slope.ndim == 1 and slope.size > 1:
        slope = slope.reshape((-1,) + (1,) * (x.ndim - 2))
    return np.maximum(x, 0) + slope * np.minimum(x, 0)


@expression("Shrink")
def shrink(x, *, bias=0.0, lambd=0.5):
    return (x + bias) * (x < -lambd) + (x - bias) * (x > lambd)


@expression("Softmax")
def softmax(x, *, axis=None, node):
    return along(Softmax, x, axis, node)


@expression("LogSoftmax")
def log_softmax(x, *, axis=None, node):
    return along(LogSoftmax, x, axis, node)


def along(cls: Any, x: Any, axis: int | None, node: Any) -> Any:
    """The layer along the axis; before opset 13 along all axes from there on."""
    if node.opset >= 13:
        return apply(cls(-1 if axis is None else axis), x)
    axis = (1 if axis is None else axis) % x.ndim
    if axis == x.ndim - 1:
        return apply(cls(-1), x)
    rows = int(np.prod(x.shape[:axis]))
    return apply(cls(-1), x.reshape(rows, -1)).reshape(x.shape)


# -- products -----------------------------------------------------------------------------------


@expression("MatMul")
def matmul(a, b):
    return a @ b


@expression("Gemm")
def gemm(a, b, c=None, *, alpha=1.0, beta=1.0, transA=0, transB=0, broadcast=0):
    y = (a.T if transA else a) @ (b.T if transB else b)
    y = y if alpha == 1 else alpha * y
    return y if c is None else y + (c if beta == 1 else beta * c)


@expression("Einsum")
def einsum(*xs, equation):
    return np.einsum(equation.replace(" ", ""), *xs)


# -- shapes -------------------------------------------------------------------------------------


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
def space_to_depth(x, *, blocksize):
    n, c, h, w = x.shape
    b = blocksize
    y = x.reshape(n, c, h // b, b, w // b, b).transpose(0, 3, 5, 1, 2, 4)
    return y.reshape(n, c * b * b, h // b, w // b)


@expression("Trilu")
def trilu(x, k=None, *, upper=1):
    ones = np.ones(x.shape[-2:], x.dtype)
    return x * (np.triu if upper else np.tril)(ones, 0 if k is None else int(k))


@expression("Upsample", "Resize")
def resize(x, *inputs, mode="nearest", node, **attributes):
    """Along each axis an index (nearest) or a matrix; without regions of interest."""
    scales, targets, options = sizes_of(x, inputs, attributes, node)
    for a, (scale, out) in enumerate(zip(scales, targets)):
        n = x.shape[a]
        if out == n and scale == 1:
            continue
        at = positions(options["coordinates"], n, out, scale, (0.0, 1.0))
        if mode == "nearest":
            index = np.clip(rounded(at, options["nearest"]), 0, n - 1).astype(np.int64)
            x = apply(Index((*[slice(None)] * a, index)), x)
            continue
        matrix = weights_of(at, n, mode, attributes.get("cubic_coeff_a", -0.75), 1.0,
                            bool(attributes.get("exclude_outside", 0)))  # fmt: skip
        x = np.moveaxis(np.moveaxis(x, a, -1) @ matrix.T.astype(x.dtype), -1, a)
    return x


def sizes_of(x: Any, inputs: Any, attributes: dict[str, Any], node: Any) -> tuple[Any, ...]:
    """Scales, lengths and the rule of positions, from every opset's form."""
    old = node.opset < 11 or node.node.op == "Upsample"
    scales = attributes.get("scales") or inputs[0 if old else 1]
    sizes: Any = inputs[2] if len(inputs) > 2 else None
    refused = attributes.keys() & {"axes", "antialias", "keep_aspect_ratio_policy"}
    if refused:
        raise ValueError(f"there is no gradient with {', '.join(sorted(refused))}")
    if scales is None or not np.size(scales):
        targets = [int(n) for n in sizes]
        scales = [m / n for m, n in zip(targets, x.shape)]
    else:
        scales = [float(s) for s in scales]
        targets = [int(np.floor(n * s)) for n, s in zip(x.shape, scales)]
    options = {
        "coordinates": attributes.get(
            "coordinate_transformation_mode", "asymmetric" if old else "half_pixel"
        ),
        "nearest": attributes.get("nearest_mode", "floor" if old else "round_prefer_floor"),
    }
    return scales, targets, options


# -- windows ------------------------------------------------------------------------------------


@expression("Conv")
def conv(x, w, b=None, *, auto_pad="NOTSET", dilations=None, group=1, kernel_shape=None,
         pads=None, strides=None):  # fmt: skip
    axes, kernel = x.ndim - 2, w.shape[2:]
    strides, dilations = ones(strides, axes), ones(dilations, axes)
    around = padding(x.shape[2:], kernel, strides, dilations, pads, auto_pad)
    window = Window("Conv", tuple(kernel), tuple(strides), tuple(around), tuple(dilations))
    y = apply(Correlate(window.grid(x.shape[2:]), group), *operands(x, w))
    return y if b is None else y + b.reshape((-1,) + (1,) * axes)


def seen_by(x: Any, fill: float, kernel: Any, strides: Any, dilations: Any, pads: Any,
            auto_pad: str) -> Any:  # fmt: skip
    """The windows of x (N, C, *out, *kernel), by indices."""
    axes = x.ndim - 2
    strides, dilations = ones(strides, axes), ones(dilations, axes)
    around = padding(x.shape[2:], kernel, strides, dilations, pads, auto_pad)
    if any(map(any, around)):
        x = np.pad(x, [(0, 0), (0, 0), *around], "constant", constant_values=fill)
    key = []
    for a, (n, k, s, d) in enumerate(zip(x.shape[2:], kernel, strides, dilations)):
        out = (n - (k - 1) * d - 1) // s + 1
        index = np.arange(out)[:, None] * s + np.arange(k) * d
        shape = [1] * 2 * axes
        shape[a], shape[axes + a] = out, k
        key.append(index.reshape(shape))
    return x[(slice(None), slice(None), *key)]


@expression("MaxPool")
def max_pool(x, *, kernel_shape, auto_pad="NOTSET", ceil_mode=0, dilations=None, pads=None,
             storage_order=0, strides=None, node):  # fmt: skip
    if ceil_mode or node.outputs > 1:
        raise ValueError("there is no gradient with ceil_mode and dilations, or with indices")
    views = seen_by(x, -np.inf, kernel_shape, strides, dilations, pads, auto_pad)
    return views.max(tuple(range(-len(kernel_shape), 0)))


@expression("AveragePool")
def average_pool(x, *, kernel_shape, auto_pad="NOTSET", ceil_mode=0, count_include_pad=0,
                 dilations=None, pads=None, strides=None):  # fmt: skip
    if ceil_mode:
        raise ValueError("there is no gradient with ceil_mode and these pads or dilations")
    last = tuple(range(-len(kernel_shape), 0))
    views = seen_by(x, 0.0, kernel_shape, strides, dilations, pads, auto_pad)
    inside = np.full((1, 1, *x.shape[2:]), 1.0, x.dtype)
    counted = np.asarray(plain(seen_by(Tensor(inside), float(count_include_pad), kernel_shape,
                                       strides, dilations, pads, auto_pad))).sum(last)  # fmt: skip
    return views.sum(last) / counted


# -- reductions ---------------------------------------------------------------------------------


def reduction(name: str, function: Callable[..., Any]) -> None:
    """Enter a reduction, its axes an attribute or an input."""

    def run(x: Any, axes: Any = None, *, keepdims: int = 1, noop_with_empty_axes: int = 0) -> Any:
        axis = None if axes is None or not len(axes) else tuple(int(a) for a in axes)
        if axis is None and noop_with_empty_axes:
            return function(x, (), True)
        return function(x, tuple(range(x.ndim)) if axis is None else axis, bool(keepdims))

    EXPRESSIONS[name] = run


REDUCTIONS: dict[str, Callable[..., Any]] = {
    "ReduceSum": lambda x, axis, keep: x.sum(axis, keep),
    "ReduceMean": lambda x, axis, keep: x.mean(axis, keep),
    "ReduceMax": lambda x, axis, keep: x.max(axis, keep),
    "ReduceMin": lambda x, axis, keep: -(-x).max(axis, keep),
    "ReduceProd": lambda x, axis, keep: apply(Prod(axis, keepdims=keep), x),
    "ReduceL1": lambda x, axis, keep: np.abs(x).sum(axis, keep),
    "ReduceL2": lambda x, axis, keep: np.sqrt((x * x).sum(axis, keep)),
    "ReduceLogSum": lambda x, axis, keep: np.log(x.sum(axis, keep)),
    "ReduceLogSumExp": lambda x, axis, keep: apply(LogSumExp(axis, keepdims=keep), x),
    "ReduceSumSquare": lambda x, axis, keep: (x * x).sum(axis, keep),
}  # fmt: skip
for name, rule in REDUCTIONS.items():
    reduction(name, rule)


@expression("GlobalAveragePool")
def global_average_pool(x):
    return x.mean(tuple(range(2, x.ndim)), True)


@expression("GlobalMaxPool")
def global_max_pool(x):
    return x.max(tuple(range(2, x.ndim)), True)


@expression("CumSum")
def cum_sum(x, axis, *, exclusive=0, reverse=0):
    axis = int(np.asarray(axis).reshape(())) % x.ndim
    x = np.flip(x, axis) if reverse else x
    y = apply(CumSum(axis), x)
    y = y - x if exclusive else y
    return np.flip(y, axis) if reverse else y


@expression("TopK")
def top_k(x, k, *, axis=-1, largest=1, sorted=1):
    keys = plain(x) if not largest else -plain(x)
    order = np.argsort(keys, axis=axis, kind="stable")
    order = np.take(order, np.arange(int(np.reshape(k, ()))), axis=axis)
    return apply(Gather(axis), x, order), order


# -- normalization and loss ---------------------------------------------------------------------


def standardized(x: Any, axes: tuple[int, ...], epsilon: float) -> Any:
    """(x − mean) / √(variance + epsilon)."""
    centred = x - x.mean(axes, True)
    return centred / np.sqrt((centred * centred).mean(axes, True) + epsilon)


@expression("LayerNormalization")
def layer_normalization(x, scale, b=None, *, axis=-1, epsilon=1e-5, stash_type=1):
    y = standardized(x, tuple(range(axis % x.ndim, x.ndim)), epsilon) * scale
    return y if b is None else y + b


@expression("RMSNormalization")
def rms_normalization(x, scale, *, axis=-1, epsilon=1e-5, stash_type=1):
    axes = tuple(range(axis % x.ndim, x.ndim))
    return x / np.sqrt((x * x).mean(axes, True) + epsilon) * scale


@expression("InstanceNormalization")
def instance_normalization(x, scale, b, *, epsilon=1e-5):
    wide = (-1,) + (1,) * (x.ndim - 2)
    y = standardized(x, tuple(range(2, x.ndim)), epsilon)
    return y * scale.reshape(wide) + b.reshape(wide)


@expression("BatchNormalization")
def batch_normalization(x, scale, b, mean, var, *, epsilon=1e-5, momentum=0.9, spatial=1,
                        training_mode=0):  # fmt: skip
    wide = (-1,) + (1,) * (x.ndim - 2)
    normal = (x - mean.reshape(wide)) / np.sqrt(var.reshape(wide) + epsilon)
    return normal * scale.reshape(wide) + b.reshape(wide)


@expression("LpNormalization")
def lp_normalization(x, *, axis=-1, p=2):
    axis = (axis % x.ndim,)
    size = np.abs(x).sum(axis, True) if p == 1 else np.sqrt((x * x).sum(axis, True))
    return x / size


@expression("LRN")
def local_response(x, *, size, alpha=1e-4, beta=0.75, bias=1.0):
    before = (size - 1) // 2
    width = [(0, 0), (before, size - 1 - before), *[(0, 0)] * (x.ndim - 2)]
    squares, c = np.pad(x * x, width), x.shape[1]
    total = reduce(np.add, [squares[:, i : i + c] for i in range(size)])
    return x / (bias + alpha / size * total) ** beta


@expression("NegativeLogLikelihoodLoss")
def negative_log_likelihood(x, t, weight=None, *, ignore_index=None, reduction="mean"):
    t = np.asarray(t)
    counted = np.ones(t.shape, bool) if ignore_index is None else t != ignore_index
    index = np.where(counted, t, 0).astype(np.int64)
    w = counted.astype(x.dtype) if weight is None else counted * plain(weight)[index]
    picked = apply(Gather(1), x, np.expand_dims(index, 1))
    loss = -(picked.reshape(index.shape) * np.asarray(w, x.dtype))
    if reduction == "none":
        return loss
    return loss.sum() if reduction == "sum" else loss.sum() / float(w.sum())


@expression("SoftmaxCrossEntropyLoss")
def softmax_cross_entropy(x, t, weight=None, *, ignore_index=None, reduction="mean"):
    log_p = apply(LogSoftmax(1), x)
    loss = negative_log_likelihood(log_p, t, weight, ignore_index=ignore_index,
                                   reduction=reduction)  # fmt: skip
    return loss, log_p
