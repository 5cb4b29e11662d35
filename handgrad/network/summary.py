"""The table of a network's layers: output shapes, numbers of parameters."""

from __future__ import annotations

from typing import Any

from handgrad.attributes import short
from handgrad.layer import slots, walk
from handgrad.tensor import CallRecord


def table_of_calls(network: Any, clone: Any, calls: list[CallRecord]) -> str:
    """One line for each use of a layer in a clone of the network; a parameter counts once."""
    path_of = {id(layer): path for path, layer in walk(clone)}
    rows, counted = [], set()
    for a in calls:
        own = 0 if id(a.original) in counted else sum(s.value.size for s in slots(a.original))
        counted.add(id(a.original))
        shape = " ".join(str(("N", *s[1:]) if s else s).replace("'", "") for s in a.shapes)
        rows.append((path_of.get(id(a.original), ""), _name(a.original), shape, f"{own:,}"))
    total = len(network.parameters)
    return _table(("name", "layer", "output shape", "parameters"), rows, f"{total:,}")


def _table(head: tuple[str, ...], rows: list[tuple[str, str, str, str]], total: str) -> str:
    widths = [max(len(r[i]) for r in (head, *rows, ("", "", "total", total))) for i in range(4)]
    line = "  ".join("─" * w for w in widths)

    def text(row: tuple[str, ...]) -> str:
        cells = [c.ljust(w) for c, w in zip(row[:3], widths)]
        return "  ".join([*cells, row[3].rjust(widths[3])])

    return "\n".join([text(head), line, *map(text, rows), line, text(("", "", "total", total))])


def _name(layer: Any) -> str:
    usual: Any = object.__repr__
    plain = type(layer).__repr__ is usual
    return type(layer).__name__ if plain else short(layer)
