"""Every public name has a page with an example that runs."""

from __future__ import annotations

import inspect

import names
import pages
import pytest

import handgrad

NAMES = names.public_names()
GROUPS = sorted({name.group for name in NAMES})


def test_every_public_module_has_its_group():
    homes = {module for _, module in names.GROUPS}
    inner = {name for name in dir(handgrad) if inspect.ismodule(getattr(handgrad, name))}
    public = {m for name in inner if hasattr(m := getattr(handgrad, name), "__all__") and m.__all__}
    without = {m.__name__ for m in public} - homes - {"handgrad.book", "handgrad.train.metrics"}
    assert not without - {"handgrad.train.datasets"}, without


def test_every_public_name_has_an_example():
    assert [name.name for name in NAMES if pages.example(name) is None] == []


def test_no_example_is_of_a_name_that_is_gone():
    assert set(pages.WRITTEN) <= {name.name for name in NAMES}


@pytest.mark.parametrize("group", GROUPS)
def test_the_examples_of_a_group_run(group, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if group == "Estimators":
        pytest.importorskip("sklearn", reason="these estimators are scikit-learn's")
    for code in dict.fromkeys(pages.example(name) for name in NAMES if name.group == group):
        pages.run(code)


def test_a_page_has_signature_formula_example_and_source():
    affine = next(name for name in NAMES if name.name == "Affine")
    page = pages.page_of(affine)
    for part in ("from handgrad import Affine", "<math>", "**Gradient** ", "## Example",
                 "Source: handgrad/layers/affine.py", "def backward"):  # fmt: skip
        assert part in page
