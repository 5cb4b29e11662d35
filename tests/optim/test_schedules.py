"""Schedules: their formulas, torch.optim.lr_scheduler beside them, and bad options."""

import math

import numpy as np
import pytest

from handgrad import optim


def values(schedule, steps):
    return [schedule(step) for step in range(steps)]


def test_formulas():
    assert values(optim.Constant(0.3), 3) == [0.3] * 3
    np.testing.assert_allclose(
        values(optim.StepDecay(1.0, every=2, factor=0.5), 5), [1, 1, 0.5, 0.5, 0.25]
    )
    np.testing.assert_allclose(
        values(optim.ExponentialDecay(1.0, every=2, factor=0.25), 4), [1, 0.5, 0.25, 0.125]
    )
    cosine = optim.CosineDecay(1.0, steps=4, end=0.2)
    root = math.sqrt(0.5)
    expected = [1, 0.6 + 0.4 * root, 0.6, 0.6 - 0.4 * root, 0.2, 0.2]
    np.testing.assert_allclose(values(cosine, 6), expected)


def test_warm_up_rises_to_the_schedule_and_then_follows_it():
    stair = optim.StepDecay(1.0, every=2, factor=0.5)
    np.testing.assert_allclose(
        values(optim.WarmUp(stair, steps=3), 7), [0.25, 0.5, 0.75, 1, 1, 0.5, 0.5]
    )
    np.testing.assert_allclose(values(optim.WarmUp(0.4, steps=1), 3), [0.2, 0.4, 0.4])


def test_plateau_falls_after_more_than_patience_values_that_are_not_better():
    plateau = optim.Plateau(1.0, factor=0.5, patience=1, minimum=0.2)
    seen = []
    for value in [3.0, 2.0, 2.0, math.nan, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0]:
        plateau.observe(value)
        seen.append(plateau(0))
    assert seen == [1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.2, 0.2, 0.2]


@pytest.mark.parametrize("mode", ["min", "max"])
def test_same_as_torch(mode):
    torch = pytest.importorskip("torch", reason="torch, the peer, is not installed")
    peer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        peer, mode=mode, factor=0.3, patience=2, threshold=0.05, min_lr=1e-4, eps=0
    )
    plateau = optim.Plateau(0.1, factor=0.3, patience=2, threshold=0.05, minimum=1e-4, mode=mode)
    for value in 5 + np.random.default_rng(0).normal(size=60):
        scheduler.step(value)
        plateau.observe(value)
        assert plateau(0) == pytest.approx(peer.param_groups[0]["lr"], rel=1e-12)
    assert plateau(0) < 0.1


def test_a_better_value_below_zero_counts():
    plateau = optim.Plateau(1.0, patience=0, threshold=0.1)
    for value in [-1.0, -1.2, -1.4]:
        plateau.observe(value)
    assert plateau(0) == 1.0
    plateau.observe(-1.45)
    assert plateau(0) == 0.1


def test_warm_up_passes_values_and_state_on():
    schedule = optim.WarmUp(optim.Plateau(1.0, patience=0), steps=1)
    schedule.observe(1.0)
    schedule.observe(1.0)
    assert schedule(5) == pytest.approx(0.1)
    other = optim.WarmUp(optim.Plateau(1.0, patience=0), steps=1)
    other.load_state_dict(schedule.state_dict())
    assert other(5) == schedule(5)


BAD = [
    (lambda: optim.Constant(-1), "Constant: lr"),
    (lambda: optim.StepDecay(0.1, every=0), "StepDecay: every must be an integer"),
    (lambda: optim.StepDecay(0.1, every=1.5), "StepDecay: every must be an integer"),
    (lambda: optim.ExponentialDecay(0.1, every=1, factor=-1), "ExponentialDecay: factor"),
    (lambda: optim.CosineDecay(0.1, steps=-3), "CosineDecay: steps"),
    (lambda: optim.CosineDecay(math.nan, steps=3), "CosineDecay: lr"),
    (lambda: optim.WarmUp(-0.1, steps=3), "lr must be"),
    (lambda: optim.WarmUp(0.1, steps=None), "WarmUp: steps"),
    (lambda: optim.Plateau(0.1, mode="low"), "mode must be 'min' or 'max', got 'low'"),
    (lambda: optim.Plateau(0.1, factor=1), r"factor must be a number in \[0, 1\)"),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_options(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_repr():
    assert repr(optim.StepDecay(0.1, every=5)) == "StepDecay(lr=0.1, every=5, factor=0.1)"
