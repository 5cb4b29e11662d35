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


def test_cycles():
    np.testing.assert_allclose(
        values(optim.Cyclic(1.0, 3.0, half=2, shrink=0.5), 9), [1, 2, 3, 2, 1, 1.5, 2, 1.5, 1]
    )
    restarts = values(optim.CosineRestarts(1.0, steps=2, longer=2), 8)
    once = values(optim.CosineDecay(1.0, steps=4), 4)
    np.testing.assert_allclose(restarts, [1, 0.5, *once, 1, optim.CosineDecay(1.0, steps=8)(1)])
    alike = optim.CosineRestarts(1.0, steps=7)
    assert alike(7 * 10**9 + 3) == alike(3)
    one = values(optim.OneCycle(2.0, steps=10, rise=0.5, start=4, end=8), 12)
    assert one[0] == 0.5
    assert max(one) == one[4] == 2
    assert one[9] == one[10] == one[11] == 0.25
    assert values(optim.OneCycle(1.0, steps=1), 2)[0] <= 1


def test_cycles_are_those_of_torch():
    torch = pytest.importorskip("torch", reason="torch, the peer, is not installed")
    peers = torch.optim.lr_scheduler
    for make, ours in (
        (lambda o: peers.CyclicLR(o, 0.01, 0.2, 7, mode="triangular2"),
         optim.Cyclic(0.01, 0.2, half=7, shrink=0.5)),
        (lambda o: peers.OneCycleLR(o, 0.2, total_steps=60), optim.OneCycle(0.2, steps=60)),
        (lambda o: peers.OneCycleLR(o, 0.2, total_steps=60, pct_start=0.05),
         optim.OneCycle(0.2, steps=60, rise=0.05)),
        (lambda o: peers.CosineAnnealingWarmRestarts(o, 9, 2, 0.01),
         optim.CosineRestarts(0.2, steps=9, longer=2, end=0.01)),
    ):  # fmt: skip
        peer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.2, momentum=0.9)
        scheduler = make(peer)
        for step in range(60):
            assert ours(step) == pytest.approx(peer.param_groups[0]["lr"], rel=1e-9)
            peer.step()
            if step < 59:
                scheduler.step()


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
    (lambda: optim.Cyclic(0.2, 0.1, half=3), "Cyclic: low must be at most high = 0.1, got 0.2"),
    (lambda: optim.Cyclic(0.1, 0.2, half=0), "Cyclic: half must be an integer"),
    (lambda: optim.OneCycle(0.1, steps=0), "OneCycle: steps"),
    (lambda: optim.OneCycle(0.1, steps=9, rise=1), "OneCycle: rise"),
    (lambda: optim.OneCycle(0.1, steps=9, start=0.5), "start and end divide lr"),
    (lambda: optim.CosineRestarts(0.1, steps=3, longer=0), "CosineRestarts: longer"),
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
