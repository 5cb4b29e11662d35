"""The parts of a file as a model for tables reads them, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from handgrad.train.tables.arrow import ARROW, PARQUET, read_arrow
from handgrad.train.tables.blocks import read_blocks
from handgrad.train.tables.frame import Frame, Gathered, marks_of
from handgrad.train.tables.source import look, western
from handgrad.train.tables.spec import TableSpec


def read_parts(path: Path, table: TableSpec, header: bool | None = None) -> Iterator[Frame]:
    """The parts of a file, CSV in bounded memory; columns are what they were in training."""
    if path.suffix.lower() in (*PARQUET, *ARROW):
        yield read_arrow(path)
        return
    header = True if header is None and table.header else header
    layout, first = look(path, header), 0
    while True:
        known = table.find(str(path), list(layout.names), layout.header)
        numeric = [name in table.numeric for name in known]
        marks = marks_of(layout, dict(zip(layout.names, map(table.marks.get, known))))
        try:
            for block in read_blocks(layout):
                gathered = Gathered(layout, numeric, marks)
                gathered.add(block)
                part = gathered.frame()
                part.first, first = first, first + part.rows
                yield part
            return
        except UnicodeDecodeError:
            if first:
                raise ValueError(f"{path}: row {first} and after are not text in UTF-8") from None
            layout = look(path, header, encoding=western(path.read_bytes()))
