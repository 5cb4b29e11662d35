"""The table of layers: which nodes each one is. One small function for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad import layers as L
from handgrad.interop.onnx.export.builder import Builder, NoForm
from handgrad.interop.onnx.export.traced import Compare, Use

EMIT: dict[type, Callable[[Builder, Use, list[str]], Any]] = {}
Names = list[str]
COMPARISONS: dict[Any, tuple[str, int]] = {
    np.less: ("Less", 9), np.greater: ("Greater", 9), np.equal: ("Equal", 11),
    np.less_equal: ("LessOrEqual", 12), np.greater_equal: ("GreaterOrEqual", 12),
    np.not_equal: ("Equal", 11),
}  # fmt: skip


def emits(*classes: Any) -> Callable[..., Any]:
    """Enter a function that writes the nodes of these layers."""

    def enter(function: Callable[[Builder, Use, Names], Any]) -> Callable[..., Any]:
        EMIT.update(dict.fromkeys(classes, function))
        return function

    return enter


def plain(cls: Any, op: str, since: int = 1) -> None:
    """A layer that is one node with the same inputs."""
    EMIT[cls] = lambda b, use, x: b.node(op, x, since=since)


for cls, op in {
    L.Add: "Add", L.Sub: "Sub", L.Mul: "Mul", L.Div: "Div", L.Pow: "Pow", L.MatMul: "MatMul",
    L.Neg: "Neg", L.Exp: "Exp", L.Log: "Log", L.Sqrt: "Sqrt", L.Abs: "Abs", L.Sin: "Sin",
    L.Cos: "Cos", L.Tan: "Tan", L.Arcsin: "Asin", L.Arccos: "Acos", L.Arctan: "Atan",
    L.Maximum: "Max", L.Minimum: "Min", L.Sigmoid: "Sigmoid", L.Tanh: "Tanh", L.ReLU: "Relu",
    L.Softplus: "Softplus", L.Softsign: "Softsign",
}.items():  # fmt: skip
    plain(cls, op)
for cls, op in {
    L.Sinh: "Sinh", L.Cosh: "Cosh", L.Arcsinh: "Asinh", L.Arccosh: "Acosh", L.Arctanh: "Atanh",
    L.Erf: "Erf",
}.items():  # fmt: skip
    plain(cls, op, 9)
for cls, op in {
    L.LeakyReLU: "LeakyRelu", L.ELU: "Elu",
}.items():  # fmt: skip
    emits(cls)(lambda b, use, x, op=op: b.node(op, x, alpha=float(use.layer.alpha)))


@emits(L.CELU)
def celu(b, use, x):
    if b.opset >= 12:
        return b.node("Celu", x, alpha=float(use.layer.alpha))
    a = b.dtype.type(use.layer.alpha)
    low = b.node("Sub", [b.node("Exp", [b.node("Div", [b.clip(x[0], None, 0.0), a])]),
                         b.dtype.type(1)])  # fmt: skip
    return b.node("Add", [b.node("Relu", x), b.node("Mul", [low, a])])


@emits(L.SELU)
def selu(b, use, x):
    return b.node("Selu", x, alpha=1.6732632423543772, gamma=1.0507009873554805)


@emits(L.Log1p)
def log1p(b, use, x):
    return b.node("Log", [b.node("Add", [x[0], b.dtype.type(1)])])


@emits(L.Expm1)
def expm1(b, use, x):
    return b.node("Sub", [b.node("Exp", x), b.dtype.type(1)])


@emits(L.Step)
def step(b, use, x):
    return b.cast(b.node("Greater", [x[0], b.dtype.type(0)]), b.code)


@emits(L.SiLU)
def silu(b, use, x):
    return b.node("Mul", [x[0], b.node("Sigmoid", x)])


@emits(L.GELU)
def gelu(b, use, x):
    if b.opset >= 20:
        return b.node("Gelu", x, approximate=use.layer.approximate)
    n, half = b.dtype.type, b.node("Mul", [x[0], b.dtype.type(0.5)])
    if use.layer.approximate == "tanh":
        cube = b.node("Mul", [b.node("Mul", [x[0], x[0]]), x[0]])
        inner = b.node("Add", [x[0], b.node("Mul", [cube, n(0.044715)])])
        gate = b.node("Tanh", [b.node("Mul", [inner, n(np.sqrt(2 / np.pi))])])
    else:
        gate = b.node("Erf", [b.node("Mul", [x[0], n(np.sqrt(0.5))])], since=9)
    return b.node("Mul", [half, b.node("Add", [gate, n(1)])])


@emits(L.ReLU6)
def relu6(b, use, x):
    return b.clip(x[0], 0.0, 6.0)


@emits(L.Clip)
def clip(b, use, x):
    return b.clip(x[0], use.layer.low, use.layer.high)


@emits(L.PReLU)
def prelu(b, use, x):
    a = use.layer.a
    if use.layer.per_channel:
        a = a.reshape(-1, *[1] * (use.rank() - 2))
    return b.node("PRelu", [x[0], b.weight(a, b.path(use, "a"))], since=7)


@emits(L.HardSigmoid)
def hard_sigmoid(b, use, x):
    return b.node("HardSigmoid", x, alpha=1 / 6, beta=0.5)


@emits(L.HardSwish)
def hard_swish(b, use, x):
    if b.opset >= 14:
        return b.node("HardSwish", x)
    return b.node("Mul", [x[0], b.node("HardSigmoid", x, alpha=1 / 6, beta=0.5)])


@emits(L.Mish)
def mish(b, use, x):
    if b.opset >= 18:
        return b.node("Mish", x)
    return b.node("Mul", [x[0], b.node("Tanh", [b.node("Softplus", x)])])


@emits(L.GLU)
def glu(b, use, x):
    axis = use.layer.axis % use.rank()
    half = use.shape()[axis] // 2
    a, gate = b.split(x[0], [half, half], axis)
    return b.node("Mul", [a, b.node("Sigmoid", [gate])])


@emits(L.Softmax, L.LogSoftmax)
def softmax(b, use, x):
    op, axis, rank = type(use.layer).__name__, use.layer.axis, use.rank()
    if b.opset < 13 and axis % rank == rank - 1:
        return b.node(op, x, axis=rank - 1)
    return b.node(op, x, axis=axis, since=13)


@emits(Compare)
def compare(b, use, x):
    op, since = COMPARISONS[use.layer.ufunc]
    y = b.node(op, x, since=since)
    return b.node("Not", [y]) if use.layer.ufunc is np.not_equal else y


@emits(L.Where)
def where(b, use, x):
    condition = b.cast(x[0], 9)
    return b.node("Where", [condition, *x[1:]], since=9)


@emits(L.Standardize)
def standardize(b, use, x):
    mean, scale = (np.asarray(getattr(use.layer, n)) for n in ("mean", "scale"))
    return b.node("Div", [b.node("Sub", [x[0], b.constant(mean, b.path(use, "mean"))]),
                          b.constant(scale, b.path(use, "scale"))])  # fmt: skip


# -- shapes -------------------------------------------------------------------------------------


@emits(L.Reshape)
def reshape(b, use, x):
    shape = use.varying()
    free = [i for i, n in enumerate(shape) if n is None]
    if len(free) > 1:
        raise NoForm(f"Reshape to {shape}, in which two lengths vary with the batch")
    return b.reshape(x[0], [-1 if n is None else n for n in shape])


@emits(L.Flatten)
def flatten(b, use, x):
    return b.node("Flatten", x, axis=1)


@emits(L.Transpose)
def transpose(b, use, x):
    axes = use.layer.axes
    rank = use.rank()
    order = range(rank)[::-1] if axes is None else [a % rank for a in axes]
    return b.node("Transpose", x, perm=list(order))


@emits(L.Broadcast)
def broadcast(b, use, x):
    """Lengths that vary with the batch stay as they are in x, or are stretched where they meet."""
    shape = [1 if n is None else n for n in use.varying()]
    return b.node("Expand", [x[0], np.array(shape, np.int64)], since=8)


@emits(L.Concat)
def concat(b, use, x):
    return b.node("Concat", x, axis=use.layer.axis % use.rank())


@emits(L.Stack)
def stack(b, use, x):
    axis = use.layer.axis % (use.rank() + 1)
    return b.node("Concat", [b.unsqueeze(v, [axis]) for v in x], axis=axis)


@emits(L.Split)
def split(b, use, x):
    axis = use.layer.axis % use.rank()
    sizes = [shape[axis] for shape in use.shapes[0]]
    if sizes != [shape[axis] for shape in use.shapes[1]]:
        raise NoForm("Split along the batch")
    return b.split(x[0], sizes, axis) if len(sizes) > 1 else [b.node("Identity", x)]


@emits(L.Pad)
def pad(b, use, x):
    margins = np.broadcast_to(use.layer.pad, (use.rank(), 2))
    pads = [int(p) for p in (*margins[:, 0], *margins[:, 1])]
    if use.layer.mode == "wrap":
        b.since(19)
    return b.pad(x[0], pads, use.layer.mode, use.layer.value)


@emits(L.Tile)
def tile(b, use, x):
    times = use.layer.times
    times = (times,) if isinstance(times, int) else tuple(times)
    rank = use.rank()
    y = x[0]
    if len(times) > rank:
        y = b.unsqueeze(y, range(len(times) - rank))
    times = (1,) * (rank - len(times)) + times
    return b.node("Tile", [y, np.array(times, np.int64)])


@emits(L.Flip)
def flip(b, use, x):
    axis, rank = use.layer.axis, use.rank()
    axes = range(rank) if axis is None else (axis,) if isinstance(axis, int) else axis
    y = x[0]
    for a in axes:
        y = b.slice(y, a % rank, -1, -(2**63) + 1, -1)
    return y


@emits(L.Index)
def index(b, use, x):
    key = use.layer.key
    if not same(key, use.layers[1].key):
        raise NoForm("Index with a key that varies with the samples")
    return indexed(b, use, x[0], key if isinstance(key, tuple) else (key,))


def same(a: Any, b: Any) -> bool:
    """Whether two keys are equal."""
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray | list) or isinstance(b, np.ndarray | list):
        return np.shape(a) == np.shape(b) and bool(np.array_equal(a, b))
    return bool(a == b)


def indexed(b: Builder, use: Use, y: str, key: tuple[Any, ...]) -> Any:
    """x[key] for integers, slices, new axes, and one array of indices."""
    if any(k is Ellipsis for k in key):
        at = next(i for i, k in enumerate(key) if k is Ellipsis)
        real = sum(k is not None for k in key) - 1
        key = (*key[:at], *[slice(None)] * (use.rank() - real), *key[at + 1 :])
    arrays = [k for k in key if isinstance(k, np.ndarray | list)]
    if len(arrays) > 1 or any(np.asarray(k).dtype.kind == "b" for k in arrays):
        raise NoForm("Index with several arrays of indices, or a mask")
    axis, gone, fresh = 0, list[int](), list[int]()
    for k in key:
        if k is None:
            fresh.append(len(fresh) + axis - len(gone))
            continue
        if isinstance(k, slice):
            y = sliced(b, y, axis, k)
        elif isinstance(k, np.ndarray | list):
            if gone or fresh:
                raise NoForm("Index with an array behind integers or new axes")
            y = b.node("Gather", [y, np.asarray(k, np.int64)], axis=axis)
            axis += np.ndim(k) - 1
        else:
            y = b.slice(y, axis, int(k), int(k) + 1 if int(k) != -1 else 2**63 - 1)
            gone.append(axis)
        axis += 1
    y = b.squeeze(y, gone) if gone else y
    return b.unsqueeze(y, fresh) if fresh else y


def sliced(b: Builder, y: str, axis: int, k: slice) -> Any:
    """One axis cut by a slice."""
    if k == slice(None):
        return y
    step = 1 if k.step is None else int(k.step)
    end = 2**63 - 1
    start = (0 if step > 0 else end) if k.start is None else int(k.start)
    stop = (end if step > 0 else -end) if k.stop is None else int(k.stop)
    return b.slice(y, axis, start, stop, step)


@emits(L.Gather)
def gather(b, use, x):
    return b.node("GatherElements", [x[0], b.cast(x[1], 7)], axis=use.layer.axis % use.rank(),
                  since=11)  # fmt: skip


@emits(L.OneHot)
def one_hot(b, use, x):
    ends = np.array([0, 1], b.dtype)
    return b.node("OneHot", [x[0], np.array(use.layer.classes, np.int64), ends], since=9)


# -- reductions ---------------------------------------------------------------------------------


def reduction(cls: Any, op: str) -> None:
    """A reduction over an axis, several, or all."""

    def emit(b: Builder, use: Use, x: Names) -> Any:
        return b.reduce(op, x[0], axes_of(use), use.layer.keepdims)

    EMIT[cls] = emit


def axes_of(use: Use) -> Any:
    """The axes of a reduction from 0 on; None for all."""
    axis = use.layer.axis
    if axis is None:
        return None
    return [a % use.rank() for a in ((axis,) if isinstance(axis, int) else axis)]


reduction(L.Sum, "ReduceSum")
reduction(L.Mean, "ReduceMean")
reduction(L.Max, "ReduceMax")
reduction(L.Prod, "ReduceProd")
reduction(L.LogSumExp, "ReduceLogSumExp")


@emits(L.Norm)
def norm(b, use, x):
    p, axes, keep = use.layer.p, axes_of(use), use.layer.keepdims
    if p in (1, 2):
        return b.reduce(f"ReduceL{p}", x[0], axes, keep)
    n = b.dtype.type
    powers = b.node("Pow", [b.node("Abs", x), n(p)])
    return b.node("Pow", [b.reduce("ReduceSum", powers, axes, keep), n(1 / p)])


@emits(L.Var, L.Std)
def variance(b, use, x):
    axes = axes_of(use)
    lengths = use.shape()
    count = [lengths[a] for a in (range(use.rank()) if axes is None else axes)]
    centred = b.node("Sub", [x[0], b.reduce("ReduceMean", x[0], axes, True)])
    y = b.reduce("ReduceMean", b.node("Mul", [centred, centred]), axes, use.layer.keepdims)
    if use.layer.ddof:
        if None in count:
            raise NoForm(f"{type(use.layer).__name__} with ddof over the batch")
        total = int(np.prod(count))
        y = b.node("Mul", [y, b.dtype.type(total / (total - use.layer.ddof))])
    return b.node("Sqrt", [y]) if isinstance(use.layer, L.Std) else y


@emits(L.CumSum)
def cum_sum(b, use, x):
    return b.node("CumSum", [x[0], np.array(use.layer.axis % use.rank(), np.int64)], since=11)


@emits(L.Einsum)
def einsum(b, use, x):
    return b.node("Einsum", x, equation=use.layer.subscripts, since=12)
