"""How the contributions of the outputs are added up: over which axes, and whether at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations

import numpy as np

from handgrad.prove.diagnosis.hypothesis import Hypothesis
from handgrad.prove.verdict.evidence import Finding


def over_other_axis(hypothesis: Hypothesis) -> Iterator[Finding]:
    """What acts elementwise got the sum along another axis, or a mean for the sum."""
    if len(hypothesis.upstream) != 1 or not hypothesis.whole:
        return
    terms, given = hypothesis.contributions.sum(0), hypothesis.given
    for axes in _subsets(range(terms.ndim)):
        if all(terms.shape[a] == 1 for a in axes):
            continue  # a sum of one
        total = terms.sum(axes).reshape(-1)
        if total.size == given.size and hypothesis.near(total, hypothesis.numeric):
            continue  # the right axes: the factor is told
        for reduced, verb in ((terms.sum(axes), "summed"), (terms.mean(axes), "averaged")):
            if reduced.size == given.size and hypothesis.explains(reduced.reshape(-1)):
                text = f"it was {verb} over axis {_spelled(axes)} of the output"
                yield hypothesis.finding("wrong_axis", text)
                return


def overwritten(hypothesis: Hypothesis) -> Iterator[Finding]:
    """Where several outputs contribute to one entry only the last is left, or their mean."""
    indexed = any(np.asarray(x).dtype.kind in "iu" for x in hypothesis.base.run.inputs)
    if len(hypothesis.upstream) != 1 or (hypothesis.serves_batch and not indexed):
        return
    parts = hypothesis.contributions
    sparse = [a for a in range(1, parts.ndim) if not np.any(
        parts, tuple(b for b in range(1, parts.ndim) if b != a)).all()]  # fmt: skip
    for axes in _subsets(sparse):  # of plain sums see which part is left in upstream.py
        rest = tuple(a for a in range(1, parts.ndim) if a not in axes)
        there = parts.sum(rest).reshape(len(parts), -1) if rest else parts.reshape(len(parts), -1)
        seen = abs(parts).max(rest, initial=0).reshape(there.shape) > 0
        count = seen.sum(1)
        if count.max(initial=0) < 2:
            continue
        entries, width = np.arange(len(there)), there.shape[1] - 1
        last = there[entries, width - seen[:, ::-1].argmax(1)]
        first = there[entries, seen.argmax(1)]
        for left, text in ((last, "only the last is left"), (first, "only the first counts"),
                           (there.sum(1) / np.maximum(count, 1), "they are averaged")):  # fmt: skip
            if hypothesis.explains(left):
                spelled = _spelled(a - 1 for a in axes)
                yield hypothesis.finding(
                    "missing_term",
                    f"where several numbers along axis {spelled} of the output contribute to one "
                    f"entry, as windows that overlap or indices that repeat do, {text}",
                )
                return


def mixed(hypothesis: Hypothesis) -> Iterator[Finding]:
    """An input's gradient mixes slices of an axis that forward keeps apart."""
    shape, single = hypothesis.shape, len(hypothesis.upstream) == 1
    if hypothesis.is_parameter or not single or not shape or not hypothesis.whole:
        return
    upstream = hypothesis.upstream[0]
    for axis in range(min(upstream.ndim, len(shape))):
        rows = shape[axis]
        if rows < 2 or upstream.shape[axis] != rows:
            continue
        jacobian = abs(hypothesis.part.value).reshape(*shape, *upstream.shape)
        other = tuple(a for a in range(jacobian.ndim) if a not in (axis, len(shape) + axis))
        links = jacobian.max(other, initial=0)
        if links[~np.eye(rows, dtype=bool)].max() > 1e-7 * links.max():
            continue  # forward mixes them too
        for row in (0, rows - 1):
            kept = (np.arange(rows) == row).reshape(-1, *(1,) * (upstream.ndim - axis - 1))
            run = hypothesis.case.run(hypothesis.base.run.inputs, [upstream * kept])
            given = run.gradients[hypothesis.name]
            if given is None or given.shape != shape:
                return
            if abs(np.delete(given, row, axis)).max() > 1e-4 * abs(given).max(initial=1e-300):
                text = f"slices along axis {axis} are mixed, which forward keeps apart"
                yield hypothesis.guess("wrong_axis", text)
                return


def _subsets(axes: Iterable[int]) -> Iterator[tuple[int, ...]]:
    axes = tuple(axes)
    for count in range(1, len(axes) + 1):
        yield from combinations(axes, count)


def _spelled(axes: Iterable[int]) -> str:
    return ", ".join(map(str, axes))


def stretched(hypothesis: Hypothesis) -> Iterator[Finding]:
    """Of the inputs of an elementwise layer, only one that was stretched is wrong."""
    outputs, shape = hypothesis.base.run.outputs, hypothesis.shape
    if hypothesis.serves_batch or len(outputs) != 1:
        return
    target = outputs[0].shape
    if shape == target or not _fits_in(shape, target):
        return
    if all(g.shape != target for g in hypothesis.base.mismatches):
        text = f"shape {shape} was stretched to {target}"
        if _right_unstretched(hypothesis, target):
            yield hypothesis.finding("broadcasting", f"{text}; for equal shapes it is right")


def _fits_in(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    """Whether a shape is stretched to the target by broadcasting."""
    try:
        return np.broadcast_shapes(shape, target) == target
    except ValueError:
        return False


def _right_unstretched(hypothesis: Hypothesis, target: tuple[int, ...]) -> bool:
    """Whether the gradients are right when no input has to be stretched."""
    inputs = [np.broadcast_to(x, target) * hypothesis.case.rng.uniform(0.8, 1.2, target)
              if np.asarray(x).dtype.kind == "f" and _fits_in(np.shape(x), target) else x
              for x in hypothesis.base.run.inputs]  # fmt: skip
    outcome = hypothesis.case.verify(inputs)
    equal = outcome is not None and all(y.shape == target for y in outcome.run.outputs)
    return outcome is not None and equal and not outcome.mismatches
