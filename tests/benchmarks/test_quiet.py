"""Turns on a quiet machine."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from benchmarks import __main__ as command
from benchmarks import quiet
from benchmarks.measure import Plan, Taker, measure
from benchmarks.workloads import WORKLOADS


class Machine(quiet.Quiet):
    """One whose speeds are given, the last one for ever."""

    def __init__(self, *speeds: float, fastest: float = 1.0):
        self.speeds, self.fastest = list(speeds), fastest

    def speed(self) -> float:
        return self.speeds.pop(0) if len(self.speeds) > 1 else self.speeds[0]


def turns() -> tuple[list[int], quiet.Callable[[], int]]:
    taken: list[int] = []
    return taken, lambda: taken.append(len(taken)) or taken[-1]


def test_a_turn_begins_and_ends_on_a_quiet_machine():
    taken, take = turns()
    machine = Machine(0.5, 0.95, 0.6, 0.7, 0.92, 0.91)  # waits, is disturbed, waits, is not
    assert machine.turn(take, 60) == (1, 0.91)
    assert taken == [0, 1]


def test_without_patience_a_turn_is_taken_as_it_comes():
    taken, take = turns()
    assert Machine(0.5).turn(take, 0) == (0, 0.5)
    assert taken == [0]


def test_of_disturbed_turns_the_least_disturbed_counts(monkeypatch):
    slept = []  # time goes on while one sleeps, and then alone
    clock = SimpleNamespace(perf_counter=lambda: sum(slept), sleep=slept.append)
    monkeypatch.setattr(quiet, "time", clock)
    machine = Machine(0.95, 0.4, 0.95, 0.8, 0.95, 0.6, 0.3)
    _, take = turns()
    assert machine.turn(take, 0.05) == (1, 0.8)


def test_a_faster_machine_is_the_measure_from_then_on():
    taker = Taker(Machine(1.0), 0.0)
    taker.speeds = [0.95, 0.7, 1.0, 0.5]
    assert taker.share() == 0.5
    taker.quiet.fastest = 1.1
    assert taker.share() == 0.25
    assert Taker().share() is None


def test_processes_tell_the_speed_of_the_cores(monkeypatch):
    monkeypatch.setattr(quiet, "FIRST", 3)
    with quiet.Quiet() as machine:
        assert 0 < machine.speed() <= machine.fastest
        assert machine.enough(machine.fastest)
    assert all(process.returncode == 0 for process in machine.processes)


def test_a_workload_with_patience(monkeypatch):
    monkeypatch.setattr(quiet, "FIRST", 3)
    names = ["numpy", "handgrad"]
    plan = Plan(2, 0.01, patience=0.1)
    found = measure(WORKLOADS["tiny"], names, plan, False, lambda line: None)
    assert 0 <= found["quiet"] <= 1
    assert all(len(found["systems"][name]["times"]) == 2 for name in names)


@pytest.mark.parametrize("seconds", ["-3", "nan", "inf"])
def test_patience_that_is_no_time_is_refused(seconds, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["benchmarks", f"--patience={seconds}"])
    with pytest.raises(SystemExit, match=f"--patience: seconds, 0 or more, .* got {seconds}"):
        command.options()
