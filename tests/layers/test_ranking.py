"""Losses of rankings: what counts of the relevances, lists of several lengths, and learning."""

from __future__ import annotations

import numpy as np
import pytest

from handgrad import Adam, Affine, ReLU, Sequential
from handgrad.layers import ListNet, RankNet
from handgrad.metrics import ndcg

each = pytest.mark.parametrize("cls", [ListNet, RankNet])


def both(loss, *inputs):
    return loss.forward(*inputs), loss.backward(0.7)[0]


@each
def test_where_t_is_minus_infinity_there_is_no_document(cls, rng):
    y, t = rng.standard_normal((2, 5)), rng.standard_normal((2, 5))
    t[0, 3:], y[0, 3:] = -np.inf, 1e6
    value, dy = both(cls(), y, t)
    short, long = both(cls(), y[:1, :3], t[:1, :3]), both(cls(), y[1:], t[1:])
    assert value == pytest.approx((short[0] + long[0]) / 2, rel=1e-14)
    np.testing.assert_allclose(dy[0, :3], short[1][0] / 2, rtol=1e-14)
    np.testing.assert_allclose(dy[1], long[1][0] / 2, rtol=1e-14)
    assert not dy[0, 3:].any()


def test_ranknet_is_the_mean_over_the_pairs(rng):
    y, t = rng.standard_normal((3, 4)), np.array([[2, 0, 1, 1], [3, 2, 1, 0], [1, 1, 1, 1]])
    total = 0.0
    for scores, relevances in zip(y, t):
        terms = [
            np.log1p(np.exp(scores[j] - scores[i]))
            for i in range(4) for j in range(4) if relevances[i] > relevances[j]
        ]  # fmt: skip
        total += np.mean(terms) if terms else 0
    assert RankNet()(y, t) == pytest.approx(total / 3, rel=1e-14)
    assert RankNet()(y, 10 * t) == RankNet()(y, t)  # the order alone


@each
def test_scores_far_apart_do_not_overflow(cls):
    y, t = np.array([[1e4, -1e4, 0]], np.float32), np.array([[0, 1, 2]], np.float32)
    value, dy = both(cls(), y, t)
    assert np.isfinite(value)
    assert np.isfinite(dy).all()


@each
def test_a_network_learns_to_rank(cls, rng):
    x = rng.standard_normal((60, 6, 4)).astype(np.float32)
    t = np.clip(np.round(x @ [1.0, -1.0, 0.5, 0.0] + 1), 0, 3)
    network = Sequential(Affine(16), ReLU(), Affine(1), seed=1)
    before = ndcg(network.predict(x)[..., 0], t)
    loss, rule = cls(), Adam(0.02)
    for _ in range(60):
        loss.forward(network.forward(x)[..., 0], t)
        network.backward(loss.backward()[0][..., None])
        rule.step(network)
    assert ndcg(network.predict(x)[..., 0], t) > max(0.97, before + 0.1)
