"""Attention: by products of queries and keys, and as a recurrence."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.interop.onnx.operators.registry import PREVIEW, operator
from handgrad.interop.onnx.tensors import dtype_of


def by_heads(x: Any, heads: int | None) -> Any:
    """(N, H, T, D), from itself or from (N, T, H·D)."""
    if x.ndim == 4:
        return x
    return x.reshape(*x.shape[:2], heads, -1).transpose(0, 2, 1, 3)


def shared(x: Any, heads: int) -> Any:
    """Each head of keys or values repeated for the queries that share it."""
    return x if x.shape[1] == heads else np.repeat(x, heads // x.shape[1], axis=1)


def weights(scores: Any) -> Any:
    """The softmax over keys; 0 where no key may be seen."""
    top = scores.max(-1, keepdims=True, initial=-np.inf)
    e = np.exp(scores - np.where(np.isfinite(top), top, 0))
    total = e.sum(-1, keepdims=True)
    return e / np.where(total == 0, 1, total)


def additive(mask: Any, keys: int, dtype: Any) -> Any:
    """A mask as numbers that are added to the scores; −∞ for keys beyond its end."""
    if mask.dtype == bool:
        mask = np.where(mask, 0, -np.inf)
    short = keys - mask.shape[-1]
    if short > 0:
        mask = np.pad(mask, [(0, 0)] * (mask.ndim - 1) + [(0, short)], constant_values=-np.inf)
    return mask.astype(dtype)


def frontier(queries: int, keys: int, offset: Any, left: int, right: int) -> Any:
    """−∞ where key j lies outside of [p − left, p + right], p being the query's own position."""
    own = np.arange(queries)[:, None] + np.asarray(offset).reshape(-1, 1, 1, 1)
    j = np.arange(keys)
    seen = np.ones(np.broadcast_shapes(own.shape, j.shape), bool)
    if left >= 0:
        seen &= j >= own - left
    if right >= 0:
        seen &= j <= own + right
    return np.where(seen, 0, -np.inf)


@operator("Attention", since=23)
def attention(q, k, v, mask=None, past_key=None, past_value=None, lengths=None, *, is_causal=0,
              kv_num_heads=None, q_num_heads=None, qk_matmul_output_mode=0, scale=None,
              softcap=0.0, softmax_precision=None, left_window_size=-1, right_window_size=-1,
              node):  # fmt: skip
    """softmax(q·kᵀ · scale + mask) · v for each head; also the keys, values and scores."""
    flat = q.ndim == 3
    q, k, v = by_heads(q, q_num_heads), by_heads(k, kv_num_heads), by_heads(v, kv_num_heads)
    offset: Any = 0
    if past_key is not None:
        offset = past_key.shape[2]
        k, v = np.concatenate([past_key, k], 2), np.concatenate([past_value, v], 2)
    elif lengths is not None:
        offset = lengths - q.shape[2]
    queries, keys = q.shape[2], k.shape[2]
    root = np.sqrt(1 / np.sqrt(q.shape[-1]) if scale is None else scale).astype(q.dtype)
    scores = (q * root) @ shared(k * root, q.shape[1]).swapaxes(-1, -2)
    steps = [scores]
    if softcap:
        scores = (softcap * np.tanh(scores / softcap)).astype(q.dtype)
    steps.append(scores)
    if mask is not None:
        scores = scores + additive(mask, keys, scores.dtype)
    right = min(n for n in (right_window_size, 0 if is_causal else -1, keys) if n >= 0)
    if right < keys or left_window_size >= 0:
        reach = right if right < keys else -1
        bias = frontier(queries, keys, offset, left_window_size, reach)
        scores = scores + bias.astype(scores.dtype)
    if lengths is not None:
        padded = np.arange(keys) >= np.asarray(lengths).reshape(-1, 1, 1, 1)
        scores = np.where(padded, -np.inf, scores).astype(scores.dtype)
    steps.append(scores)
    precise = scores if softmax_precision is None else scores.astype(dtype_of(softmax_precision))
    p = weights(precise).astype(q.dtype)
    y = (p @ shared(v, q.shape[1]).astype(p.dtype)).astype(q.dtype)
    if flat:
        y = y.transpose(0, 2, 1, 3).reshape(y.shape[0], queries, -1)
    return y, k, v, [*steps, p][qk_matmul_output_mode]


@operator("FlexAttention", domain=PREVIEW)
def flex_attention(q, k, v, *, score_mod=None, prob_mod=None, scale=None, softmax_precision=None,
                   node):  # fmt: skip
    """Attention whose scores and weights pass through graphs of the file's own."""
    wide: Any = np.float64 if q.dtype == np.float64 else np.float32
    wide = wide if softmax_precision is None else dtype_of(softmax_precision)
    heads, scale = q.shape[1], 1 / np.sqrt(q.shape[-1]) if scale is None else scale
    scores = (q @ shared(k, heads).swapaxes(-1, -2) * np.asarray(scale, q.dtype)).astype(wide)
    if score_mod is not None:
        (scores,) = node.run(score_mod, [scores])
    p = weights(scores).astype(wide)
    if prob_mod is not None:
        (p,) = node.run(prob_mod, [p])
    return (p.astype(q.dtype) @ shared(v, heads)).astype(q.dtype)


@operator("LinearAttention", since=27)
def linear_attention(q, k, v, state=None, decay=None, beta=None, *, q_num_heads, kv_num_heads,
                     scale=0.0, update_rule="gated_delta", chunk_size=64):  # fmt: skip
    """o = scale · qᵀ S, a state S that each step lets decay and adds k ⊗ v to."""
    n, steps = q.shape[:2]
    q, k, v = by_heads(q, q_num_heads), by_heads(k, kv_num_heads), by_heads(v, kv_num_heads)
    scale = scale or 1 / np.sqrt(q.shape[-1])
    dtype = np.float32 if state is None and q.dtype == np.float16 else q.dtype
    kept = q.dtype if state is None else state.dtype
    s = np.zeros((n, kv_num_heads, k.shape[-1], v.shape[-1]), dtype) if state is None else state
    s = s.astype(np.result_type(s.dtype, np.float32))
    y = np.zeros((n, steps, q_num_heads, v.shape[-1]), q.dtype)
    for t in range(steps):
        kt, vt = k[:, :, t].astype(s.dtype), v[:, :, t].astype(s.dtype)
        if "gated" in update_rule:
            s = s * np.exp(decay[:, t].reshape(n, kv_num_heads, -1, 1).astype(s.dtype))
        if "delta" in update_rule:
            rate = beta[:, t].reshape(n, -1, 1).astype(s.dtype)
            vt = rate * (vt - np.einsum("nhkv,nhk->nhv", s, kt))
        s = s + kt[..., :, None] * vt[..., None, :]
        seen = shared(s, q_num_heads)
        y[:, t] = scale * np.einsum("nhk,nhkv->nhv", q[:, :, t].astype(s.dtype), seen)
    return y.reshape(n, steps, -1), s.astype(kept)
