"""check: the same arguments give the same report, on a busy machine and from any thread."""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from contextlib import contextmanager

import numpy as np
import pytest

from handgrad import Affine, Sequential, Tanh
from handgrad.prove import check
from handgrad.prove.measure.effort import effort_of
from handgrad.prove.verdict import judge

X = np.random.default_rng(0).normal(size=(8, 9))


class Slow:
    """tanh, number by number; too slow for all entries to be differentiated."""

    def forward(self, x):
        self.y = np.empty_like(x)
        for index in np.ndindex(x.shape):
            self.y[index] = np.tanh(x[index])
        return self.y

    def backward(self, dout):
        return dout * (1 - self.y**2)


class Wrong(Slow):
    def backward(self, dout):
        dx = dout * (1 - self.y)
        return dx


class Draws:
    """A mask from an unseeded generator, made anew in every call."""

    def forward(self, x):
        self.mask = np.random.default_rng().random(x.shape) > 0.5
        self.mask &= np.random.Generator(np.random.PCG64()).random(x.shape) > 0.1
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


def shared():
    a = Affine(9, inputs=9)
    return Sequential(a, Tanh(), Sequential(a))


@contextmanager
def busy(work=lambda: None):
    """Inside, a thread spins and does some work over and over."""
    going = True

    def spin():
        while going:
            work()

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        yield
    finally:
        going = False
        thread.join()


@pytest.fixture(autouse=True)
def _little_effort(monkeypatch):
    """So that not every entry is differentiated, and the tests are short."""
    monkeypatch.setattr(judge, "EFFORT", 2e4)
    monkeypatch.setattr(judge, "PATIENCE", 1e5)


@pytest.mark.parametrize("make", [Slow, Wrong, Draws, shared])
def test_equal_reports_on_a_quiet_and_a_busy_machine(make):
    first = check(make(), X, seed=3)
    with busy():
        second = check(make(), X, seed=3)
    assert str(first) == str(second)
    assert first.to_dict() == second.to_dict()
    assert [row.method for row in first.table] == [row.method for row in second.table]


def test_how_much_is_differentiated_is_a_matter_of_counting():
    method = check(Slow(), X).table[0].method
    count = int(method.split()[0])
    assert method == f"{count} of 72 entries differentiated"
    assert 8 <= count < 72
    assert check(Tanh(), X).table[0].method == "72 of 72 entries differentiated"
    few, many = (effort_of(lambda n=n: Slow().forward(X[:n]), [X]) for n in (1, 8))
    assert few < many == effort_of(lambda: Slow().forward(X), [X])


def test_checks_in_several_threads():
    alone = [str(check(make(), X[:3, :4], seed=1)) for make in (Draws, Wrong)]
    found: dict[int, str] = {}

    def work(i):
        found[i] = str(check((Draws, Wrong)[i % 2](), X[:3, :4], seed=1))

    out = sys.stdout
    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[i] for i in range(4)] == alone * 2
    assert sys.stdout is out


def test_other_threads_keep_their_output_and_their_generators(capsys):
    before, drawn, same = np.random.default_rng, [], []

    class Waits(Draws):
        def forward(self, x):
            print("inside")
            time.sleep(0.001)
            return super().forward(x)

    def work():
        same.append(np.random.default_rng is before)
        drawn.append(float(np.random.default_rng().random()))
        print("outside")
        time.sleep(0.001)

    with busy(work):
        report = check(Waits(), X[:2, :3])
    assert report
    assert any("printed" in note for note in report.notes)
    output = capsys.readouterr().out
    assert "inside" not in output
    assert output.count("outside") == len(drawn)
    assert len(set(drawn)) == len(drawn) > 3
    assert all(same)
    assert check(Draws(), X[:2, :3])


def test_a_subject_that_checks_something_itself():
    inner = deque()  # a list in a closure would be put back as it was

    class Doubts(Draws):
        def forward(self, x):
            if not inner:
                inner.append(check(Tanh(), np.ones(2)))
            return x * 2

        def backward(self, dout):
            return dout * 2

    check(Doubts(), np.ones(2), timeout=60)
    assert len(inner) == 1
    assert inner[0]
