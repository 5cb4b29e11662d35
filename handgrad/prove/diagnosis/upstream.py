"""First table: backward is right for another upstream gradient than the one it was given.

Each row is a change of the upstream gradient, and the mistake that makes it. It explains the
mismatch when the right gradient for the changed upstream is what backward gave, for a second
upstream gradient too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.diagnosis.hypothesis import Hypothesis
from handgrad.prove.verdict.evidence import Finding

Row = tuple[str, str, Callable[..., Any]]  # the mistake, a sentence, the change

WHOLE: tuple[Row, ...] = (
    ("upstream_ignored", "the upstream gradient is taken for ones", np.ones_like),
    ("upstream_ignored", "only the first number of the upstream gradient is used",
     lambda u: u.reshape(-1)[:1].sum()),
    ("upstream_ignored", "the size of the upstream gradient is used, not its sign", abs),
    ("upstream_ignored", "the mean of the upstream gradient is used",
     lambda u: u.mean() if u.ndim > 1 else u),
    ("upstream_ignored", "the sum of the upstream gradient is used",
     lambda u: u.sum() if u.ndim > 1 else u),
    ("transpose", "the upstream gradient is read transposed",
     lambda u: np.swapaxes(u, -1, -2).reshape(u.shape) if u.ndim > 1 else u),
)  # fmt: skip
ALONG: tuple[Row, ...] = (
    ("wrong_axis", "{} is summed away first", lambda u, a: u.sum(a, keepdims=True)),
    ("wrong_axis", "{} is averaged first", lambda u, a: u.mean(a, keepdims=True)),
)
LOCAL: tuple[Row, ...] = (
    ("missing_term", "the factor y (1 − y) is missing{}", lambda y: 1 / (y * (1 - y))),
    ("missing_term", "the factor 1 − y² is missing{}", lambda y: 1 / (1 - y**2)),
    ("missing_term", "the factor y is missing{}", lambda y: 1 / y),
    ("wrong_formula", "the factor y (1 − y) is there once too often{}", lambda y: y * (1 - y)),
    ("wrong_formula", "the factor 1 − y² is there once too often{}", lambda y: 1 - y**2),
)


def other_upstream(hypothesis: Hypothesis) -> Iterator[Finding]:
    """The first row that explains the mismatch."""
    second: list[Array] = []

    def pulled(change: Callable[..., Any], upstream: list[Array]) -> Array:
        parts = [np.broadcast_to(v, u.shape) for u, v in zip(upstream, change(upstream))]
        return hypothesis.part.expected(np.concatenate([p.reshape(-1) for p in parts]))

    for cause, sentence, change in _rows(hypothesis):
        if not hypothesis.explains(pulled(change, hypothesis.upstream)):
            continue
        if not second:
            second, given = hypothesis.again()
        if hypothesis.near(given, pulled(change, second)):
            yield hypothesis.finding(cause, sentence)
            return


def _rows(hypothesis: Hypothesis) -> Iterator[Row]:
    """Changes of the list of upstream gradients."""
    upstream = hypothesis.upstream
    for cause, sentence, change in WHOLE:
        yield cause, sentence, lambda us, f=change: [f(u) for u in us]
    for k in range(len(upstream)) if len(upstream) > 1 else ():
        text = f"the gradient of output {k} is not used"
        yield "missing_term", text, lambda us, k=k: [u * (j != k) for j, u in enumerate(us)]
    if len(upstream) == 2 and upstream[0].shape == upstream[1].shape:
        yield "swapped_outputs", "the upstream gradients are swapped", lambda us: us[::-1]
    if len({u.shape for u in upstream}) > 1:
        return
    for axis in range(upstream[0].ndim):
        where = f"axis {axis} of the upstream gradient"
        for cause, sentence, change in ALONG:
            yield cause, sentence.format(where), lambda us, f=change, a=axis: [f(u, a) for u in us]
    for cause, sentence, mask in _masks(hypothesis, upstream[0].shape):
        yield cause, sentence, lambda us, m=mask: [u * m for u in us]
    with np.errstate(all="ignore"):
        for cause, sentence, factor in _factors(hypothesis) if len(upstream) == 1 else ():
            yield cause, sentence, lambda us, f=factor: [us[0] * f]


def _masks(hypothesis: Hypothesis, shape: tuple[int, ...]) -> Iterator[tuple[str, str, Array]]:
    """Parts of a sum that a mistake may leave: 1 for what is counted."""
    sums = hypothesis.serves_batch
    if not sums and not np.any(hypothesis.given[hypothesis.bad]):
        return  # entries that are zero: gradient.py says which
    for axis, length in enumerate(shape):
        line = (-1, *(1,) * (len(shape) - axis - 1))
        for r in range(length) if 1 < length <= 64 else ():
            one = np.eye(length)[r].reshape(line)
            cause = "missing_batch_sum" if sums and not axis else "missing_term"
            yield cause, f"of axis {axis} of the output only index {r} is counted", one
            if length > 2:
                text = f"of axis {axis} of the output all but index {r} are counted"
                yield "boundary", text, 1 - one
    for count in range(2, len(shape) + 1) if sums else ():
        for axes in combinations(range(len(shape)), count):
            for end, word in ((-1, "last"), (0, "first")):
                mask = np.zeros(shape)
                mask[tuple([end] if a in axes else slice(None) for a in range(len(shape)))] = 1
                spelled = ", ".join(map(str, axes))
                text = f"of axes {spelled} of the output only the {word} index is counted"
                yield "missing_batch_sum", text, mask


def _factors(hypothesis: Hypothesis) -> Iterator[tuple[str, str, Array]]:
    """Local derivatives that one gradient lacks, or has twice, by the output's own values."""
    base, y = hypothesis.base, hypothesis.base.run.outputs[0]
    wrong = {m.name for m in base.mismatches}
    right = [f"d{n}" for n in base.parts if n not in wrong and n != hypothesis.name]
    suffix = f"; {', '.join(right)} {'has' if len(right) == 1 else 'have'} it" if right else ""
    for cause, sentence, factor in LOCAL:
        values = factor(y.astype(np.float64))
        if np.isfinite(values).all() and np.ptp(values) > 1e-3 * abs(values).max(initial=0):
            yield cause, sentence.format(suffix), values
