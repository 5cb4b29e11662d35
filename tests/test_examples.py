"""Every example runs."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from handgrad import Adam, SoftmaxCrossEntropy
from handgrad.layer import slots

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.name)
def test_an_example_runs(path, tmp_path):
    result = subprocess.run(
        [sys.executable, "-W", "error", str(path)], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout


def test_the_fruit_stall_prints_110_for_an_apple():
    path = next(p for p in EXAMPLES if p.name == "fruit_stall.py")
    out = subprocess.run([sys.executable, str(path)], capture_output=True, text=True).stdout
    assert "with tax: 550" in out
    assert "apple count 110" in out
    assert "one more apple costs 110" in out


def test_the_better_language_model_learns_with_one_table_of_words(rng):
    path = next(p for p in EXAMPLES if p.name == "networks.py")
    network = runpy.run_path(str(path))["BetterLanguageModel"](6, units=8, dropout=0.2)
    text = np.tile([0, 1, 2, 3, 4, 5], 8).reshape(4, 12)
    x, t = text[:, :-1], text[:, 1:]
    loss, optimizer, losses = SoftmaxCrossEntropy(), Adam(0.03), []
    for _ in range(60):
        value = loss(network(x), t)
        value.backward()
        optimizer.step(network)
        losses.append(value.item())
    assert losses[0] == pytest.approx(np.log(6), rel=0.02)
    assert losses[-1] < 0.5
    assert [s.path for s in slots(network) if s.value.shape == (6, 8)] == ["words"]
