"""Golden vectors: whole, small, and as they were when they were last looked at."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from handgrad.cli import main
from handgrad.interop.files import check_golden, write_golden
from handgrad.layers.samples import SAMPLES, WITHOUT_GRADIENT
from tests.interop.golden import STORED, fingerprints


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("golden")
    write_golden(folder)
    return folder


def test_every_sample_is_there_in_two_megabytes(folder):
    index = json.loads((folder / "index.json").read_text())
    assert len(index["cases"]) == len(SAMPLES) + len(WITHOUT_GRADIENT)
    assert sum(path.stat().st_size for path in folder.iterdir()) < 2_000_000


def test_a_port_of_affine_finds_what_it_needs(folder):
    """As docs/golden.md says: y = x @ W + b and its gradients from the file alone."""
    index = json.loads((folder / "index.json").read_text())
    case = next(c for c in index["cases"] if c["layer"]["class"] == "Affine")
    with np.load(folder / "float64.npz") as arrays:
        get = {part: arrays[f"{case['name']}/{part}"] for part in (
            "input/0", "parameter/W", "parameter/b", "output/0", "upstream/0", "gradient/0",
            "gradient/W", "gradient/b")}  # fmt: skip
    x, W, dy = get["input/0"], get["parameter/W"], get["upstream/0"]
    np.testing.assert_allclose(get["output/0"], x @ W + get["parameter/b"])
    np.testing.assert_allclose(get["gradient/0"], dy @ W.T)
    np.testing.assert_allclose(get["gradient/W"], x.T @ dy)
    np.testing.assert_allclose(get["gradient/b"], dy.sum(0))


def test_the_library_agrees_with_its_vectors_and_tells_a_difference(folder):
    assert check_golden(folder) == []
    with np.load(folder / "float64.npz") as file:
        arrays = dict(file)
    whole = (folder / "float64.npz").read_bytes()
    arrays["Affine-0/gradient/W"] = -arrays["Affine-0/gradient/W"]
    del arrays["ReLU-0/output/0"]
    np.savez(folder / "float64.npz", **arrays)
    try:
        result = CliRunner().invoke(main, ["golden", str(folder), "--check"])
    finally:
        (folder / "float64.npz").write_bytes(whole)
    assert result.exit_code == 1
    assert "float64: Affine-0/gradient/W differs most at" in result.output
    assert "float64: ReLU-0/output/0 is missing" in result.output
    assert "2 differences" in result.output


def test_the_vectors_have_not_drifted(folder):
    """`python -m tests.interop.golden` writes the fingerprints anew, where a change is meant."""
    stored = dict(line.split(" ", 1) for line in STORED.read_text().splitlines())
    found = fingerprints(folder)
    assert set(found) == set(stored)
    for name, numbers in found.items():
        expected = [float(n) for n in stored[name].split()]
        np.testing.assert_allclose(numbers, expected, rtol=1e-6, atol=1e-8, err_msg=name)


def test_a_folder_without_vectors_is_one_line(tmp_path):
    result = CliRunner().invoke(main, ["golden", str(tmp_path), "--check"])
    assert result.exit_code == 2
    assert "no golden vectors" in result.output
    assert result.output.count("\n") == 1
