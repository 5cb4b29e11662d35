"""Losses with one term for each sample: overlaps, distances, rankings, densities."""

from __future__ import annotations

import numpy as np

from handgrad import layers as L
from handgrad.interop.onnx.export.builder import Builder, NoForm
from handgrad.interop.onnx.export.emit import emits
from handgrad.interop.onnx.export.losses import cast, mean_of


@emits(L.GaussianLikelihood)
def gaussian(b, use, x):
    n, rank, size = b.dtype.type, use.rank(), use.shape()[-1] // 2
    mu, s = b.split(x[0], [size, size], rank - 1)
    error = b.node("Sub", [mu, cast(b, use, x[1], 1)])
    squares = b.node("Mul", [b.node("Mul", [error, error]), b.node("Exp", [b.node("Neg", [s])])])
    inner = b.node("Add", [b.node("Add", [squares, s]), n(np.log(2 * np.pi))])
    terms = b.node("Mul", [inner, n(0.5)])
    return mean_of(b, use, terms, x[2] if len(x) > 2 else "", rank)


@emits(L.Dice)
def dice(b, use, x):
    n, rank, t = b.dtype.type, use.rank(), cast(b, use, x[1], 1)
    axes = range(1, rank)

    def total(v: str) -> str:
        v = b.reduce("ReduceSum", v, axes, False) if rank > 1 else v
        return b.node("Add", [v, n(use.layer.eps)])

    product = b.node("Mul", [x[0], t])
    both = total(b.node("Add", [product, product]))
    share = b.node("Div", [both, total(b.node("Add", [x[0], t]))])
    terms = b.node("Sub", [n(1), share])
    return mean_of(b, use, terms, x[2] if len(x) > 2 else "", 1)


@emits(L.Triplet)
def triplet(b, use, x):
    near, far = (b.reduce("ReduceL2", b.node("Sub", [x[0], other]), [1], False) for other in x[1:3])
    late = b.node("Add", [b.node("Sub", [near, far]), b.dtype.type(use.layer.margin)])
    weights = cast(b, use, x[3], 3) if len(x) > 3 and x[3] else ""
    return mean_of(b, use, b.node("Relu", [late]), weights, 1)


@emits(L.ListNet)
def list_net(b, use, x):
    t = cast(b, use, x[1], 1)
    require_whole(use)
    axis = {"axis": 1 if b.opset < 13 else -1}
    p, log_q = b.node("Softmax", [t], **axis), b.node("LogSoftmax", [x[0]], **axis)
    terms = b.node("Neg", [b.reduce("ReduceSum", b.node("Mul", [p, log_q]), [1], False)])
    return mean_of(b, use, terms, x[2] if len(x) > 2 else "", 1)


@emits(L.RankNet)
def rank_net(b, use, x):
    """ln(1 + e^(yⱼ − yᵢ)) at [n, i, j], where tᵢ > tⱼ."""
    t = cast(b, use, x[1], 1)
    require_whole(use)
    behind, ahead = difference(b, x[0]), difference(b, t)
    pairs = b.cast(b.node("Less", [ahead, b.dtype.type(0)]), b.code)
    lost = b.reduce("ReduceSum", b.node("Mul", [b.node("Softplus", [behind]), pairs]), [1, 2],
                    False)  # fmt: skip
    count = b.node("Max", [b.reduce("ReduceSum", pairs, [1, 2], False), b.dtype.type(1)], since=8)
    return mean_of(b, use, b.node("Div", [lost, count]), x[2] if len(x) > 2 else "", 1)


def difference(b: Builder, v: str) -> str:
    """vⱼ − vᵢ at [n, i, j]."""
    return b.node("Sub", [b.unsqueeze(v, [1]), b.unsqueeze(v, [2])])


def require_whole(use) -> None:
    """Raise NoForm where a list is shorter than others: t is −∞ there."""
    given = use.given[0][1]
    if not np.isfinite(np.asarray(getattr(given, "data", given), float)).all():
        raise NoForm("lists of several lengths")
