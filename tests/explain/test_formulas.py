"""Formulas of a network: with its own names and shapes, and as TeX that can be set."""

from __future__ import annotations

import re

import numpy as np
import pytest

import handgrad as hg
from handgrad.explain import formulas
from handgrad.explain.formula import forward_formula, gradients_of
from handgrad.explain.tex import tex
from handgrad.layers.samples import SAMPLES


def network():
    return hg.Sequential(hg.Affine(5), hg.ReLU(), hg.Affine(3))


def test_forward_and_backward_have_the_networks_own_names():
    text = formulas(network(), np.ones((4, 2)), t=np.array([0, 1, 2, 0])).markdown
    assert "1. 0 Affine(5, inputs=2): $y_{1} = x \\, W_{1} + b_{1}$" in text
    assert "$W_{1}$: 2×5" in text
    assert "$\\mathrm{d}W_{3} = y_{2}^{\\top} \\, \\mathrm{d}y_{3}$" in text
    assert "$\\mathrm{d}y_{1} = \\mathrm{d}y_{2} \\text{ where } y_{1} > 0" in text
    assert text.index("- 4. SoftmaxCrossEntropy") < text.index("- 1. 0 Affine")


def test_latex_has_a_row_for_each_formula():
    text = formulas(network(), np.ones((4, 2))).latex
    assert text.count(r"\begin{align*}") == text.count(r"\end{align*}") == 2
    assert text.count("&&") == 3 + 7
    assert text.isascii() or "×" in text.splitlines()[0]


def test_a_built_network_needs_no_batch_and_another_does():
    with pytest.raises(ValueError, match=r"not yet built: give a batch, formulas\(network, x\)"):
        formulas(network())
    built = network()
    built.build(np.ones((4, 2)))
    assert "Sequential on 1×2" in str(formulas(built))
    with pytest.raises(ValueError, match="a network or a layer is needed, got int"):
        formulas(3)


def test_a_gradient_with_several_uses_is_said_to_be_a_sum():
    residual = hg.Sequential(hg.Affine(3), hg.Residual(hg.Tanh()))
    assert (
        "Summed over their uses: $\\mathrm{d}y_{1}$."
        in formulas(residual, np.ones((2, 3)))._repr_markdown_()
    )


CLASSES = sorted({sample.cls for sample in SAMPLES}, key=lambda cls: cls.__name__)


def test_every_formula_is_well_formed_tex():
    names = {"x": "x_{1}", "y": "y_{1}", "dy": r"\mathrm{d}y_{1}", "W": "W_{1}"}
    for cls in CLASSES:
        for text in (forward_formula(cls), *(line for _, line in gradients_of(cls))):
            if not re.match(r"\S+ = ", text):  # words
                continue
            made = tex(text, names)
            assert made.isascii(), (cls, made)
            assert made.count("{") == made.count("}"), (cls, made)
            assert not re.search(r"_\{[^{}]*\}_|\^\{[^{}]*\}\^|_$", made), (cls, made)
