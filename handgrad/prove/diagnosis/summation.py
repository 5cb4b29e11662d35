"""Explanations by a sum: over another axis, over some rows only, across rows that are apart."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.diagnosis.hypothesis import Hypothesis
from handgrad.prove.measure.point import Point, differentiate_at
from handgrad.prove.verdict.evidence import Finding


def over_other_axis(hypothesis: Hypothesis) -> Iterator[Finding]:
    """A parameter that acts elementwise got the sum along another axis, or a mean for the sum."""
    if len(hypothesis.upstream) != 1 or not hypothesis.whole:
        return
    shape = hypothesis.upstream[0].shape
    terms = (hypothesis.part.value.sum(0) * hypothesis.base.run.flat_upstream).reshape(shape)
    size = hypothesis.mismatch.analytic.size
    for count in range(1, terms.ndim + 1):
        for axes in combinations(range(terms.ndim), count):
            if all(shape[a] == 1 for a in axes):
                continue  # a sum of one
            for reduced, verb in ((terms.sum(axes), "summed"), (terms.mean(axes), "averaged")):
                if reduced.size == size and hypothesis.explains(reduced.reshape(-1)):
                    spelled = ", ".join(map(str, axes))
                    text = f"it was {verb} over axis {spelled} of the output"
                    yield hypothesis.finding("wrong_axis", text)
                    return


def of_some_rows(hypothesis: Hypothesis) -> Iterator[Finding]:
    """A parameter's gradient is made of some slices of the batch, or some steps, only."""
    if not hypothesis.serves_batch or len(hypothesis.upstream) != 1:
        return
    upstream = hypothesis.upstream[0]
    for axis in range(upstream.ndim):
        rows = upstream.shape[axis]
        if not 1 < rows <= 64:
            continue
        pieces = np.stack([hypothesis.pulled(_only(upstream, axis, r)) for r in range(rows)])
        for text, kept in _selections(rows):
            if not hypothesis.explains(kept @ pieces):
                continue
            one_off = kept.sum() == rows - 1 and (rows > 2 or axis or hypothesis.elsewhere)
            cause = "boundary" if one_off or (axis and kept.sum() > 1) else "missing_batch_sum"
            yield hypothesis.finding(cause, f"of axis {axis} of the output {text} counted")
            return


def of_one_entry(hypothesis: Hypothesis) -> Iterator[Finding]:
    """It was set in a loop instead of added up, or the batch was taken for its first row."""
    if not hypothesis.serves_batch or len(hypothesis.upstream) != 1:
        return
    upstream = hypothesis.upstream[0]
    for count in range(2, upstream.ndim + 1):
        for axes in combinations(range(upstream.ndim), count):
            for end, word in ((-1, "last"), (0, "first")):
                kept = np.zeros_like(upstream)
                index = tuple([end] if a in axes else slice(None) for a in range(upstream.ndim))
                kept[index] = upstream[index]
                if hypothesis.explains(hypothesis.pulled(kept.reshape(-1))):
                    spelled = ", ".join(map(str, axes))
                    text = f"of axes {spelled} of the output only the {word} index is counted"
                    yield hypothesis.finding("missing_batch_sum", text)
                    return
    yield from _of_one_sample(hypothesis)


def _of_one_sample(hypothesis: Hypothesis) -> Iterator[Finding]:
    """One row of the inputs stands for all of them."""
    base, case = hypothesis.base, hypothesis.case
    rows = {len(x) for x in base.run.inputs if isinstance(x, np.ndarray) and x.ndim}
    if len(rows) != 1 or rows == {1} or not hypothesis.is_parameter or case.large:
        return
    for row in (0, -1):
        inputs = [np.broadcast_to(x[[row]], x.shape).copy() if np.ndim(x) else x
                  for x in base.run.inputs]  # fmt: skip
        point = Point(case.subject, case.names, inputs, len(hypothesis.upstream))
        part = differentiate_at(point, hypothesis.name, hypothesis.part.index)
        if hypothesis.explains(part.expected(base.run.flat_upstream)):
            text = f"number {row} of the batch is taken for every one"
            yield hypothesis.finding("missing_batch_sum", text)
            return


def _selections(rows: int) -> Iterator[tuple[str, Array]]:
    """Parts of a sum that a mistake may leave: 1 for what is counted."""
    one = np.eye(rows)
    yield from ((f"only number {r} is", one[r]) for r in range(rows))
    yield from ((f"all but number {r} are", 1 - one[r]) for r in range(rows))
    half = (np.arange(rows) < rows // 2).astype(float)
    even = (np.arange(rows) % 2 == 0).astype(float)
    yield from (("only half are", part) for part in (half, 1 - half, even, 1 - even))


def across_rows(hypothesis: Hypothesis) -> Iterator[Finding]:
    """An input's gradient mixes slices of an axis that forward keeps apart."""
    shape = hypothesis.mismatch.shape
    single = len(hypothesis.upstream) == 1
    if hypothesis.is_parameter or not single or not shape or not hypothesis.whole:
        return
    upstream = hypothesis.upstream[0]
    for axis in range(min(upstream.ndim, len(shape))):
        rows = shape[axis]
        if rows < 2 or upstream.shape[axis] != rows:
            continue
        if not _kept_apart(hypothesis, upstream, axis):
            continue
        for row in (0, rows - 1):
            masked = _only(upstream, axis, row).reshape(upstream.shape)
            run = hypothesis.case.run(hypothesis.base.run.inputs, [masked])
            given = run.gradients[hypothesis.name]
            if given is None or given.shape != shape:
                return
            rest = abs(np.delete(given, row, axis)).max()
            if rest > 1e-4 * abs(given).max(initial=1e-300):
                text = f"slices along axis {axis} are mixed, which forward keeps apart"
                yield hypothesis.guess("wrong_axis", text)
                return


def _kept_apart(hypothesis: Hypothesis, upstream: Array, axis: int) -> bool:
    """Whether forward computes each slice of the output from the same slice of the input."""
    for row in range(upstream.shape[axis]):
        right = hypothesis.pulled(_only(upstream, axis, row)).reshape(hypothesis.mismatch.shape)
        elsewhere = abs(np.delete(right, row, axis)).max(initial=0)
        if elsewhere > 1e-7 * abs(right).max(initial=1e-300):
            return False
    return True


def _only(upstream: Array, axis: int, row: int) -> Array:
    """The upstream gradient with one slice left, flat."""
    kept = np.zeros_like(upstream)
    index = (slice(None),) * axis + (row,)
    kept[index] = upstream[index]
    return kept.reshape(-1)
