"""The pytest plug-in, in pytest runs of its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

TESTS = """
import numpy as np
from handgrad import check
from handgrad.testing import gradient_check

x = np.random.default_rng(0).normal(size=(4, 3))


class Relu:
    def forward(self, x):
        self.mask = x <= 0
        return np.where(self.mask, 0, x)

    def backward(self, dout):
        return np.where(self.mask, 0, dout)


class Writes(Relu):
    def backward(self, dout):
        dout[self.mask] = 0
        return dout


def test_assert():
    print(check(Relu(), x).verdict)
    assert check(Writes(), x)


def test_fixture(prove):
    assert prove(Relu(), x).verdict == "right"
    prove(Writes(), x)


@gradient_check([x], dtypes=("float64", "float32"), ranks=(None, 3), layouts=("C", "strided"))
def test_variants(tmp_path):
    assert tmp_path.exists()
    return Relu()


test_class = gradient_check([x, (x,)])(Writes)


def test_unrelated_failure():
    assert check(Relu(), x).verdict == "wrong"
"""


def pytest_run(folder, tests, *options):
    """pytest with the plug-in, and no other that happens to be installed, on a file of tests."""
    (folder / "test_it.py").write_text(tests)
    plugins = ["-p", "handgrad.testing.plugin", "-p", "xdist", "-p", "no:cacheprovider"]
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
    environment.pop("PYTEST_ADDOPTS", None)
    command = [sys.executable, "-m", "pytest", *plugins, *options, "test_it.py"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """What pytest prints, and the page, in one process and with xdist."""
    found = []
    for name, options in (("one", []), ("two", ["-n", "2"])):
        folder = tmp_path_factory.mktemp(name)
        run = pytest_run(folder, TESTS, *options, "--handgrad-html", "page.html")
        assert run.returncode == 1, run.stdout + run.stderr
        page = (folder / "page.html").read_text()
        found.append((run.stdout, page.replace(str(folder), "")))
    return found


def failures(text):
    """What is printed of each failed test, whichever failed first."""
    parts = re.split(r"^_+ (\S+) _+$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2]))


def test_the_diagnosis_stands_below_an_assert_at_the_usual_verbosity(runs):
    for text, _ in runs:
        section = failures(text)["test_assert"].split("handgrad check ---")[1]
        assert "Writes: wrong (inplace_dout)" in section
        assert "dout[self.mask] = 0" in section


def test_the_paragraph_is_not_printed_twice(runs):
    for text, _ in runs:
        part = failures(text)["test_fixture"]
        assert part.count("writes into the gradient it was given") == 1


def test_every_variant_is_a_test(runs):
    for text, _ in runs:
        assert "5 failed, 8 passed" in text
        assert "test_class[0-float64-C]" in text


def test_a_failure_without_a_wrong_check_gets_no_section(runs):
    for text, _ in runs:
        assert "handgrad check ---" not in failures(text)["test_unrelated_failure"]


def test_the_page_holds_all_reports_in_one_order(runs):
    pages = [page for _, page in runs]
    assert pages[0] == pages[1]
    assert '<span class="chip wrong">4 wrong</span>' in pages[0]
    assert "from test_it.py::test_variants[0-float32-rank3-strided]" in pages[0]
    assert "handgrad: 11 right, 4 wrong, written to page.html" in runs[0][0].replace(";", ",")


def test_pytest_lists_the_option(tmp_path):
    assert "--handgrad-html" in pytest_run(tmp_path, TESTS, "--help").stdout
