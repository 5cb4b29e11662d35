"""The doctor tries small mutations of backward's text, and names the mistake that one undoes."""

import ast

import numpy as np
import pytest

from handgrad.prove import check
from handgrad.prove.diagnosis.rules import mutations

FORMULA = "(g - g.mean(0) - self.h * (g * self.h).mean(0)) / self.s"


def normalization(backward):
    """A normalization over the batch whose backward returns this."""
    text = f"""
import numpy as np
class Normalization:
    def forward(self, x):
        centred = x - x.mean(0)
        self.s = np.sqrt((centred**2).mean(0) + 1e-5)
        self.h = centred / self.s
        return self.h
    def backward(self, g):
        return {backward}
"""
    return text


@pytest.mark.parametrize(
    ("wrong", "cause", "fixed"),
    [
        ("(g - g.mean(1, keepdims=True) - self.h * (g * self.h).mean(0)) / self.s",
         "wrong_axis", "g.mean(axis=0, keepdims=True)"),
        ("(g - g.mean(0) + self.h * (g * self.h).mean(0)) / self.s", "wrong_sign", "g.mean(0) - "),
        ("(g - g.mean(0) - 0.5 * self.h * (g * self.h).mean(0)) / self.s",
         "wrong_scale", "2 * 0.5"),
        ("(g - g.mean(0) - self.h * g * self.h) / self.s", "missing_batch_sum", "np.mean(self.h"),
        ("(g - g.mean(0) - self.h**3) / self.s", "upstream_ignored", None),
        ("(g - g.mean(0) - g * self.h**3) / self.s", "wrong_formula", None),
        ("(g - g[0] - self.h * (g * self.h).mean(0)) / self.s", "missing_batch_sum", "np.mean(g"),
    ],
)  # fmt: skip
def test_a_mutation_that_makes_it_right_names_the_mistake(
    tmp_path, monkeypatch, wrong, cause, fixed
):
    (tmp_path / "normalization.py").write_text(normalization(wrong))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "normalization", raising=False)
    layer = __import__("normalization").Normalization()
    report = check(layer, np.random.default_rng(0).normal(size=(5, 4)))
    assert report.cause == cause
    assert (fixed is None) or f"{fixed}" in " ".join(report.evidence)
    assert "backward" not in vars(layer), "the subject itself is not changed"


def test_every_mutation_can_be_taken_back():
    tree = ast.parse(f"def backward(self, g):\n    dx = np.zeros(3)\n    dx[:2] += g[0]\n"
                     f"    return {FORMULA}")  # fmt: skip
    before = ast.dump(tree)
    tried = mutations(tree)
    assert len(tried) > 50
    for mutation in tried:
        mutation.swap()
        mutation.swap()
        assert ast.dump(tree) == before
