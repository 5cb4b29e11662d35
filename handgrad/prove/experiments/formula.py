"""What explains the difference between a wrong gradient and the numerical one?"""

from __future__ import annotations

from collections.abc import Iterator

from handgrad.prove.report import Finding
from handgrad.prove.trial import Case, Outcome


def diagnose(case: Case, base: Outcome) -> Iterator[Finding]:
    """Findings that explain the gaps of the first trial."""
    for gap in base.gaps:
        yield Finding("wrong_formula", 0.3, f"The gradient d{gap.name} differs.", gap.name, gap.where())
