"""Other ranks: is a backward that is right for a matrix right for a stack of matrices too?

Only where forward means it: on one axis more it gives what it gives slice by slice. An exception
in backward, or a gradient of the wrong shape, says of itself that this rank is not meant, unless
another parameter's gradient is right there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from handgrad.prove.subject.sandbox import SubjectError
from handgrad.prove.verdict.chance import close
from handgrad.prove.verdict.evidence import Finding
from handgrad.prove.verdict.inputs import batched, nearby
from handgrad.prove.verdict.sizes import elsewhere
from handgrad.prove.verdict.trial import Case, Outcome, fresh


def ranks(case: Case, base: Outcome) -> Iterator[Finding]:
    """One axis more in front, and one less."""
    tied = batched(case)
    if not tied:
        return
    slices = [case.inputs, nearby(case, 5)]
    more = [np.stack([np.asarray(s[k]) for s in slices]) if k in tied else fresh(x)
            for k, x in enumerate(case.inputs)]  # fmt: skip
    yield from _proved(case, more, slices, "one axis more")
    rows = len(np.asarray(case.inputs[min(tied)]))
    parts = [[np.asarray(x)[i] if k in tied else fresh(x) for k, x in enumerate(case.inputs)]
             for i in range(min(rows, 8))]  # fmt: skip
    if rows <= 8:
        yield from _proved(case, parts[0], parts, "one axis less", whole=case.inputs)
    yield from _unfolded(case)


def _unfolded(case: Case) -> Iterator[Finding]:
    """The last axis in two, where forward takes that as if it were still one."""
    x = np.asarray(case.inputs[0])
    if len(case.inputs) != 1 or x.ndim != 2 or not x.size:
        return
    wide = np.concatenate([x, 0.9 * x[:, ::-1]], 1)
    for flat, inner in ((wide, (x.shape[1], 2)), (x, (1, x.shape[1]))):
        folded = flat.reshape(len(x), *inner)
        try:
            pair = [case.forward(case.subject.copy(), [a.copy()]) for a in (folded, flat)]
        except SubjectError:  # not meant
            continue
        if all(map(close, *pair)):
            found = elsewhere(case, [folded], "wrong_axis", f"an input of shape {folded.shape}")
            yield from (f for f in found if f.outcome is not None)


def _proved(
    case: Case, inputs: list[Any], slices: list[list[Any]], what: str, whole: Any = None
) -> Iterator[Finding]:
    try:
        if not _same_by_slices(case, inputs if whole is None else whole, slices):
            return
        run = case.run(inputs)
    except SubjectError:  # not meant
        return
    if any(run.gradients[n] is None for n in case.wanted):
        return
    shapes = {n: (g, case.shape(n, inputs)) for n, g in run.gradients.items()
              if n in case.wanted and g is not None}  # fmt: skip
    misshapen = [n for n, (g, shape) in shapes.items() if g.shape != shape]
    for finding in elsewhere(case, inputs, "wrong_axis", what):
        wrong = {m.name for m in finding.outcome.mismatches} if finding.outcome else set()
        learned, batch = set(case.subject.parameters), {case.names[k] for k in batched(case)}
        vector = max(np.ndim(x) for x in inputs) < 2
        loud = set(misshapen) if vector else set(misshapen) - batch
        if not (loud or (whole is not None and wrong <= learned)) or learned - wrong:
            yield finding


def _same_by_slices(case: Case, whole: list[Any], slices: list[list[Any]]) -> bool:
    """Whether forward gives for the stack what it gives for each slice, or their sum or mean."""
    outputs = case.forward(case.subject.copy(), [fresh(x) for x in whole])
    apart = [case.forward(case.subject.copy(), [fresh(x) for x in s]) for s in slices]
    for k, y in enumerate(outputs):
        alone = np.stack([p[k] for p in apart])
        options = [alone] if y.ndim else [alone.sum(0), alone.mean(0)]
        if not any(close(y, option, 1e-9) for option in options):
            return False
    return True
