"""TableSpec: what a model takes of a table, fitted to training rows and kept in the model file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.layer import walk
from handgrad.layers import ColumnEmbedding
from handgrad.train import schema
from handgrad.train.spec import InputSpec
from handgrad.train.store import leave, room
from handgrad.train.tables.cells import as_number
from handgrad.train.tables.encode import Encoder, Number
from handgrad.train.tables.encoders import Embedded, encoder_from
from handgrad.train.tables.frame import Column, Frame
from handgrad.train.tables.names import refuse_twice

NAMES: schema.Check = schema.list_of(schema.text)
TABLE: schema.Check = schema.record(
    {"columns": NAMES, "encoders": schema.list_of(schema.anything), "targets": NAMES,
     "header": schema.kind("a truth value", bool), "id": schema.optional(schema.text)}
)  # fmt: skip
SOME = 2**18  # rows that become numbers at once
FOREIGN = 0.5  # share of cells without a number above which a column is another


@dataclass(frozen=True)
class TableSpec:
    """How columns of a table become the numbers that a network takes.

    columns: the names of all columns in training; targets: those that are predicted; id: one that
    names the rows; header: whether the names stood in the file, or are the columns' numbers.

    Raises ValueError for names that do not fit each other.
    """

    columns: tuple[str, ...]
    encoders: tuple[Encoder, ...]
    targets: tuple[str, ...]
    header: bool = True
    id: str | None = None

    def __post_init__(self) -> None:
        used = [encoder.name for encoder in self.encoders]
        all_named = [*used, *self.targets, *([] if self.id is None else [self.id])]
        known = set(self.columns)
        if len(known) < len(self.columns) or not known.issuperset(all_named) or not used:
            raise schema.refuse("TableSpec: columns", "different names, of those used", all_named)
        if len({*used, *self.targets}) < len(used) + len(self.targets):
            raise schema.refuse("TableSpec: encoders", "of different columns", all_named)

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the numbers, all different."""
        seen: Counter[str] = Counter()
        names = []
        for encoder in self.encoders:
            for name in encoder.features:
                seen[name] += 1
                names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
        return tuple(names)

    @property
    def width(self) -> int:
        """How many numbers a row becomes."""
        return sum(len(encoder.features) for encoder in self.encoders)

    def codes(self) -> dict[int, int]:
        """Of the numbers that are codes of embedded categories, which they are, and how many codes
        there are."""
        sizes, at = {}, 0
        for encoder in self.encoders:
            if isinstance(encoder, Embedded):
                sizes[at] = encoder.size
            at += len(encoder.features)
        return sizes

    def embedding(self, hidden: int = 8) -> ColumnEmbedding | None:
        """The layer that a network must begin with; None where no category is embedded.

        hidden: numbers for each category; 8 is the usual size of Holzmüller, Grinsztajn,
        Steinwart, "Better by default", NeurIPS 2024.
        """
        codes = self.codes()
        return ColumnEmbedding([*codes], [*codes.values()], hidden, init=0.1) if codes else None

    def to_dict(self) -> dict[str, Any]:
        """Plain data from which `from_dict` makes the same again."""
        return {"columns": list(self.columns), "targets": list(self.targets),
                "encoders": [encoder.to_dict() for encoder in self.encoders],
                "header": self.header, "id": self.id}  # fmt: skip

    @classmethod
    def from_dict(cls, data: Any, where: str = "table") -> TableSpec:
        """A specification from plain data; ValueError for data that are none."""
        TABLE(data, where)
        encoders = [
            encoder_from(e, f"{where}.encoders[{i}]") for i, e in enumerate(data["encoders"])
        ]
        return cls(tuple(data["columns"]), tuple(encoders), tuple(data["targets"]),
                   data["header"], data["id"])  # fmt: skip

    # -- reading ------------------------------------------------------------------------------

    @property
    def numeric(self) -> set[str]:
        """The columns that are read as numbers."""
        return {encoder.name for encoder in self.encoders if isinstance(encoder, Number)}

    @property
    def marks(self) -> Mapping[str, str]:
        """The decimal marks that they had."""
        return {encoder.name: encoder.mark for encoder in self.encoders
                if isinstance(encoder, Number)}  # fmt: skip

    def find(self, source: str, names: list[str], header: bool) -> list[str]:
        """The names that the model knows the columns of a table by, "" for what it does not.

        They are found by name, in any order; without names, all columns but the last targets.
        Raises ValueError for missing columns, each with the nearest name that is there.
        """
        if not self.header or not header:
            return self._in_order(source, len(names))
        missing = [e.name for e in self.encoders if e.name not in names]
        if missing:
            raise ValueError(f"{source}: {self._missing(missing, names)}")
        refuse_twice(source, names, self.columns)
        return names

    def _in_order(self, source: str, width: int) -> list[str]:
        """The columns by their order, for files without names."""
        all_there = list(self.columns)
        while all_there and all_there[-1] in self.targets and len(all_there) > width:
            all_there.pop()
        if len(all_there) != width:
            raise ValueError(
                f"{source}: {len(self.columns)} columns are needed, in the order of training, the "
                f"file has {width}"
            )
        return all_there

    def _missing(self, missing: list[str], names: list[str]) -> str:
        shown = []
        for name in missing[:5]:
            near = get_close_matches(name, names, 1, 0.5)
            shown.append(f"{name!r}" + (f" (is it {near[0]!r}?)" if near else ""))
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        have = schema.brief(", ".join(names))
        return f"lacks column{'s' * (len(missing) > 1)} {', '.join(shown)}{more}; it has {have}"

    # -- numbers ------------------------------------------------------------------------------

    def inputs(self, frame: Frame, rows: Any = slice(None), notes: Notes | None = None) -> Array:
        """What the network takes of some rows of a table: float32 (N, D).

        notes: where cells are counted that hold what training did not have.
        Raises ValueError for missing columns, and for text where there were numbers.
        """
        known = self.find(frame.source, frame.names, frame.header)
        columns = dict(zip(known, frame.columns))
        for encoder in self.encoders:
            if isinstance(encoder, Number):
                _refuse_text(frame, columns[encoder.name], encoder)
        chosen = np.arange(frame.rows)[rows]
        x = room((len(chosen), self.width), np.float32)
        for begin in range(0, len(chosen), SOME):
            some, at = chosen[begin : begin + SOME], 0
            for encoder in self.encoders:
                column, end = columns[encoder.name], at + len(encoder.features)
                unseen = encoder.fill(column, some, x[begin : begin + SOME, at:end])
                if notes is not None:
                    notes.enter(encoder, column, some, unseen, first=not begin)
                at = end
            leave(x)
        return x


def unlike(now: TableSpec | None, before: TableSpec | None) -> str:
    """The first thing in which two that are not equal differ, in words."""
    if now is None or before is None:
        return "one is a table, the other none"
    for what in ("columns", "targets", "header"):
        if getattr(now, what) != getattr(before, what):
            return f"{what} {getattr(now, what)!r:.80}, {getattr(before, what)!r:.80} before"
    ours, theirs = ({e.name: e.to_dict() for e in t.encoders} for t in (now, before))
    for name in now.columns:
        if (name in ours) != (name in theirs):
            return f"column {name!r} is {'taken' if name in ours else 'left out'}, not so before"
        a, b = ours.get(name, {}), theirs.get(name, {})
        for key in {**b, **a}:
            if a.get(key) != b.get(key):
                return f"of column {name!r}, {key} is {a.get(key)!r:.60}, {b.get(key)!r:.60} before"
    return "another column names the rows"


def check_table(table: TableSpec | None, takes: InputSpec | None, network: Any) -> None:
    """Raise ValueError unless a table becomes what the network takes."""
    if table is None:
        return
    if takes is None or takes.columns != table.features:
        raise ValueError("the table does not become what the network takes")
    codes, layers = table.codes(), (layer for _, layer in walk(network))
    embedding = next((layer for layer in layers if isinstance(layer, ColumnEmbedding)), None)
    found = {} if embedding is None else dict(zip(embedding.columns, embedding.vocabulary))
    if codes and found != codes:
        raise ValueError(
            "the table's embedded categories need a ColumnEmbedding in the network, as "
            f"table.embedding() makes it: columns {[*codes]}, vocabulary {[*codes.values()]}"
        )


class Notes:
    """Cells that hold what training did not have, by column: how many, and some."""

    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()
        self.unseen: Counter[str] = Counter()
        self.seen: dict[str, list[str]] = {}
        self.wrong: dict[str, Column] = {}

    def enter(
        self, encoder: Encoder, column: Column, rows: Any, unseen: Array | None, first: bool = True
    ) -> None:
        """Count what some rows of one column have of them; its wrong cells with the first rows."""
        if column.count and first:
            before = self.wrong.get(encoder.name)
            self.wrong[encoder.name] = Column(
                encoder.name, wrong=(before.wrong if before else column.wrong),
                count=column.count + (before.count if before else 0),
            )  # fmt: skip
        if unseen is None or not unseen.any():
            return
        self.unseen[encoder.name] += int(unseen.sum())
        shown = self.seen.setdefault(encoder.name, [])
        texts = column.texts()
        for i in np.arange(len(texts))[rows][unseen][:100].tolist():
            if len(shown) < 3 and texts[i] not in shown:
                shown.append(texts[i])

    def lines(self) -> list[str]:
        """One line for each column that has such cells."""
        said = [column.complaint() for column in self.wrong.values()]
        for name, count in self.unseen.items():
            shown = ", ".join(map(repr, self.seen[name]))
            cells = "cells" if count > 1 else "cell"
            said.append(f"column {name!r}: {count:,} {cells} unlike any in training ({shown})")
        return said


def _refuse_text(frame: Frame, column: Column, encoder: Number) -> None:
    """Raise ValueError where most cells of a column of numbers hold none."""
    if column.values is not None:
        wrong, right = column.count, int(np.count_nonzero(~column.missing))
        shown = [f"{text!r} in line {line}" for line, text in column.wrong]
    else:
        values = Number.numbers(column, slice(None), encoder.mark)
        right = int(np.count_nonzero(~np.isnan(values)))
        wrong = int(np.count_nonzero(~column.missing)) - right
        shown = [repr(word) for word in column.words if not _is_number(word, encoder.mark)][:3]
    if wrong > FOREIGN * (wrong + right):
        raise ValueError(
            f"{frame.source}: column {column.name!r} held numbers in training, here most cells do "
            f"not: {', '.join(shown)}"
        )


def _is_number(word: str, mark: str) -> bool:
    try:
        as_number(word, mark)
        return True
    except ValueError:
        return False
