"""What was found in a file: as text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from handgrad.prove.report import Found


def to_text(found: Sequence[Found], brief: bool = False) -> str:
    """A paragraph for each subject, a line for each right one where brief; the sum at the end."""
    parts = []
    for one in found:
        if one.report is None:
            parts.append(f"{one.name}: not checked. {one.reason}.\n")
        elif brief and one.report:
            parts.append(f"{one.name}: right")
        else:
            parts.append(f"{one.report}\n")
    counts = Counter(one.verdict for one in found)
    return "\n".join([*parts, ", ".join(f"{n} {verdict}" for verdict, n in counts.items())])
