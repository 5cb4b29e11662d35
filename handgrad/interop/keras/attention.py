"""Keras's attention layers as ours."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad import layers
from handgrad.arrays import Array
from handgrad.interop.keras.builder import Builder, Convert, Value, need, plain, size
from handgrad.interop.keras.masks import _where
from handgrad.interop.steps import Ref
from handgrad.layer import Layer
from handgrad.layers.attention import masked_softmax, softmax_backward, visible


class ScaledAttention(Layer):
    """y = softmax(s · q @ kᵀ) @ v with a number s that is learned.

    Shapes: q (N, T, D), k (N, S, D), v (N, S, E), mask (N, S) or (N, T, S), y (N, T, E), scale ().
    Gradient: that of `DotProductAttention` at s · q; dq = s times it, ds = the sum of it times q.
    Source: Luong, Pham & Manning, "Effective approaches to attention-based neural machine
    translation", EMNLP 2015, with the factor that Keras adds.
    """

    params = ("scale",)

    def __init__(self, *, causal: bool = False):
        self.inner = layers.DotProductAttention(causal=causal, scaled=False)

    def forward(self, q: Array, k: Array, v: Array, mask: Array | None = None) -> Array:
        self.q = q
        y: Array = self.inner.forward(q * self.scale, k, v, mask)
        return y

    def backward(self, dy: Array) -> tuple[Any, ...]:
        dscaled, *others = self.inner.backward(dy)
        self.dscale = np.asarray((dscaled * self.q).sum())
        return dscaled * self.scale, *others


class TanhAttention(Layer):
    """y = softmax(s) @ v, s[t, j] = w · tanh(q[t] + k[j]): AdditiveAttention without its matrices.

    Shapes: q (N, T, D), k (N, S, D), v (N, S, E), mask (N, S) or (N, T, S), w (D), y (N, T, E).
    Gradient: numbered in `backward`.
    Source: Bahdanau, Cho & Bengio, ICLR 2015, as Keras has it.
    """

    params = ("w",)

    def __init__(self, *, causal: bool = False):
        self.causal = causal

    def forward(self, q: Array, k: Array, v: Array, mask: Array | None = None) -> Array:
        self.v, self.given = v, mask is not None
        self.z = np.tanh(q[:, :, None] + k[:, None])  # 1
        scores = self.z @ self.w  # 2
        self.weights = masked_softmax(scores, visible(self, scores.shape, mask, self.causal))  # 3
        y: Array = self.weights @ v  # 4
        return y

    def backward(self, dy: Array) -> tuple[Any, ...]:
        dv = self.weights.swapaxes(1, 2) @ dy  # undoes 4
        dscores = softmax_backward(self.weights, dy @ self.v.swapaxes(1, 2))  # undoes 4, 3
        self.dw = np.einsum("nts,ntsd->d", dscores, self.z)  # undoes 2
        dz = dscores[..., None] * self.w * (1 - self.z**2)  # undoes 2, 1
        gradients = dz.sum(axis=2), dz.sum(axis=1), dv
        return (*gradients, None) if self.given else gradients


def _attended(
    b: Builder, layer: Any, q: Value, k: Value, v: Value, masks: list[Value | None], rank: int = 3
) -> Value:
    """A step by an attention, which sees what all the masks let it see: (N, S) or (N, T, S)."""
    seen: Value | None = None
    for mask in masks:
        if mask is None:
            continue
        whole = mask if mask.rank == 3 else b.step(lambda m: m[:, None], [Ref(mask.name)], 3)
        seen = whole if seen is None else b.step(np.logical_and, [Ref(seen.name), Ref(whole.name)],
                                                 3)  # fmt: skip
    if seen is None:
        return b.add(layer, q, k, v, rank=rank)
    steps = b.step(_for_each_query, [Ref(seen.name), Ref(q.name)], 3)
    return b.add(layer, q, k, v, steps, rank=rank)


def _for_each_query(mask: Any, q: Any) -> Any:
    """(N, 1 or T, S) as (N, T, S)."""
    return np.broadcast_to(mask, (len(mask), q.shape[-2], mask.shape[2]))


def _attention(
    b: Builder, c: dict[str, Any], q: Value, v: Value, k: Value | None = None, *, mask: Any = None,
    use_causal_mask: bool = False,
) -> Value:  # fmt: skip
    plain(c, dropout=0.0, score_mode="dot")
    if c.get("use_scale"):
        layer: Any = ScaledAttention(causal=use_causal_mask)
        b.weighted(layer, "scalar", ("vars/0", b.array("vars/0")))
    else:
        layer = layers.DotProductAttention(causal=use_causal_mask, scaled=False)
    return _of_keras(b, layer, q, v, k, mask)


def _additive(
    b: Builder, c: dict[str, Any], q: Value, v: Value, k: Value | None = None, *, mask: Any = None,
    use_causal_mask: bool = False,
) -> Value:  # fmt: skip
    plain(c, dropout=0.0, use_scale=True)
    layer = TanhAttention(causal=use_causal_mask)
    b.weighted(layer, "weight", ("vars/0", b.array("vars/0", None)))
    return _of_keras(b, layer, q, v, k, mask)


def _of_keras(b: Builder, layer: Any, q: Value, v: Value, k: Value | None, mask: Any) -> Value:
    """Values come before keys; mask is [that of q, that of v]: y is 0 where q has no data."""
    need(mask is None or (isinstance(mask, list) and len(mask) > 1), "a mask that is no list")
    of_q, of_v = (mask or [None, None])[:2]
    q, v, k = b.given(q), b.given(v), b.given(v if k is None else k)
    y = _attended(b, layer, q, k, v, [of_v])
    return y if of_q is None else b.step(_where, [Ref(y.name), Ref(of_q.name)], 3)


def _heads(
    b: Builder, c: dict[str, Any], query: Value, value: Value, key: Value | None = None, *,
    query_mask: Value | None = None, value_mask: Value | None = None,
    key_mask: Value | None = None, attention_mask: Value | None = None,
    use_causal_mask: bool = False,
) -> Value:  # fmt: skip
    """Products, an attention of all heads at once, and a product.

    query_mask takes no part: what Keras gives for queries without data means nothing.
    """
    plain(c, dropout=0.0, use_gate=False, sliding_window=None)
    need(c.get("attention_axes") in (None, [1]), f"attention_axes={c.get('attention_axes')!r}")
    h, D = size(c["num_heads"], "num_heads"), size(c["key_dim"], "key_dim")
    E = size(c.get("value_dim") or D, "value_dim")
    q, v, k = b.given(query), b.given(value), b.given(value if key is None else key)
    need(q.rank == v.rank == k.rank == 3, "inputs that are not (N, T, D)")
    parts = (_part(b, c, "query", q, h, D), _part(b, c, "key", k, h, D),
             _part(b, c, "value", v, h, E))  # fmt: skip
    layer = layers.DotProductAttention(causal=use_causal_mask)
    y = _attended(b, layer, *parts, [attention_mask, value_mask, key_mask], rank=4)
    y = b.add(layers.Transpose((0, 2, 1, 3)), y)
    y = b.step(lambda a: a.reshape((*a.shape[:2], h * E)), [Ref(y.name)], 3)
    W = b.array("output_dense/vars/0", h, E, None)
    return _dense(b, c, "output_dense", "heads_out", W, y)


def _part(b: Builder, c: dict[str, Any], name: str, x: Value, h: int, size: int) -> Value:
    """(N, T, D) as (N, h, T, size) by a product."""
    W = b.array(f"{name}_dense/vars/0", None, h, size)
    y = _dense(b, c, f"{name}_dense", "heads_in", W, x)
    y = b.step(lambda a: a.reshape((*a.shape[:2], h, size)), [Ref(y.name)], 4)
    return b.add(layers.Transpose((0, 2, 1, 3)), y)


def _dense(b: Builder, c: dict[str, Any], group: str, layout: str, W: Array, x: Value) -> Value:
    """An Affine whose W lies with its heads apart."""
    bias, inward = bool(c.get("use_bias", True)), layout == "heads_in"
    inputs, outputs = (W.shape[:1], W.shape[1:]) if inward else (W.shape[:2], W.shape[2:])
    layer = layers.Affine(int(np.prod(outputs)), inputs=int(np.prod(inputs)), bias=bias)
    arrays = [(f"{group}/vars/0", W)]
    if bias:
        arrays.append((f"{group}/vars/1", b.array(f"{group}/vars/1", *outputs)))
    return b.add(b.weighted(layer, layout, *arrays), x)


CONVERT: dict[str, Convert] = {
    "Attention": _attention, "AdditiveAttention": _additive, "MultiHeadAttention": _heads,
}  # fmt: skip
