"""Formulas in docstrings: what is one, where it ends, and how it is set."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import formula
import pytest


def shown(text: str) -> str:
    """The text with each formula as its letters in brackets."""

    def letters(found):
        return "[" + "".join(ElementTree.fromstring(found[1]).itertext()) + "]"

    return re.sub(r'<span class="formula">(.*?)</span>', letters, formula.typeset(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("y = x @ W + b, on the last axis.", "[y=x⁢W+b], on the last axis."),
        (
            "Gradient: dx = dy @ Wᵀ, db = Σ dy over all axes.",
            "Gradient: [dx=dy⁢WT], [db=∑dy] over all axes.",
        ),
        ("hₜ = z · hₜ₋₁ + (1 − z) · n, y = all hₜ.", "[ht=z·ht−1+(1−z)·n], y = all hₜ."),
        ("y = W[ids]: row of W", "[y=W[ids]]: row of W"),
        ("no formula at all, x and y", "no formula at all, x and y"),
        ("`y = x` is code", "`y = x` is code"),
        ("a < b & c", "[a&lt;b] &amp; c".replace("&lt;", "<")),
    ],
)
def test_a_formula_ends_where_words_begin(text, expected):
    assert shown(text) == expected


def test_fractions_and_roots_lose_their_brackets():
    text = formula.typeset("y = (x − μ) / √(σ² + eps)")
    assert "<mfrac><mrow>" in text
    assert "<msqrt>" in text
    assert "(" not in re.sub("<[^>]*>", "", text)


def test_every_formula_of_the_layers_is_well_formed():
    import handgrad.layers as layers

    found = 0
    for name in layers.__all__:
        for math in re.findall(
            r"<math>.*?</math>", formula.typeset(getattr(layers, name).__doc__ or "")
        ):
            ElementTree.fromstring(math)
            found += 1
    assert found > 300
