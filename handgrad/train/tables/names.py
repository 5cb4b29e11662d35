"""Names of columns: each there, and each once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def different(names: Iterable[Any]) -> list[str]:
    """The names as text; an empty one is "column 3", one that is there before gets a number."""
    found: list[str] = []
    taken: set[str] = set()
    for number, name in enumerate(names):
        name = str(name).strip() or f"column {number}"
        unique, again = name, 2
        while unique in taken:
            unique, again = f"{name}.{again}", again + 1
        found.append(unique)
        taken.add(unique)
    return found
