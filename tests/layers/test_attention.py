"""Attention and positional encodings: formulas, masks, errors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from handgrad.arrays import ShapeError
from handgrad.layer import slots
from handgrad.layers import (
    AdditiveAttention,
    DotProductAttention,
    LearnedPosition,
    MultiHeadAttention,
    SinePosition,
    length_mask,
)
from handgrad.prove import check
from tests.reference.sequences import attention


def close(a, b, tolerance=1e-12):
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.fixture
def qkv(rng):
    return [rng.standard_normal(s) for s in ((2, 4, 6), (2, 4, 6), (2, 4, 3))]


MASKS = [None, length_mask([2, 4], 4), np.tri(4, dtype=bool)[None] * np.ones((2, 1, 1), bool)]


@pytest.mark.parametrize("mask", MASKS, ids=["none", "keys", "pairs"])
@pytest.mark.parametrize("causal", [False, True])
def test_dot_product_as_written_out(mask, causal, qkv):
    y = DotProductAttention(causal=causal)(*qkv, mask)
    for n, (q, k, v) in enumerate(zip(*qkv)):
        scores = [[sum(a * b for a, b in zip(row, key)) / math.sqrt(6) for key in k] for row in q]
        seen = np.ones((4, 4), bool) if mask is None else np.broadcast_to(mask[n], (4, 4))
        seen = seen & np.tri(4, dtype=bool) if causal else seen
        close(y[n], attention(scores, v, seen))


def test_additive_as_written_out(qkv):
    layer, mask = AdditiveAttention(5, seed=1), length_mask([2, 4], 4)
    y = layer(*qkv, mask)
    for n, (q, k, v) in enumerate(zip(*qkv)):
        scores = [[sum(layer.w[j] * math.tanh(row @ layer.Wq[:, j] + key @ layer.Wk[:, j])
                       for j in range(5)) for key in k] for row in q]  # fmt: skip
        close(y[n], attention(scores, v, np.broadcast_to(mask[n], (4, 4))))


def test_each_head_is_an_attention_of_its_columns(qkv, rng):
    layer, mask = MultiHeadAttention(3, causal=True, seed=1), length_mask([2, 4], 4)
    layer.build(*qkv)
    for slot in slots(layer):
        slot.set(rng.standard_normal(slot.value.shape))
    q, k, v = qkv
    a, b, c = q @ layer.Wq + layer.bq, k @ layer.Wk, v @ layer.Wv + layer.bv
    heads = [
        DotProductAttention(causal=True)(*(x[..., i : i + 2] for x in (a, b, c)), mask)
        for i in (0, 2, 4)
    ]
    close(layer(q, k, v, mask), np.concatenate(heads, axis=-1) @ layer.Wo + layer.bo)


def test_what_is_left_out_stands_in(qkv, rng):
    q, k, _ = qkv
    dy = rng.standard_normal(q.shape)
    layer = MultiHeadAttention(2, seed=1)
    y = layer(q)
    dx = layer.backward(dy)
    np.testing.assert_array_equal(layer(q, q, q), y)
    close(dx, sum(layer.backward(dy)))
    y = layer(q, k)
    dq, dk = layer.backward(dy)
    np.testing.assert_array_equal(layer(q, k, k), y)
    expected = layer.backward(dy)
    close(dq, expected[0])
    close(dk, expected[1] + expected[2])


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("steps", [1, 4])
def test_proved(batch, steps, rng):
    q, k, v = (rng.standard_normal((batch, s, d)) for s, d in ((steps, 4), (3, 4), (3, 2)))
    mask = length_mask(rng.integers(1, 4, batch), 3)
    assert check(DotProductAttention(), q, k, v, mask)
    assert check(DotProductAttention(causal=True, scaled=False), q, q, q)
    assert check(AdditiveAttention(3, seed=1), q, k, v, mask)
    assert check(MultiHeadAttention(2, seed=1), q, k, v, mask)
    assert check(MultiHeadAttention(2, causal=True, seed=1), q)
    assert check(SinePosition(), q)
    assert check(LearnedPosition(5, seed=1), q)


def test_masked_keys_have_no_say(qkv, rng):
    q, k, v = qkv
    mask = length_mask([2, 3], 4)
    layer = DotProductAttention()
    y = layer(q, k, v, mask)
    _, dk, dv, none = layer.backward(rng.standard_normal(y.shape))
    assert none is None
    assert not dk[~mask].any()
    assert not dv[~mask].any()
    np.testing.assert_array_equal(layer.weights.sum(axis=1)[~mask], 0)
    k[~mask], v[~mask] = 1e3, -1e3
    np.testing.assert_array_equal(layer(q, k, v, mask), y)


def test_large_scores_do_not_overflow(qkv):
    q, k, v = (x.astype(np.float32) for x in qkv)
    y = DotProductAttention()(q * 1e4, k * 1e4, v)
    assert np.isfinite(y).all()


@pytest.mark.parametrize("dimension", [1, 5, 6])
def test_sines(dimension):
    x = np.zeros((2, 7, dimension), np.float32)
    y = SinePosition()(x)
    assert y.dtype == np.float32
    for t, d in np.ndindex(7, dimension):
        angle = t / 10_000 ** ((d - d % 2) / dimension)
        expected = math.cos(angle) if d % 2 else math.sin(angle)
        assert y[1, t, d] == pytest.approx(expected, abs=1e-6)


def test_learned_positions(rng):
    layer, x = LearnedPosition(6, init=1.0, seed=1), rng.standard_normal((3, 4, 2))
    dy = rng.standard_normal(x.shape)
    close(layer(x) - x, np.broadcast_to(layer.P[:4], x.shape), 1e-15)
    np.testing.assert_array_equal(layer.backward(dy), dy)
    close(layer.dP, [*(sum(dy[n, t] for n in range(3)) for t in range(4)), [0, 0], [0, 0]])


ATTENTIONS = [DotProductAttention(), AdditiveAttention(3, seed=1), MultiHeadAttention(2, seed=1)]


@pytest.mark.parametrize("layer", ATTENTIONS, ids=repr)
def test_errors_of_masks(layer, qkv):
    mask = np.ones((2, 4), bool)
    mask[1] = False
    what = "every query must see a key, but all positions are masked for query 0 of sample 1"
    with pytest.raises(ValueError, match=what):
        layer(*qkv, mask)
    with pytest.raises(ShapeError, match=r"the mask must be \(N, S\) = \(2, 4\) or \(N, T, S\)"):
        layer(*qkv, np.ones((2, 3), bool))
    with pytest.raises(ValueError, match="the mask must be of booleans"):
        layer(*qkv, np.ones((2, 4)))


@pytest.mark.parametrize("layer", ATTENTIONS, ids=repr)
def test_errors_of_shapes(layer, qkv):
    name, (q, k, v) = type(layer).__name__, qkv
    layer(q, k, v)
    for bad in ((q[..., :5], k, v), (q, k[..., :5], v), (q, k, v[:, :3]), (q[0], k[0], v[0]),
                (q, k[:1], v[:1])):  # fmt: skip
        with pytest.raises(ShapeError, match=name):
            layer(*bad)
    with pytest.raises(ShapeError, match="at least one key is needed"):
        layer(q, k[:, :0], v[:, :0])
    with pytest.raises(ValueError, match=f"{name}: k is float32 but"):
        layer(q, k.astype(np.float32), v)


def test_errors_of_options(rng):
    x = rng.standard_normal((2, 4, 6))
    with pytest.raises(ValueError, match="heads must divide outputs = 6, got 4"):
        MultiHeadAttention(4)(x)
    with pytest.raises(ValueError, match="heads must be a positive integer, got 0"):
        MultiHeadAttention(0)
    with pytest.raises(ShapeError, match=r"T ≤ 3 and D = 6, got \(2, 4, 6\)"):
        LearnedPosition(3)(x)
    with pytest.raises(ShapeError, match=r"SinePosition: x must be \(N, T, D\), got \(4, 6\)"):
        SinePosition()(x[0])
