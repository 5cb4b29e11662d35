"""What the verdict rests on: the rules that experiments saw broken, and what was tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from handgrad.prove.report import Where


@dataclass(frozen=True)
class Finding:
    """One rule that one experiment saw broken.

    `outcome` is the trial in which a gradient was wrong, for the diagnosis to explain; `what`
    says in which way its inputs differ from the given ones.
    """

    cause: str
    weight: float
    sentence: str
    gradient: str = ""
    where: Where | None = None
    line: str | None = None
    outcome: Any = None
    what: str = ""
