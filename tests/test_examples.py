"""Every example runs."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from handgrad import Adam, SoftmaxCrossEntropy
from handgrad.layer import slots

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))


# Of those that learn online what they print at last, and what is little enough for any machine.
LEARNED = {
    "bandit.py": (r"last visitors .*, (\d+)% of what is possible", 90),
    "drift.py": (r"of 8,000 samples: ([\d.]+)%", 93),
    "ppo.py": (r"stands for (\d+) of 500", 200),
    "replay.py": (r"stands for (\d+) of 500", 150),
}


# Arguments that make the work of some short.
SHORT = {"language_model.py": [str(Path(__file__).parents[1] / "README.md"), "2"]}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.name)
def test_an_example_runs_and_learns(path, tmp_path):
    command = [sys.executable, "-W", "error", str(path), *SHORT.get(path.name, [])]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout
    if path.name in LEARNED:
        pattern, least = LEARNED[path.name]
        assert float(re.search(pattern, result.stdout).group(1)) >= least, result.stdout


def test_drift_is_seen_and_followed():
    path = next(p for p in EXAMPLES if p.name == "drift.py")
    out = subprocess.run([sys.executable, str(path)], capture_output=True, text=True).stdout
    _, before, after, later, _ = (float(n) for n in re.findall(r"([\d.]+)%", out))
    assert before > after + 4
    assert later > after + 4


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
