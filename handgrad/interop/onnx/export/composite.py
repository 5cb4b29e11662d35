"""Layers that are several nodes: attention, cells, and those that read by index."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad import layers as L
from handgrad.interop.onnx.export.builder import Builder, NoForm
from handgrad.interop.onnx.export.emit import EMIT, emits
from handgrad.interop.onnx.export.traced import Use
from handgrad.layer import shallow_clone

Names = list[str]


def softmax(b: Builder, scores: str, rank: int) -> Any:
    """Over the last axis."""
    return b.node("Softmax", [scores], axis=rank - 1 if b.opset < 13 else -1)


def hidden(b: Builder, scores: str, use: Use, mask: str, i: int, rank: int, causal: bool) -> Any:
    """The scores (N, …, T, S) with −∞ where a key may not be seen."""
    low = b.dtype.type(-np.inf)
    if mask:
        axes = list(range(1, rank - 1)) if use.rank(i) == 2 else list(range(1, rank - 2))
        seen = b.unsqueeze(mask, axes) if axes else mask
        scores = b.node("Where", [seen, scores, low], since=9)
    if causal:
        queries, keys = use.shape(0)[-2], use.shape(1 if len(use.given[0]) > 1 else 0)[-2]
        if queries is None or keys is None:
            raise NoForm("causal attention of sequences whose length varies with the batch")
        scores = b.node("Where", [np.tri(queries, keys, dtype=bool), scores, low], since=9)
    return scores


@emits(L.DotProductAttention)
def dot_product(b, use, x):
    layer, rank = use.layer, use.rank()
    last = [*range(rank - 2), rank - 1, rank - 2]
    keys = b.node("Transpose", [x[1]], perm=last)
    scores = b.node("MatMul", [x[0], keys])
    if layer.scaled:
        scores = b.node("Mul", [scores, b.dtype.type(use.shape()[-1] ** -0.5)])
    mask = x[3] if len(x) > 3 else ""
    scores = hidden(b, scores, use, mask, 3, rank, layer.causal)
    return b.node("MatMul", [softmax(b, scores, rank), x[2]])


@emits(L.AdditiveAttention)
def additive(b, use, x):
    layer = use.layer
    weights = {n: b.weight(getattr(layer, n), b.path(use, n)) for n in layer.params}
    a = b.unsqueeze(b.node("MatMul", [x[0], weights["Wq"]]), [2])
    c = b.unsqueeze(b.node("MatMul", [x[1], weights["Wk"]]), [1])
    z = b.node("Tanh", [b.node("Add", [a, c])])
    scores = b.node("MatMul", [z, weights["w"]])
    scores = hidden(b, scores, use, x[3] if len(x) > 3 else "", 3, 3, False)
    return b.node("MatMul", [softmax(b, scores, 3), x[2]])


@emits(L.MultiHeadAttention)
def multi_head(b, use, x):
    layer, h = use.layer, use.layer.heads
    q, k, v, mask = (*x, "", "", "", "")[:4]
    k = k or q
    v = v or k
    size = layer.Wo.shape[0] // h
    weights = {n: b.weight(getattr(layer, n), b.path(use, n)) for n in layer.params}

    def heads(y: str, perm: list[int]) -> Any:
        return b.node("Transpose", [b.reshape(y, [0, 0, h, size])], perm=perm)

    a = b.node("Add", [b.node("MatMul", [q, weights["Wq"]]), weights["bq"]])
    c = b.node("MatMul", [k, weights["Wk"]])
    d = b.node("Add", [b.node("MatMul", [v, weights["Wv"]]), weights["bv"]])
    scores = b.node("MatMul", [heads(a, [0, 2, 1, 3]), heads(c, [0, 2, 3, 1])])
    scores = b.node("Mul", [scores, b.dtype.type(size**-0.5)])
    scores = hidden(b, scores, use, mask, 3, 4, layer.causal)
    y = b.node("MatMul", [softmax(b, scores, 4), heads(d, [0, 2, 1, 3])])
    y = b.reshape(b.node("Transpose", [y], perm=[0, 2, 1, 3]), [0, 0, h * size])
    return b.node("Add", [b.node("MatMul", [y, weights["Wo"]]), weights["bo"]])


@emits(L.EmbeddingDot)
def embedding_dot(b, use, x):
    """x is h (N, H) and ids (N) or (N, K)."""
    rows = b.node("Gather", [b.weight(use.layer.W, b.path(use, "W")), x[1]], axis=0)
    h = b.unsqueeze(x[0], [1]) if use.rank(1) == 2 else x[0]
    return b.reduce("ReduceSum", b.node("Mul", [rows, h]), [use.rank(1)], False)


@emits(L.ColumnEmbedding)
def column_embedding(b, use, x):
    """The columns of numbers, then the rows of W that the codes name."""
    layer, width = use.layer, use.shape()[1]
    codes = b.node("Gather", [x[0], np.array(layer.columns, np.int64)], axis=1)
    ids = b.cast(b.node("Round", [codes], since=11), 7)
    ids = b.node("Add", [ids, layer.starts.astype(np.int64)[None]])
    rows = b.node("Gather", [b.weight(layer.W, b.path(use, "W")), ids], axis=0)
    rows = b.node("Flatten", [rows], axis=1)
    numbers = layer.numbers(width)
    if not numbers:
        return rows
    kept = b.node("Gather", [x[0], np.array(numbers, np.int64)], axis=1)
    return b.node("Concat", [kept, rows], axis=1)


@emits(L.ScatterAdd)
def scatter_add(b, use, x):
    layer, rank = use.layer, use.rank()
    axis = layer.axis % rank
    shape = b.node("Shape", [x[0]])
    parts = [np.array([layer.length], np.int64)]
    if axis:
        parts = [b.slice(shape, 0, 0, axis), *parts]
    if axis < rank - 1:
        parts = [*parts, b.slice(shape, 0, axis + 1, rank)]
    shape = b.node("Concat", parts, axis=0) if len(parts) > 1 else parts[0]
    zeros = b.node("Expand", [b.dtype.type(0), shape], since=16)
    return b.node("ScatterElements", [zeros, b.cast(x[1], 7), x[0]], axis=axis, reduction="add")


@emits(L.Sparsemax)
def sparsemax(b, use, x):
    """The k largest sorted, from which τ is found as the layer finds it."""
    axis, number = use.layer.axis % use.rank(), b.dtype.type
    size = use.shape()[axis]
    if size is None:
        raise NoForm("Sparsemax along the batch")
    below = b.node("Sub", [x[0], b.reduce("ReduceMax", x[0], [axis], True)])
    falling, _ = b.node("TopK", [below, np.array([size], np.int64)], outputs=2, axis=axis, since=11)
    sums = b.node("CumSum", [falling, np.array(axis, np.int64)])
    k = np.arange(1, size + 1, dtype=b.dtype).reshape(-1, *[1] * (use.rank() - 1 - axis))
    large = b.node("Add", [b.node("Mul", [falling, k]), number(1)])
    inside = b.cast(b.node("Greater", [large, sums]), b.code)
    total = b.reduce("ReduceSum", b.node("Mul", [falling, inside]), [axis], True)
    count = b.reduce("ReduceSum", inside, [axis], True)
    tau = b.node("Div", [b.node("Sub", [total, number(1)]), count])
    return b.node("Relu", [b.node("Sub", [below, tau])])


@emits(L.SpectralNorm)
def spectral_norm(b, use, x):
    """The layer inside, with the divided weights."""
    inner = shallow_clone(use.layer.layer, training=False)
    inner.W = use.layer.divided
    emit = EMIT.get(type(inner))
    if emit is None:
        raise NoForm(f"{type(inner).__name__} inside of it")
    scope, b.scope = b.scope, f"{b.scope}.layer".strip(".")
    path = f"{use.path}.layer".strip(".")
    y = emit(b, Use((inner, inner), use.given, use.shapes, use.outputs, path), x)
    b.scope = scope
    return y


@emits(L.TopK)
def top_k(b, use, x):
    axis = use.layer.axis % use.rank()
    _, index = b.node("TopK", [x[0], np.array([use.layer.k], np.int64)], outputs=2, axis=axis,
                      since=11)  # fmt: skip
    return index


@emits(L.ArgMax)
def arg_max(b, use, x):
    return b.node("ArgMax", [x[0]], axis=use.layer.axis % use.rank(), keepdims=0)


# -- cells --------------------------------------------------------------------------------------


def product(b: Builder, use: Use, x: str, name: str) -> Any:
    return b.node("MatMul", [x, b.weight(getattr(use.layer, name), b.path(use, name))])


@emits(L.RNNCell)
def rnn_cell(b, use, x):
    a = b.node("Add", [product(b, use, x[0], "Wx"), product(b, use, x[1], "Wh")])
    return b.node("Tanh", [b.node("Add", [a, b.weight(use.layer.b, b.path(use, "b"))])])


@emits(L.LSTMCell)
def lstm_cell(b, use, x):
    a = b.node("Add", [product(b, use, x[0], "Wx"), product(b, use, x[1], "Wh")])
    a = b.node("Add", [a, b.weight(use.layer.b, b.path(use, "b"))])
    f, g, i, o = b.split(a, [use.layer.outputs] * 4, 1)
    f, i, o = (b.node("Sigmoid", [v]) for v in (f, i, o))
    new = b.node("Mul", [i, b.node("Tanh", [g])])
    c = b.node("Add", [b.node("Mul", [f, x[2]]), new])
    return [b.node("Mul", [o, b.node("Tanh", [c])]), c]


@emits(L.GRUCell)
def gru_cell(b, use, x):
    layer, size = use.layer, use.layer.outputs
    a = b.node("Add", [product(b, use, x[0], "Wx"), b.weight(layer.b, b.path(use, "b"))])
    xz, xr, xn = b.split(a, [size] * 3, 1)
    gates = b.weight(layer.Wh[:, : 2 * size], b.path(use, "Wh_zr"))
    last = b.weight(layer.Wh[:, 2 * size :], b.path(use, "Wh_n"))
    hz, hr = b.split(b.node("MatMul", [x[1], gates]), [size] * 2, 1)
    z = b.node("Sigmoid", [b.node("Add", [xz, hz])])
    r = b.node("Sigmoid", [b.node("Add", [xr, hr])])
    if layer.reset == "after":
        inner = b.node("Add", [b.node("MatMul", [x[1], last]),
                               b.weight(layer.bh, b.path(use, "bh"))])  # fmt: skip
        part = b.node("Mul", [r, inner])
    else:
        part = b.node("MatMul", [b.node("Mul", [r, x[1]]), last])
    n = b.node("Tanh", [b.node("Add", [xn, part])])
    return b.node("Add", [n, b.node("Mul", [z, b.node("Sub", [x[1], n])])])
