"""The gallery is complete: every script stands in the table, and has its picture and its result."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from runpy import run_path

import pytest

GALLERY = Path(__file__).parents[1] / "examples" / "gallery"
CONTENTS = run_path(str(GALLERY / "contents.py"))
SHARED = {"__main__", "contents", "frame"}


def test_every_script_stands_in_the_table_once():
    scripts = CONTENTS["SCRIPTS"]
    assert len(set(scripts)) == len(scripts) >= 45
    assert {path.stem for path in GALLERY.glob("*.py")} - SHARED == set(scripts)


@pytest.mark.parametrize("name", CONTENTS["SCRIPTS"])
def test_a_script_is_short_and_has_kept_what_came_of_it(name):
    code = (GALLERY / f"{name}.py").read_text(encoding="utf-8")
    assert code.count("\n") <= 80
    shows = ast.get_docstring(ast.parse(code)) or ""
    assert shows.endswith((".", "?"))
    assert "\n" not in shows
    seconds, _ = (CONTENTS["PAGE"].parent / "gallery" / f"{name}.txt").read_text().splitlines()
    assert int(seconds) <= 120


def test_nothing_is_kept_of_what_is_gone():
    kept = list((CONTENTS["PAGE"].parent / "gallery").iterdir())
    assert {path.stem for path in kept} == set(CONTENTS["SCRIPTS"])
    assert len(kept) == 2 * len(CONTENTS["SCRIPTS"])
    assert sum(path.stat().st_size for path in kept) < 2e6


def test_the_page_says_what_the_scripts_have_kept():
    assert CONTENTS["PAGE"].read_text(encoding="utf-8") == CONTENTS["page"]()


def test_the_short_form_runs_and_keeps_nothing(tmp_path):
    pytest.importorskip("matplotlib", reason="the gallery draws with it")
    before = {path: path.stat().st_mtime for path in CONTENTS["PAGE"].parent.glob("gallery/*")}
    command = [sys.executable, str(GALLERY), "--short", "adaline", "activations"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert [line.partition(":")[0] for line in result.stdout.splitlines()] == command[3:]
    assert {path: path.stat().st_mtime for path in before} == before


def test_an_unknown_script_is_refused():
    pytest.importorskip("matplotlib", reason="the gallery draws with it")
    command = [sys.executable, str(GALLERY), "--short", "perceptron"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "no script of the gallery: perceptron\n"
