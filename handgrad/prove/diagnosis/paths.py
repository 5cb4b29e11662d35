"""Third table: of a path from the input to the output that leads over other entries.

In a softmax, a normalization or attention every output depends on a whole row of inputs. Asked
last, where nothing simpler explains the difference.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.diagnosis.hypothesis import Hypothesis
from handgrad.prove.verdict.evidence import Finding


def left_out(hypothesis: Hypothesis) -> Iterator[Finding]:
    """The Jacobian's diagonal alone is there; or the difference belongs to an axis as a whole."""
    alike = [u.shape for u in hypothesis.upstream] == [hypothesis.shape]
    if not alike or not hypothesis.whole or hypothesis.is_parameter:
        return
    second, given = hypothesis.again()
    upstreams = [hypothesis.upstream[0], second[0]]
    trials = [(hypothesis.part.expected(u.reshape(-1)).reshape(u.shape), g.reshape(u.shape))
              for u, g in zip(upstreams, (hypothesis.given, given))]  # fmt: skip
    diagonal = np.diag(hypothesis.part.value).reshape(hypothesis.shape)
    if all(_near(g - diagonal * u, right - g) for u, (right, g) in zip(upstreams, trials)):
        text = (
            "only the input of its own index counts for each output, which depends on other "
            "inputs, too"
        )
        yield hypothesis.finding("missing_term", text)
        return
    for axis, length in enumerate(hypothesis.shape):
        for what, basis in _bases(hypothesis):
            if length > len(basis) + 1 and all(_spans(basis, r - g, axis) for r, g in trials):
                text = (
                    f"all along axis {axis} it is off by {what}: look at the path over what that "
                    "axis has in common, as a sum, a mean, a norm or a variance"
                )
                yield hypothesis.finding("missing_term", text)
                return


def _bases(hypothesis: Hypothesis) -> Iterator[tuple[str, list[Array]]]:
    run = hypothesis.base.run
    x = np.asarray(run.inputs[hypothesis.case.names.index(hypothesis.name)], dtype=np.float64)
    y, ones = run.outputs[0].astype(np.float64), np.ones(hypothesis.shape)
    yield "one number", [ones]
    yield "one factor times the output", [y]
    yield "one factor times the input", [x]
    yield "one number and one factor times the input", [ones, x]


def _spans(basis: list[Array], missing: Array, axis: int) -> bool:
    """Whether every row along an axis is made of the rows of a basis."""
    left = np.moveaxis(missing, axis, -1)
    orthogonal: list[Array] = []
    for vector in basis:
        row = np.moveaxis(vector, axis, -1)
        for other in orthogonal:
            row = row - (row * other).sum(-1, keepdims=True) * other
        size = np.sqrt((row * row).sum(-1, keepdims=True))
        orthogonal.append(row / np.where(size, size, 1))
    for other in orthogonal:
        left = left - (left * other).sum(-1, keepdims=True) * other
    return _near(left, missing)


def _near(left: Array, missing: Array) -> bool:
    """Whether next to nothing is left of what is missing."""
    return bool(abs(left).max() <= 1e-3 * abs(missing).max())
