"""Two checkouts in turns."""

from __future__ import annotations

import sys

import pytest

from benchmarks import against
from benchmarks.measure import PYTHON, ROOT, Plan
from benchmarks.workloads import find
from tests.benchmarks.small import SMALL


def test_two_checkouts_take_turns(tmp_path, monkeypatch, capsys):
    for name in ("benchmarks", "handgrad", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    python = tmp_path / PYTHON
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(against, "PAUSE", 0)
    tiny = find("tiny")
    against.compare(tmp_path, [tiny], Plan(rounds=2, seconds=0.01), lambda line: None)
    head, *lines = capsys.readouterr().out.splitlines()
    assert "before" in head
    assert len(lines) == 2  # native and NumPy
    assert all("tiny" in line and " to " in line for line in lines)


def test_a_folder_without_an_environment_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no \.venv/bin/python; run `make test` there"):
        against.compare(tmp_path, SMALL, Plan(), print)
