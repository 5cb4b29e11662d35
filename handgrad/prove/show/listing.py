"""What was found in a file: as text, and as JSON."""

from __future__ import annotations

import json
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


def to_json(found: Sequence[Found]) -> bytes:
    """A list with one object for each subject: its report, or why there is none."""
    values = [
        {"subject": one.name, "verdict": one.verdict, "evidence": [one.reason]}
        if one.report is None
        else one.report.to_dict() | {"subject": one.name}
        for one in found
    ]
    return json.dumps(values, indent=1).encode()
