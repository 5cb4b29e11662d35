"""Measuring: turns, the checks of losses and of rest, systems that cannot run."""

from __future__ import annotations

import time

import pytest

from benchmarks.measure import (
    Client,
    LossError,
    Others,
    Plan,
    WorkerError,
    busy_process,
    measure,
    require_idle,
    require_same,
    take_turns,
)
from benchmarks.systems import KINDS
from benchmarks.workloads import WORKLOADS

TINY = WORKLOADS["tiny"]


class Stub:
    """A client that remembers whose turn it was."""

    def __init__(self, name: str, log: list[str]):
        self.kind, self.log = KINDS[name], log

    def turn(self) -> tuple[float, float]:
        self.log.append(self.kind.name)
        return 1.0, 0.0


def test_every_system_has_one_turn_in_each_round():
    log: list[str] = []
    times, idle = take_turns([Stub(n, log) for n in ("numpy", "jax", "handgrad")], 6, log.append)
    assert times == {"numpy": [1.0] * 6, "jax": [1.0] * 6, "handgrad": [1.0] * 6}
    assert idle["jax"] == [0.0] * 6
    rounds = [tuple(log[i + 1 : i + 4]) for i in range(0, len(log), 4)]
    assert all(sorted(r) == ["handgrad", "jax", "numpy"] for r in rounds)
    assert len(set(rounds)) > 1


def test_systems_with_another_loss_fail_the_run():
    require_same(TINY, {"numpy": 1.0, "jax": 1.004, "handgrad": 0.998})
    for wrong in (1.02, float("nan")):
        with pytest.raises(LossError, match="jax must have the loss of the others"):
            require_same(TINY, {"numpy": 1.0, "jax": wrong, "handgrad": 0.998})


def test_a_system_that_works_when_it_is_not_its_turn_fails_the_run():
    require_idle(TINY, {"jax": [0.9, 0.0, 0.0, 0.01]})
    with pytest.raises(RuntimeError, match="jax used 90% of a processor"):
        require_idle(TINY, {"jax": [0.0, 0.9, 0.9, 0.0]})


def test_others_are_seen():
    others = Others([])
    with busy_process():
        until = time.monotonic() + 60
        while others.processors() < 0.3:
            assert time.monotonic() < until
            time.sleep(0.1)


def test_measure_in_processes():
    names = ["numpy", "torch-1-last", "handgrad"]
    start = time.perf_counter()
    found = measure(TINY, names, Plan(2, 0.01), True, lambda line: None)
    whole = time.perf_counter() - start
    assert found["skipped"] == {"torch-1-last": "no images"}
    assert found["others"] > -0.1
    for name in ("numpy", "handgrad"):
        system = found["systems"][name]
        assert len(system["times"]) == 2
        assert len(system["busy"]) == 3
        assert all(0 < seconds < whole / 10 for seconds in system["times"])
        assert system["peak"] >= system["imported"] > 10
    assert found["systems"]["numpy"]["loss"] == pytest.approx(
        found["systems"]["handgrad"]["loss"], rel=1e-3
    )


def test_a_peer_that_is_not_installed_is_skipped(tmp_path, monkeypatch):
    (tmp_path / "torch.py").write_text("raise ImportError('no', name='torch')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = measure(TINY, ["torch-1"], Plan(1, 0.01), False, lambda line: None)
    assert found["skipped"] == {"torch-1": "not installed: torch"}


def test_a_worker_says_why_it_ends():
    client = Client(KINDS["numpy"], TINY)
    with pytest.raises(WorkerError, match="AttributeError: .*sleep"):
        client.ask("sleep")
    with pytest.raises(WorkerError, match="ended without a word"):
        client.ask("check")
    client.close()
