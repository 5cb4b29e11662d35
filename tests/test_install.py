"""The native library: built where it can be, found, refused with a reason, done without."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from handgrad.compile.binary import NAME, why_not

TRAIN = """
import numpy as np
from handgrad import Affine, ReLU, Sequential
from handgrad.train import Trainer

x = np.random.default_rng(0).normal(size=(64, 8))
trainer = Trainer(Sequential(Affine(16), ReLU(), Affine(3)), x, np.arange(64) % 3, epochs=1)
trainer.run()
print(trainer.engine)
"""


def engine(native: str) -> str:
    """What a training says that it runs in, with HANDGRAD_NATIVE set."""
    result = subprocess.run(
        [sys.executable, "-c", TRAIN], capture_output=True, text=True, timeout=600,
        env=os.environ | {"HANDGRAD_NATIVE": native},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_where_there_is_a_compiler_the_library_was_built():
    if not shutil.which("c++"):
        pytest.skip("there is no compiler")
    assert "built" not in why_not()
    assert "loaded" not in why_not()


def test_turned_off_it_runs_in_numpy():
    assert engine("off") == "NumPy (HANDGRAD_NATIVE is off)"


def test_a_file_that_is_not_there_is_named(tmp_path):
    path = tmp_path / NAME
    assert engine(str(path)) == f"NumPy (no native library at {path})"


def test_a_file_that_is_no_library_does_not_end_the_process(tmp_path):
    path = tmp_path / NAME
    path.write_bytes(b"not a library")
    assert engine(str(path)).startswith("NumPy (the native library cannot be loaded: ")


@pytest.mark.parametrize(
    ("code", "reason"),
    [("int other() { return 0; }", "cannot be loaded: "),
     ("int hg_abi() { return -1; } int hg_threads() { return 1; }"
      "const char* hg_isa() { return \"AVX2\"; } int hg_use_isa(const char*) { return -1; }",
      "is of another version"),
     ("int hg_abi() { return -1; } int hg_threads() { return 1; }"
      "const char* hg_isa() { return \"\"; } int hg_use_isa(const char*) { return -1; }",
      "this processor has no AVX2")],
    ids=["another library", "another version", "another processor"],
)  # fmt: skip
def test_a_library_that_is_not_ours_is_refused(tmp_path, code, reason):
    compiler = shutil.which("c++") or pytest.skip("there is no compiler")
    source, path = tmp_path / "other.cpp", tmp_path / NAME
    source.write_text(f'extern "C" {{ {code} }}')
    subprocess.run([compiler, "-shared", "-fPIC", str(source), "-o", str(path)], check=True)
    assert reason in engine(str(path))
