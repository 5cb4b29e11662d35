"""Names of columns: each there, and each once."""

from __future__ import annotations

from collections.abc import Collection, Iterable
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


def refuse_twice(source: str, names: Collection[str], known: Collection[str]) -> None:
    """Raise ValueError where a column that is known is there twice: then `different` numbers it."""
    for name in known:
        if f"{name}.2" in names and f"{name}.2" not in known:
            raise ValueError(f"{source}: the column {name!r} is there twice")
