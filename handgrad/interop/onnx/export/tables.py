"""The columns of a table as inputs of the file: what the model takes of them becomes nodes."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.interop.onnx.export.builder import Builder, value
from handgrad.interop.onnx.messages import Message
from handgrad.interop.onnx.operators.registry import ML
from handgrad.train.tables.cells import MISSING
from handgrad.train.tables.encode import CLIP, Boolean, Category, Date, Encoder, Number
from handgrad.train.tables.encoders import FIRST, OTHER, Embedded
from handgrad.train.tables.encoders import MISSING as MISSING_CODE
from handgrad.train.tables.frames import from_frame, is_frame
from handgrad.train.tables.spec import TableSpec

NOTHING = sorted({spelled for m in MISSING for spelled in (m, m.upper(), m.title())} | {"NaN"})
TEXT = np.dtype(object)
REAL = 11  # the code of float64, in which numbers are scaled as they are here


def require_table(table: Any, example: Any) -> TableSpec:
    """The specification. Raises ValueError where it is none, or a column has no nodes."""
    if not isinstance(table, TableSpec):
        raise ValueError(
            f"onnx: table must be a TableSpec, as data.table or saved.table, got "
            f"{type(table).__name__}"
        )
    wrong = [f"{e.name} ({e.kind})" for e in table.encoders
             if not isinstance(e, Number | Boolean | Category | Date)]  # fmt: skip
    if wrong:
        raise ValueError(
            f"onnx: no form in ONNX for the columns {', '.join(wrong)}: no operator finds words in "
            "a text; read the table with drop= of them, or leave table= out: the file then takes "
            "the numbers that the network takes"
        )
    if not is_frame(example):
        raise ValueError(
            "onnx: with table=, example must be rows of the table: a data frame, or a dict of "
            "columns"
        )
    return table


def table_inputs(table: TableSpec, x: Any) -> dict[str, Any]:
    """What a file written with table= takes of some rows: each column by its name.

    x: a data frame, or a dict of columns. Numbers are float64 (N, 1), NaN where missing, and so are
    dates, as days since 1970-01-01; others are texts (N, 1), "" where missing. Raises ValueError
    for missing columns.
    """
    if not isinstance(table, TableSpec) or not is_frame(x):
        raise ValueError("onnx: a TableSpec, as data.table, and rows with named columns are needed")
    frame = from_frame(x)
    columns = dict(zip(table.find(frame.source, frame.names, frame.header), frame.columns))
    found: dict[str, Any] = {}
    for encoder in table.encoders:
        column = columns[encoder.name]
        if isinstance(encoder, Number):
            found[encoder.name] = Number.numbers(column, slice(None), encoder.mark)[:, None]
        elif isinstance(encoder, Date):
            found[encoder.name] = Date.days(column, slice(None), encoder.order)[:, None]
        else:
            texts = np.array([t.strip() for t in column.texts()], object)
            found[encoder.name] = texts[:, None]
    return found


def entries(b: Builder, table: TableSpec) -> tuple[list[Message], str]:
    """The inputs of the columns, and the value that is the network's input (N, D)."""
    b.since(11)
    infos, parts = [], []
    for encoder in table.encoders:
        real = isinstance(encoder, Number | Date)
        name = b.new(encoder.name)
        infos.append(value(name, np.float64 if real else TEXT, ("N", 1)))
        b.scope = f"table/{encoder.name}"
        parts += _numbers(b, encoder, name)
    joined = b.node("Concat", parts, axis=1) if len(parts) > 1 else parts[0]
    if any(not isinstance(e, Number | Date) for e in table.encoders):
        b.domains[ML] = 2
    b.scope = ""
    return infos, joined


def _numbers(b: Builder, encoder: Encoder, x: str) -> list[str]:
    """The values (N, …) that a column becomes."""
    if isinstance(encoder, Number):
        return _scaled(b, encoder, x)
    if isinstance(encoder, Date):
        return _dated(b, encoder, x)
    if isinstance(encoder, Boolean):
        no, yes = encoder.words
        known = {w: sign for word, sign in ((no, -1.0), (yes, 1.0))
                 for w in (word, word.title(), word.upper())}  # fmt: skip
        return [_looked_up(b, x, known | {"0": -1.0, "1": 1.0}, 0.0)]
    assert isinstance(encoder, Category)
    if isinstance(encoder, Embedded):
        codes = {w: float(FIRST + i) for i, value in enumerate(encoder.values)
                 for w in spellings(value)}  # fmt: skip
        return [_looked_up(b, x, dict.fromkeys(NOTHING, float(MISSING_CODE)) | codes, float(OTHER))]
    return _one_hot(b, encoder, x)


def spellings(word: str) -> list[str]:
    """A category as cells spell it: an integer may have a fraction of zeros."""
    return [word, f"{word}.0"] if word.lstrip("-").isdecimal() else [word]


def _scaled(b: Builder, encoder: Number, x: str) -> list[str]:
    unknown, _, y = _clipped(b, encoder, x)
    return [y, b.cast(unknown, b.code)] if encoder.indicator else [y]


def _clipped(b: Builder, encoder: Number | Date, x: str) -> tuple[str, str, str]:
    """Which numbers are missing, the numbers with the center there, and these scaled."""
    unknown = b.node("IsNaN", [x], since=13)
    center, scale, clip = (_real(b, v) for v in (encoder.center, encoder.scale, CLIP))
    known = b.node("Where", [unknown, center, x])
    z = b.node("Div", [b.node("Sub", [known, center]), scale])
    part = b.node("Div", [z, clip])
    root = b.node("Sqrt", [b.node("Add", [b.node("Mul", [part, part]), _real(b, 1.0)])])
    return unknown, known, b.cast(b.node("Div", [z, root]), b.code)


def _dated(b: Builder, encoder: Date, x: str) -> list[str]:
    """The days scaled, and as circles; whole rounds change nothing."""
    unknown, known, y = _clipped(b, encoder, x)
    parts, nothing = [y], _real(b, 0.0)
    for length in encoder.circles:
        angle = b.node("Mul", [known, _real(b, 2 * np.pi / length)])
        for way in ("Sin", "Cos"):
            on = b.node("Where", [unknown, nothing, b.node(way, [angle])])
            parts.append(b.cast(on, b.code))
    return [*parts, b.cast(unknown, b.code)]


def _real(b: Builder, number: float) -> str:
    """A constant of float64, whatever the weights are."""
    name = b.new(f"{b.scope}/constant")
    b.initializers[name] = np.asarray(number, np.float64)
    return name


def _looked_up(b: Builder, x: str, known: dict[str, float], default: float) -> str:
    """The number of each text (N, 1)."""
    made = b.node("LabelEncoder", [x], domain=ML, keys_strings=list(known),
                  values_floats=list(known.values()), default_float=default)  # fmt: skip
    return b.cast(made, b.code)


def _one_hot(b: Builder, encoder: Category, x: str) -> list[str]:
    """Zeros with a 1 for the category, for others, or for missing cells."""
    width = len(encoder.features)
    other = len(encoder.values) if encoder.other else width
    missing = len(encoder.values) + encoder.other if encoder.missing else width
    known = dict.fromkeys(NOTHING, float(missing)) | {
        w: float(i) for i, value in enumerate(encoder.values) for w in spellings(value)
    }
    if not width:
        return []
    at = b.cast(_looked_up(b, x, known, float(other)), 7)
    columns = b.constant(np.arange(width, dtype=np.int64)[None])
    return [b.cast(b.node("Equal", [at, columns]), b.code)]
