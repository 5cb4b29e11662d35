"""`handgrad explain`, and the page as a file: what it writes and what it refuses."""

from __future__ import annotations

import time

import numpy as np
import pytest
from click.testing import CliRunner

import handgrad as hg
from handgrad.cli import main
from handgrad.explain import step_page
from handgrad.train import save

NETWORK = """
from handgrad import Affine, ReLU, Sequential
network = Sequential(Affine(3), ReLU(), Affine(3))
wide = Sequential(Affine(9))
"""


def explain(*arguments):
    return CliRunner().invoke(main, ["explain", *map(str, arguments)])


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "net.py"
    path.write_text(NETWORK)
    return path


def test_a_page_of_a_file_and_of_a_saved_model(tmp_path, file):
    out = tmp_path / "page.html"
    result = explain(file, "--data", "spiral", "--rows", "2:5", "--out", out)
    assert result.exit_code == 0, result.output
    assert "page.html: 0." in result.output
    text = out.read_text()
    assert "net.py on spiral, rows 2:5" in text
    assert text.count("http") == 0  # nothing from afar
    network = hg.Sequential(hg.Affine(3), hg.ReLU(), hg.Affine(3)).build(np.ones((2, 2)))
    model = save(network, tmp_path / "m.safetensors")
    assert explain(model, "--data", "spiral", "--out", out).exit_code == 0


def test_a_file_may_bring_its_own_rows(tmp_path, file):
    rows = "import numpy as np\nx, t = np.eye(2).repeat(3, 0), np.array([0, 1, 2, 0, 1, 2])\n"
    file.write_text(NETWORK + rows)
    out = tmp_path / "page.html"
    result = explain(f"{file}:network", "--rows", "1:3", "--out", out)
    assert result.exit_code == 0, result.output
    assert "on its x, rows 1:3" in out.read_text()


WRONG = {
    "no data": ([], "--data: data are needed, or an array x (and t) in"),
    "what it takes": (["--data", "digits"], "digits needs an output of shape (N, 10)"),
    "no rows": (
        ["--data", "spiral", "--rows", "900:"],
        "--rows: spiral has 240 samples, numbered from 0",
    ),
    "rows": (["--data", "spiral", "--rows", "few"], "--rows: numbers such as 0:8 or 3 are needed"),
    "data": (["--data", "nothing"], "data must be digits"),
    "folder": (["--data", "spiral", "--out", "/nowhere/page.html"], "/nowhere"),
}


@pytest.mark.parametrize("name", WRONG)
def test_bad_input_is_one_line(file, name):
    arguments, words = WRONG[name]
    result = explain(file, *arguments)
    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_page_that_would_be_too_large_is_refused(tmp_path):
    page = step_page(hg.Sequential(hg.Affine(600)), np.ones((2, 600)), dy=np.ones((2, 600)))
    with pytest.raises(ValueError, match=r"page would have 2\.0 MB.*fewer rows.*0\.W"):
        page.save(tmp_path / "page.html")
    assert list(tmp_path.iterdir()) == []


def test_a_page_of_a_usual_network_is_small_and_quick():
    rng = np.random.default_rng(0)
    network = hg.Sequential(hg.Affine(50), hg.ReLU(), hg.Affine(10))
    start = time.thread_time()
    page = step_page(network, rng.normal(size=(8, 784)), t=rng.integers(0, 10, 8))
    assert time.thread_time() - start < 10  # a hundred times as much as it takes
    assert len(page.html.encode()) < 400_000


def test_very_many_layers_are_folded_with_a_word():
    network = hg.Sequential(*[hg.Tanh() for _ in range(500)])
    page = step_page(network, np.ones((1, 2)), dy=np.ones((1, 2)))
    assert page.data["folded"] == (100, 400)
    assert page.steps == 2 * (100 + 1 + 100)
    assert page.data["nodes"][200].get("forward") is None
    assert len(page.html) < 500_000


@pytest.mark.parametrize(("given", "words"), [
    ((3, np.ones(2)), "a network or a layer is needed, got int"),
    ((hg.Tanh(),), "Tanh is shown on rows of data"),
    ((hg.Tanh(), np.ones((0, 2))), "there are no rows"),
])  # fmt: skip
def test_what_cannot_be_shown_is_said(given, words):
    with pytest.raises(ValueError, match=words):
        step_page(*given)


def test_the_network_stays_as_it_was():
    network = hg.Sequential(hg.Affine(2), hg.BatchNorm(), hg.Dropout())
    x = np.random.default_rng(0).normal(size=(4, 3))
    network.build(x)
    before, mean = network.parameters.copy(), network[1].running_mean.copy()
    steps = [layer.draw().step for layer in network.layers]
    step_page(network, x, dy=np.ones((4, 2)))
    assert np.array_equal(network.parameters, before)
    assert np.array_equal(network[1].running_mean, mean)
    assert [layer.draw().step for layer in network.layers] == steps
    assert network.dtype == np.float32
