"""Losses as nodes: one number, the weighted mean of the terms, as `Loss` says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad import layers as L
from handgrad.interop.onnx.export.builder import Builder, NoForm
from handgrad.interop.onnx.export.emit import emits
from handgrad.interop.onnx.export.traced import Use

Names = list[str]


def mean_of(b: Builder, use: Use, terms: str, weights: str, rank: int) -> Any:
    """Σ w · terms / Σ w: terms with one axis or more, w for each sample."""
    if use.layer.normalizer is not None:
        raise NoForm("a loss with a normalizer")
    summed = isinstance(use.layer, L.SumSquaredError)
    if not weights:
        return b.reduce("ReduceSum" if summed else "ReduceMean", terms, None, False)
    w = b.reshape(cast(b, use, weights, 2), [-1] + [1] * (rank - 1)) if rank > 1 else cast(
        b, use, weights, 2
    )  # fmt: skip
    weighted = b.node("Mul", [terms, w])
    if summed:
        return b.reduce("ReduceSum", weighted, None, False)
    share = b.node("Div", [b.reduce("ReduceMean", weighted, None, False),
                           b.reduce("ReduceMean", w, None, False)])  # fmt: skip
    return share


def cast(b: Builder, use: Use, x: str, i: int) -> Any:
    """Input i as real numbers of the file's type."""
    given = use.given[0][i]
    dtype = np.asarray(given.data if hasattr(given, "data") and hasattr(given, "grad") else given)
    return x if dtype.dtype == b.dtype else b.cast(x, b.code)


def elementwise(cls: Any, term: Callable[[Builder, Any, str, str], Any]) -> None:
    """A loss of one term for each element."""

    def emit(b: Builder, use: Use, x: Names) -> Any:
        t = cast(b, use, x[1], 1)
        weights = x[2] if len(x) > 2 else ""
        return mean_of(b, use, term(b, use.layer, x[0], t), weights, use.rank())

    emits(cls)(emit)


def squared(b, layer, y, t):
    error = b.node("Sub", [y, t])
    return b.node("Mul", [error, error])


def half_squared(b, layer, y, t):
    return b.node("Mul", [squared(b, layer, y, t), b.dtype.type(0.5)])


def absolute(b, layer, y, t):
    return b.node("Abs", [b.node("Sub", [y, t])])


def huber(b, layer, y, t):
    error = b.node("Sub", [y, t])
    cut = b.clip(error, -layer.delta, layer.delta)
    half = b.node("Mul", [cut, b.dtype.type(0.5)])
    return b.node("Mul", [cut, b.node("Sub", [error, half])])


def sigmoid_cross_entropy(b, layer, y, t):
    soft = b.node("Softplus", [b.node("Neg", [b.node("Abs", [y])])])
    high = b.node("Sub", [b.node("Relu", [y]), b.node("Mul", [y, t])])
    return b.node("Add", [high, soft])


def binary_cross_entropy(b, layer, y, t):
    n, tiny = b.dtype.type, float(np.finfo(b.dtype).eps)
    y = b.clip(y, tiny, 1 - tiny)
    yes = b.node("Mul", [t, b.node("Log", [y])])
    no = b.node("Mul", [b.node("Sub", [n(1), t]), b.node("Log", [b.node("Sub", [n(1), y])])])
    return b.node("Neg", [b.node("Add", [yes, no])])


def hinge(b, layer, y, t):
    return b.node("Relu", [b.node("Sub", [b.dtype.type(1), b.node("Mul", [t, y])])])


elementwise(L.MeanSquaredError, squared)
elementwise(L.SumSquaredError, half_squared)
elementwise(L.MeanAbsoluteError, absolute)
elementwise(L.Huber, huber)
elementwise(L.SigmoidCrossEntropy, sigmoid_cross_entropy)
elementwise(L.BinaryCrossEntropy, binary_cross_entropy)
elementwise(L.Hinge, hinge)


def logarithms(b: Builder, use: Use, y: str) -> Any:
    """ln p of the scores along the last axis."""
    if isinstance(use.layer, L.NegativeLogLikelihood):
        return y
    rank = use.rank()
    return b.node("LogSoftmax", [y], axis=rank - 1 if b.opset < 13 else -1)


@emits(L.SoftmaxCrossEntropy, L.NegativeLogLikelihood)
def class_loss(b, use, x):
    """−Σ m · ln p with m = w · v · t / Σ w · v · t, t one-hot where it is labels."""
    layer, rank, n = use.layer, use.rank(), b.dtype.type
    if layer.normalizer is not None:
        raise NoForm("a loss with a normalizer")
    labels = use.rank(1) < rank
    classes = use.shape()[-1]
    log_p = logarithms(b, use, x[0])
    if labels:
        t = b.node("OneHot", [x[1], np.array(classes, np.int64), np.array([0, 1], b.dtype)],
                   since=9)  # fmt: skip
        if layer.ignore_index is not None:
            t = ignored(b, x[1], t, layer.ignore_index)
    else:
        t = cast(b, use, x[1], 1)
    v = None if layer.class_weights is None else np.asarray(layer.class_weights, b.dtype)
    m = t if v is None else b.node("Mul", [t, v])
    if layer.label_smoothing:
        smooth = smoothed(b, t, layer.label_smoothing, classes, rank)
        shared = smooth if v is None else b.node("Mul", [smooth, v])
    else:
        shared = m
    if len(x) > 2 and x[2]:
        w = b.reshape(cast(b, use, x[2], 2), [-1] + [1] * (rank - 1))
        m, shared = b.node("Mul", [m, w]), b.node("Mul", [shared, w])
    top = b.reduce("ReduceSum", b.node("Mul", [shared, log_p]), None, False)
    bottom = b.reduce("ReduceSum", m, None, False)
    return b.node("Div", [b.node("Neg", [top]), bottom]) if n else None


def smoothed(b: Builder, t: str, epsilon: float, classes: int, rank: int) -> Any:
    """(1 − ε) · t + ε / C · Σ_c t: nothing where the label is ignored."""
    n = b.dtype.type
    whole = b.reduce("ReduceSum", t, [rank - 1], True)
    return b.node("Add", [b.node("Mul", [t, n(1 - epsilon)]),
                          b.node("Mul", [whole, n(epsilon / classes)])])  # fmt: skip


def ignored(b: Builder, labels: str, t: str, index: int) -> Any:
    """t with 0 where the label is the one that does not count."""
    kept = b.node("Not", [b.node("Equal", [b.cast(labels, 7), np.array(index, np.int64)])])
    return b.node("Mul", [t, b.unsqueeze(b.cast(kept, b.code), [-1])], since=11)


@emits(L.KLDivergence)
def kl_divergence(b, use, x):
    t, rank = cast(b, use, x[1], 1), use.rank()
    positive = b.node("Greater", [t, b.dtype.type(0)])
    safe = b.node("Where", [positive, t, b.dtype.type(1)], since=9)
    terms = b.node("Mul", [t, b.node("Sub", [b.node("Log", [safe]), x[0]])])
    terms = b.reduce("ReduceSum", terms, [rank - 1], False)
    return mean_of(b, use, terms, x[2] if len(x) > 2 else "", rank - 1)


@emits(L.GaussianKL)
def gaussian_kl(b, use, x):
    n, rank = b.dtype.type, use.rank()
    excess = b.node("Sub", [b.node("Exp", [x[1]]), n(1)])
    inner = b.node("Sub", [b.node("Add", [b.node("Mul", [x[0], x[0]]), excess]), x[1]])
    terms = b.node("Mul", [inner, n(0.5)])
    terms = b.reduce("ReduceSum", terms, range(1, rank), False) if rank > 1 else terms
    return mean_of(b, use, terms, x[2] if len(x) > 2 else "", 1)


@emits(L.CosineSimilarity)
def cosine_similarity(b, use, x):
    return cosine(b, x[0], x[1], use.layer.axis % use.rank(), use.layer.eps)


def cosine(b: Builder, a: str, c: str, axis: int, eps: float) -> Any:
    """Σ a · b / (|a| · |b|), each length at least ε."""
    lengths = []
    for v in (a, c):
        squares = b.reduce("ReduceSum", b.node("Mul", [v, v]), [axis], False)
        lengths.append(b.node("Max", [b.node("Sqrt", [squares]), b.dtype.type(eps)], since=8))
    product = b.reduce("ReduceSum", b.node("Mul", [a, c]), [axis], False)
    return b.node("Div", [product, b.node("Mul", lengths)])


@emits(L.CosineEmbedding)
def cosine_embedding(b, use, x):
    n, t = b.dtype.type, cast(b, use, x[2], 2)
    c = cosine(b, x[0], x[1], 1, use.layer.cosine.eps)
    apart = b.node("Relu", [b.node("Sub", [c, n(use.layer.margin)])])
    pull = b.node("Greater", [t, n(0)])
    terms = b.node("Where", [pull, b.node("Sub", [n(1), c]), apart], since=9)
    weights = x[3] if len(x) > 3 else ""
    return mean_of(b, use, terms, cast(b, use, weights, 3) if weights else "", 1)


@emits(L.PolicyGradient)
def policy_gradient(b, use, x):
    """As SoftmaxCrossEntropy, the weights being the advantages, and the sum divided by N."""
    layer, rank = use.layer, use.rank()
    plain = layer.class_weights is None and not layer.label_smoothing
    if not plain or layer.ignore_index is not None or use.rank(1) == rank:
        raise NoForm("PolicyGradient with class weights, smoothing or ignored labels")
    log_p = b.node("LogSoftmax", [x[0]], axis=rank - 1 if b.opset < 13 else -1)
    t = b.node("OneHot", [x[1], np.array(use.shape()[-1], np.int64), np.array([0, 1], b.dtype)],
               since=9)  # fmt: skip
    terms = b.reduce("ReduceSum", b.node("Mul", [t, log_p]), [rank - 1], False)
    if len(x) > 2 and x[2]:
        w = cast(b, use, x[2], 2)
        terms = b.node("Mul", [terms, b.reshape(w, [-1] + [1] * (rank - 2)) if rank > 2 else w])
    return b.node("Neg", [b.reduce("ReduceMean", terms, None, False)])


@emits(L.CategoricalLogProb)
def categorical_log_prob(b, use, x):
    rank = use.rank()
    log_p = b.node("LogSoftmax", [x[0]], axis=rank - 1 if b.opset < 13 else -1)
    index = b.unsqueeze(b.cast(x[1], 7), [rank - 1])
    return b.squeeze(b.node("GatherElements", [log_p, index], axis=rank - 1, since=11), [rank - 1])
