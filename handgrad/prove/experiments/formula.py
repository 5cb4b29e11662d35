"""What explains the difference between a wrong gradient and the numerical one?

A hypothesis says what backward would give if one certain mistake had been made. It is accepted
when it leaves next to nothing of the difference unexplained.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.compare import Gap
from handgrad.prove.experiments import arrangement, factor, mend, region, summation, upstream_use
from handgrad.prove.experiments.evidence import Clue
from handgrad.prove.point import differentiate
from handgrad.prove.report import Finding
from handgrad.prove.trial import Case, Outcome

HYPOTHESES = (
    factor.absent,
    arrangement.swapped,
    arrangement.transposed,
    arrangement.turned_parameter,
    arrangement.stretched,
    factor.constant,
    factor.partial,
    upstream_use.other_upstream,
    summation.over_other_axis,
    summation.of_some_rows,
    summation.of_one_place,
    summation.across_rows,
    region.rounded,
    region.left_over,
    region.at_edges,
)

EXPLAINED = 0.85  # from this weight on an explanation needs no other


def diagnose(case: Case, base: Outcome) -> Iterator[Finding]:
    """Findings that explain the gaps of a trial, the default last."""
    clues = [_clue(case, base, gap) for gap in base.gaps]
    found = [finding for clue in clues for finding in _explained(clue)]
    yield from found
    sure = [f for f in found if f.weight >= EXPLAINED and f.cause != "transpose"]
    if clues and not sure:
        yield from mend.mended(clues)


def _explained(clue: Clue) -> Iterator[Finding]:
    if clue.gap.part is None and clue.base.run.gradients[clue.name] is not None:
        yield from arrangement.misshapen(clue)
        return
    for hypothesis in HYPOTHESES:
        yield from hypothesis(clue)
    yield clue.finding("wrong_formula", 0.3, "no simple mistake explains the difference")


def misfit(name: str, shape: tuple[int, ...], gradient: Array) -> Gap:
    """The gap of a gradient that has not the shape of its argument."""
    return Gap(name, shape, gradient, None, np.empty(0), np.empty(0))


def _clue(case: Case, base: Outcome, gap: Gap) -> Clue:
    assert base.point is not None
    for name in [g.name for g in base.gaps] + case.wanted:
        if name not in base.parts:
            base.parts[name] = differentiate(base.point, name, 1e5, case.rng)
    part = base.parts[gap.name]
    numeric = gap.numeric if gap.part is part else part.expected(base.run.flat_upstream)
    bad = gap.bad if gap.part is part else np.ones(len(part.index), dtype=bool)
    return Clue(case, base, gap, part, numeric, bad)
