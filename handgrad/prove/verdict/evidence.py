"""What the verdict rests on: the rules that experiments saw broken, and what was tried."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from handgrad.findings.report import Where


class Grade(IntEnum):
    """How a finding is known, the surest first."""

    OBSERVED = 0  # a breach of the contract was seen directly
    EXPLAINED = 1  # one mistake explains the whole difference, also for another upstream or input
    ELSEWHERE = 2  # it shows only in a variant: other inputs, sizes, precisions, layouts
    UNEXPLAINED = 3  # the gradient is wrong, and at most a part of the difference is explained
    EXTREME = 4  # it shows only at inputs that are out of the ordinary


@dataclass(frozen=True)
class Finding:
    """One rule that one experiment saw broken.

    `outcome` is the trial in which a gradient was wrong, for the diagnosis to explain; `what`
    says in which way its inputs differ from the given ones.
    """

    cause: str
    sentence: str
    gradient: str = ""
    where: Where | None = None
    line: str | None = None
    outcome: Any = None
    what: str = ""
    grade: Grade = Grade.OBSERVED
