"""Every system trains the same network: the losses say so."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from benchmarks.systems import ALL, KINDS, Kind
from benchmarks.systems.numpy_plain import System as Plain
from benchmarks.workloads import WORKLOADS
from tests.benchmarks.small import SMALL

STEPS = 12
PACKAGES = {"torch_system": "torch", "jax_system": "jax", "sklearn_system": "sklearn"}
PAIRS = [(kind.name, workload) for kind in ALL for workload in SMALL
         if kind.refusal(workload) is None and kind.options.get("threads") != 2]  # fmt: skip


def maker(kind: Kind) -> Any:
    """The class of a system; the test is skipped where its package is not installed."""
    if kind.module in PACKAGES:
        pytest.importorskip(PACKAGES[kind.module], reason="a peer that is not installed")
    return importlib.import_module(f"benchmarks.systems.{kind.module}").System


@pytest.mark.parametrize(("name", "workload"), PAIRS, ids=lambda p: getattr(p, "name", p))
def test_a_system_reaches_the_loss_of_plain_numpy(name, workload):
    kind = KINDS[name]
    make = maker(kind)
    workload = workload.without_dropout()
    rows = workload.rows(0, STEPS)
    system, plain = make(workload, **kind.options), Plain(workload)
    first = plain.turn(rows[:1])()
    expected = plain.turn(rows[1:])()
    assert abs(expected - first) > 0.01 * first  # it learns: other weights would be seen
    assert system.turn(rows)() == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("name", ["numpy", "sklearn", "torch-1", "jax-scan"])
def test_two_turns_are_as_one(name):
    kind, workload = KINDS[name], SMALL[1]
    make, rows = maker(kind), SMALL[1].rows(0, STEPS)
    system = make(workload, **kind.options)
    system.turn(rows[:5])()
    whole = make(workload, **kind.options).turn(rows)()
    assert system.turn(rows[5:])() == pytest.approx(whole, rel=1e-5)


def test_handgrad_goes_on_from_turn_to_turn():
    system, rows = maker(KINDS["handgrad"])(SMALL[0]), SMALL[0].rows(0, 60)
    losses = [system.turn(rows)() for _ in range(10)]
    assert system.trainer.step == 600
    assert sum(losses[5:]) < sum(losses[:5])


def test_refusals_name_a_reason():
    assert KINDS["sklearn"].refusal(WORKLOADS["two"]) is None
    assert "perceptrons" in KINDS["sklearn"].refusal(WORKLOADS["lstm"])
    assert "images" in KINDS["torch-1-last"].refusal(WORKLOADS["two"])
    assert "one thread" in KINDS["jax-scan"].refusal(WORKLOADS["deep-convnet"])
    assert all(KINDS["handgrad"].refusal(w) is None for w in WORKLOADS.values())
