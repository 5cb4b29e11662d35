"""Every example runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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
