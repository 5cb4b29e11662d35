"""A table as it is, what was understood of it, and what a network learns from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.train.data import split_rows
from handgrad.train.dataset import Dataset
from handgrad.train.tables.arrow import ARROW, PARQUET, read_arrow
from handgrad.train.tables.encode import MOST, Encoder
from handgrad.train.tables.frame import Column, Frame, Told, read_frame
from handgrad.train.tables.frames import from_frame, is_frame, with_numbers
from handgrad.train.tables.kinds import Left, Wishes, decide
from handgrad.train.tables.leaks import tells
from handgrad.train.tables.show import Line, shown
from handgrad.train.tables.spec import TableSpec
from handgrad.train.tables.targets import Targets, targets_of

TEXTS = (".csv", ".tsv", ".tab", ".txt", ".data", ".dat")
_FEW = 5  # rows of a class
SUFFIXES = (*TEXTS, *PARQUET, *ARROW)


@dataclass
class Table:
    """A table with targets: what `read_table` gives. `print(table)` shows what was understood.

    `fit(rows)` finds how its columns become numbers, by some rows alone, and `targets` has what is
    to be learned; see docs/tables.md.
    """

    frame: Frame
    targets: Targets
    wishes: Wishes
    left: dict[str, Left] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The file's name without its suffix, or what the data are."""
        return Path(self.frame.source).stem

    def fit(self, rows: Array | None = None) -> TableSpec:
        """What a network takes of such a table, by the given rows; by default all with targets.

        Raises ValueError where no column is left to learn from.
        """
        rows = self.targets.rows if rows is None else rows
        features = [c for c in self.frame.columns if c.name not in self.targets.names]
        dropped = set(self.wishes.drop)
        alone = len([c for c in features if c.name not in dropped]) == 1
        decided = [decide(column, rows, self.wishes, alone) for column in features]
        self.left = {found.name: found for found in decided if isinstance(found, Left)}
        encoders = tuple(
            found for found in decided if isinstance(found, Encoder) and found.features
        )
        if not encoders:
            why = "; ".join(f"{left.name}: {left.why}" for left in self.left.values())
            raise ValueError(
                f"{self.frame.source}: no column to learn from beside the target"
                + f" ({why})" * bool(why)
            )
        ids = [left.name for left in self.left.values() if left.kind == "ID"]
        return TableSpec(tuple(self.frame.names), encoders, self.targets.names,
                         self.frame.header, ids[0] if ids else None)  # fmt: skip

    def inputs(self, spec: TableSpec, rows: Array | None = None) -> Array:
        """The numbers (N, D) of some rows, by default all with targets."""
        return spec.inputs(self.frame, self.targets.rows if rows is None else rows)

    def split(self, fraction: float = 0.2, seed: int = 0) -> Dataset:
        """The rows that have targets, in a part to learn from and a random `fraction` held out.

        Classes are divided alike. What is fitted, and the scale of values, is so by the first part.
        """
        found = self.targets
        train, test = split_rows(found.t, fraction, seed)
        spec = self.fit(found.rows[train])
        x_train, x_test = (self.inputs(spec, found.rows[part]) for part in (train, test))
        notes = self.notes(spec, found.rows[train], found.t[train])
        return Dataset(
            self.name, x_train, found.t[train], x_test, found.t[test], found.classes,
            x_train.shape[1:], spec.features, found.labels or found.names, table=spec,
            notes=tuple(notes), labels=found.labels is not None, heads=found.heads,
        ).scaled()  # fmt: skip

    def notes(self, spec: TableSpec, rows: Array, t: Array) -> list[str]:
        """What the user should know: wrong cells, rows left out, columns that tell the target."""
        said = [c.complaint() for c in self.frame.columns if c.count]
        without = self.frame.rows - len(self.targets.rows)
        if without:
            said.append(f"{without:,} rows without a target are left out")
        classes = self.targets.classes or ()
        if len(classes) > MOST and len(rows) < _FEW * len(classes):
            each = len(rows) / len(classes)
            said.append(
                f"{len(classes):,} classes have {each:.1f} rows each to learn from, on average"
            )
        said += [left.hint for left in self.left.values() if left.hint]
        columns = {column.name: column for column in self.frame.columns}
        for encoder in spec.encoders:
            if tells(columns[encoder.name], rows, t):
                said.append(
                    f"column {encoder.name!r} looks like the target: it tells nearly all of it by "
                    f"itself; if it would not be known beforehand, --drop {encoder.name!r}"
                )
        return said

    def show(self, spec: TableSpec) -> str:
        """What was understood, as a table: column, kind, missing, use."""
        uses = {encoder.name: (encoder.kind, encoder.use) for encoder in spec.encoders}
        lines = []
        for column in self.frame.columns:
            if column.name in self.targets.names:
                kind, use = self._target(column)
            elif column.name in uses:
                kind, use = uses[column.name]
            else:
                left = self.left[column.name]
                kind, use = left.kind, f"left out: {left.why}"
            lines.append(Line(column.name, kind, int(column.missing.sum()), use))
        return shown(lines)

    def _target(self, column: Column) -> tuple[str, str]:
        if self.targets.labels is not None:
            label = self.targets.labels[self.targets.names.index(column.name)]
            share = self.targets.t[:, self.targets.names.index(column.name)].mean()
            return "2 classes", f"target: {label} ({share:.0%})"
        classes, t = self.targets.classes, self.targets.t
        if self.targets.heads is not None:
            which = self.targets.names.index(column.name)
            classes, t = self.targets.heads[which], t[:, which]
        if classes is None:
            return "number", "target"
        names = [f"{name} ({n:,})" for name, n in zip(classes, np.bincount(t))]
        more = f", and {len(names) - 4} more" if len(names) > 4 else ""
        return f"{len(names)} classes", f"target: {', '.join(names[:4])}{more}"

    def __str__(self) -> str:
        frame = self.frame
        return f"{frame.source}: {frame.rows:,} rows, {frame.how}\n\n{self.show(self.fit())}"


def read_table(
    data: Any, target: int | str | Sequence[int | str] = -1, *, header: bool | None = None,
    categorical: Collection[str] = (), number: Collection[str] = (), date: Collection[str] = (),
    text: Collection[str] = (), embed: Collection[str] = (), drop: Collection[str] = (),
    embed_many: bool = False, separator: str | None = None, task: str | None = None,
    told: Told | None = None,
) -> Table:  # fmt: skip
    """A table from a file (CSV and its like, Parquet, Arrow), or from a data frame or a dict.

    target: the name or number of the column to predict, by default the last; or several, also as
    one text with commas.
    categorical, number, date, text, drop: columns that are taken as such, whatever they look
    like. embed: categories that become codes, so that the network must begin with the layer that
    `TableSpec.embedding` makes; embed_many: also all of more than 64 values.
    header, separator: of a CSV file, by default found. task: "classification" or
    "regression" where the target could be either. told: called with the bytes read.

    Raises ValueError for a file that is no table, names that are not there, and targets that
    nothing can be learned from.
    """
    wishes = Wishes(number, categorical, date, text, drop, embed, embed_many)
    if task not in (None, "classification", "regression"):
        raise ValueError(f"task: 'classification' or 'regression', got {task!r}")
    if is_frame(data):
        frame = with_numbers(from_frame(data, text=wishes.worded), wishes.worded)
    else:
        path = Path(data)
        if path.suffix.lower() in (*PARQUET, *ARROW):
            frame = with_numbers(read_arrow(path, wishes.worded), wishes.worded)
        else:
            frame = read_frame(path, header=header, separator=separator, text=wishes.worded,
                               told=told)  # fmt: skip
    wanted = [target] if isinstance(target, int | str) else list(target)
    several = [name for one in wanted for name in _parted(frame, one)]
    columns = [frame.columns[_find(frame, one)] for one in several]
    for wish in (number, categorical, date, text, embed, drop):
        for name in wish:
            _find(frame, name)
    return Table(frame, targets_of(frame.source, columns, task), wishes)


def _parted(frame: Frame, wanted: int | str) -> Sequence[int | str]:
    """One column, or several with commas between, unless one has commas in its name."""
    if isinstance(wanted, int) or wanted in frame.names:
        return [wanted]
    return [name.strip() for name in wanted.split(",")]


def _find(frame: Frame, wanted: int | str) -> int:
    """The number of a column that is given by name, or by number (-1 is the last)."""
    if isinstance(wanted, str) and wanted in frame.names:
        return frame.names.index(wanted)
    if isinstance(wanted, str) and wanted.removeprefix("-").isdecimal():
        wanted = int(wanted)
    if isinstance(wanted, int) and -len(frame.names) <= wanted < len(frame.names):
        return wanted % len(frame.names)
    near = get_close_matches(str(wanted), frame.names, 1, 0.5)
    hint = f"; is it {near[0]!r}?" if near else ""
    have = ", ".join(frame.names)
    have = have if len(have) <= 200 else f"{have[:197]}…"
    raise ValueError(f"{frame.source}: no column {wanted!r} among {have}{hint}")
