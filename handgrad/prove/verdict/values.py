"""Other values: large and small, negative, all equal, zero: is the gradient right there too?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.measure.numeric import careful
from handgrad.prove.measure.point import DOUBLE
from handgrad.prove.subject.sandbox import SubjectError
from handgrad.prove.verdict.evidence import Finding, Grade
from handgrad.prove.verdict.inputs import movable, nearby, replaced, shuffled
from handgrad.prove.verdict.sizes import elsewhere
from handgrad.prove.verdict.trial import Case, Outcome


def ordinary(case: Case, base: Outcome) -> Iterator[Finding]:
    """Values of other sizes and signs, within the domain that the sample shows."""
    for what, inputs in _variants(case, base):
        yield from elsewhere(case, inputs, "wrong_formula", what)


def _variants(case: Case, base: Outcome) -> Iterator[tuple[str, list[Any]]]:
    yield "other values", nearby(case)
    yield "another batch", shuffled(case, case.rng)
    for _ in range(3):
        yield "the values in another order", replaced(case, lambda x: _permuted(case, x))
    if not movable(case):
        return
    low = min(float(np.min(case.inputs[k], initial=np.inf)) for k in movable(case))
    high = max(float(np.max(case.inputs[k], initial=-np.inf)) for k in movable(case))
    size = max(abs(low), abs(high), 1e-300)
    if low >= 0:
        yield from _rearranged(case)
    if low >= 0 and high <= 1:
        yield "smaller values", replaced(case, lambda x: 0.3 * np.asarray(x))
        return
    loss = all(y.size == 1 for y in base.run.outputs)
    exact = base.point is not None and base.point.noise == DOUBLE
    tops = (0.5, 3.0) if loss else (0.1, 0.5, 3.0, 8.0, 30.0) + (300.0,) * exact
    for top in tops:
        scale = 1.0137 * top / size  # a round number may be where the subject jumps
        yield f"values up to {top:g}", replaced(case, lambda x, s=scale: s * np.asarray(x))
    if low < 0 < high or not ends_at_zero(case):
        for sign, word in ((1.0, "positive"), (-1.0, "negative")):
            for top in (1.0, 4.0) if not loss else (1.0,):
                scale = sign * top / size
                inputs = replaced(case, lambda x, s=scale: s * (0.05 * size + abs(np.asarray(x))))
                yield f"{word} values", inputs
        yield "mixed values", replaced(case, lambda x: _mixed(case, x))


def _rearranged(case: Case) -> Iterator[tuple[str, list[Any]]]:
    """Values of the other sign, which the sample has not; where forward is finite they count."""
    if ends_at_zero(case):
        return
    for scale in (-1.0, -5.0):
        yield "negative values", replaced(case, lambda x, s=scale: s * np.asarray(x))
    signs = case.rng.choice
    yield "values of both signs", replaced(case, lambda x: x * signs([-1.0, 1.0], np.shape(x)))


def _permuted(case: Case, x: Any) -> Array:
    flat = np.asarray(x).reshape(-1)
    return case.rng.permutation(flat).reshape(np.shape(x)) * case.rng.uniform(0.9, 1.0, np.shape(x))


def _mixed(case: Case, x: Any) -> Array:
    return np.asarray(case.rng.normal(0, 1.5, np.shape(x)))


def ties(case: Case, base: Outcome) -> Iterator[Finding]:
    """Equal values, and zeros: any subgradient is right, but it has to be one."""
    rng = np.random.default_rng(case.seed)
    sample = [abs(np.asarray(case.inputs[k])) for k in movable(case)]
    level = float(np.mean([x.mean() for x in sample if x.size] or [1.0]))
    zeros = _has_zeros(case)
    for what, value in (("equal values", level), ("zeros", 0.0))[: 1 + zeros]:
        inputs = replaced(case, lambda x, v=value: np.full(np.shape(x), v))
        yield from elsewhere(case, inputs, "boundary", what)
    yield from _shared_tie(case, level)
    if not zeros:
        return
    some = replaced(case, lambda x: np.asarray(x) * (rng.random(np.shape(x)) < 0.6))
    yield from elsewhere(case, some, "boundary", "some zeros")
    pairs = replaced(case, lambda x: np.round(np.asarray(x)))
    yield from elsewhere(case, pairs, "boundary", "ties among the values")


def _has_zeros(case: Case) -> bool:
    """Whether zero is in the domain, by what the sample shows and the gradient does."""
    low = min((float(np.min(case.inputs[k], initial=np.inf)) for k in movable(case)), default=0.0)
    return low <= 0 or not ends_at_zero(case)


def ends_at_zero(case: Case) -> bool:
    """Whether gradients grow without end towards zero, as those of a logarithm or a root do."""
    tops = []
    for scale in (1.0, 1e-3):
        try:
            gradients = case.run(replaced(case, lambda x, s=scale: s * np.asarray(x))).gradients
        except SubjectError:  # it says itself where its domain ends
            return True
        found = [gradients[case.names[k]] for k in movable(case)]
        tops.append(max((abs(g).max(initial=0) for g in found if g is not None), default=0.0))
    return not tops[1] <= 30 * tops[0]


def _shared_tie(case: Case, level: float) -> Iterator[Finding]:
    """Where all inputs are equal they may move together: that derivative is between its sides."""
    inputs = replaced(case, lambda x: np.full(np.shape(x), level))
    names = [case.names[k] for k in movable(case)]
    for together in [[name] for name in names] + [names] * (len(names) > 1):
        outcome = case.verify(inputs)
        if outcome is None or outcome.point is None:
            return
        gradients = [outcome.run.gradients[name] for name in together]
        given = [g for g in gradients if g is not None]
        if len(given) < len(together):
            return
        moves = {name: np.ones(np.shape(outcome.point.value(name))) for name in together}
        best = careful(outcome.point.along(moves), max(level, 0.1), outcome.point.noise)
        low, high = best.range(outcome.run.flat_upstream)
        total = float(sum(g.sum() for g in given))
        slack = 1e-3 * (sum(abs(g).sum() for g in given) + abs(low) + abs(high)) + 1e-12
        error = 10 * float(best.error @ abs(outcome.run.flat_upstream))
        if error < slack and not low - slack <= total <= high + slack:
            text = (
                f"With equal values d{' + d'.join(together)} adds up to {total:.6g}, and moving "
                f"them together gives {low:.6g}: a tie is counted more than once, or not at all."
            )
            yield Finding("boundary", text, together[0], grade=Grade.ELSEWHERE)
