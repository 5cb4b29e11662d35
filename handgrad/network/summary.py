"""The table of a network's layers: output shapes, numbers of parameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from handgrad.attributes import short
from handgrad.layer import slots, sublayers, walk
from handgrad.tensor import CallRecord

Row = tuple[str, ...]
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


class Summary(str):
    """The table as text; a notebook shows it as HTML."""

    rows: list[Row]  # the head first, the total last

    def __new__(cls, rows: list[Row]) -> Summary:
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        line = "  ".join("─" * w for w in widths)
        texts = [_text(row, widths) for row in rows]
        table = super().__new__(cls, "\n".join([texts[0], line, *texts[1:-1], line, texts[-1]]))
        table.rows = rows
        return table

    def _repr_html_(self) -> str:
        head, *rows = (
            "".join(f"<{tag} style='text-align:{'right' if i == len(row) - 1 else 'left'}'>"
                    f"{cell.translate(_ESCAPES)}</{tag}>" for i, cell in enumerate(row))
            for row, tag in zip(self.rows, ["th", *["td"] * (len(self.rows) - 2), "th"])
        )  # fmt: skip
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def table_of_calls(network: Any, clone: Any, calls: list[CallRecord]) -> Summary:
    """One line for each use of a layer in a clone of the network; a parameter counts once."""
    path_of = {id(layer): path for path, layer in walk(clone)}
    rows: list[Row] = [("name", "layer", "output shape", "parameters")]
    counted = set()
    for a in calls:
        own = 0 if id(a.original) in counted else sum(s.value.size for s in slots(a.original))
        counted.add(id(a.original))
        shape = " ".join(str(("N", *s[1:]) if s else s).replace("'", "") for s in a.shapes)
        rows.append((path_of.get(id(a.original), ""), _name(a.original), shape, f"{own:,}"))
    return Summary([*rows, ("", "", "total", f"{len(network.parameters):,}")])


def table_of_layers(network: Any) -> Summary:
    """One line for each layer inside that holds no other; "?" where a size is not known yet."""
    rows: list[Row] = [("name", "layer", "parameters")]
    for path, layer in _innermost(network):
        rows.append((path, _name(layer), _count([slot.value for slot in slots(layer)])))
    return Summary([*rows, ("", "total", _count([slot.value for slot in slots(network)]))])


def _innermost(network: Any) -> Iterator[tuple[str, Any]]:
    for path, layer in walk(network):
        if layer is not network and next(sublayers(layer), None) is None:
            yield path, layer


def _count(values: list[Any]) -> str:
    """How many elements, each array once; "?" where one is not made yet."""
    if any(value is None for value in values):
        return "?"
    return f"{sum(value.size for value in {id(value): value for value in values}.values()):,}"


def _text(row: Row, widths: list[int]) -> str:
    cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths)]
    return "  ".join([*cells, row[-1].rjust(widths[-1])])


def _name(layer: Any) -> str:
    usual: Any = object.__repr__
    plain = type(layer).__repr__ is usual
    return type(layer).__name__ if plain else short(layer)
