"""The encoders by their kinds, as a model file names them; and categories that are embedded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from handgrad.arrays import Array
from handgrad.train import schema
from handgrad.train.tables.encode import (
    RARE,
    Boolean,
    Category,
    Date,
    Encoder,
    Number,
    Text,
    by_word,
    counted,
    one_spelling,
)
from handgrad.train.tables.frame import Column

OTHER, MISSING, FIRST = 0, 1, 2  # codes


@dataclass(frozen=True)
class Embedded(Category):
    """A code for each category, of which a `ColumnEmbedding` makes numbers.

    Unseen categories and those that came once have the code 0, missing cells 1, each other one its
    own.
    """

    kind: ClassVar[str] = "many categories"

    @classmethod
    def fit(cls, column: Column, rows: Array) -> Embedded:
        """By the words of some rows."""
        count = counted(column, rows)
        missing = count.pop("", 0) > 0
        kept = sorted(word for word, n in count.items() if n >= RARE)
        return cls(column.name, tuple(kept), len(kept) < len(count), missing)

    @property
    def size(self) -> int:
        """How many codes there are."""
        return FIRST + len(self.values)

    @property
    def features(self) -> list[str]:
        return [f"{self.name} (code)"]

    @property
    def use(self) -> str:
        return f"embedded: {len(self.values):,} + other + missing"

    def fill(self, column: Column, rows: Any, out: Array) -> Array | None:
        at = {value: FIRST + i for i, value in enumerate(self.values)}
        found = by_word(column, rows, lambda w: at.get(one_spelling(w), OTHER))
        out[:, 0] = np.where(np.isnan(found), MISSING, found)
        unseen: Array = found == OTHER
        return unseen


ENCODERS: dict[str, type[Encoder]] = {
    e.kind: e for e in (Number, Boolean, Category, Embedded, Date, Text)
}


def encoder_from(data: Any, where: str) -> Encoder:
    """An encoder from plain data; ValueError for data that are none."""
    schema.mapping(schema.anything)(data, where)
    cls: Any = ENCODERS[schema.one_of(*ENCODERS)(data.get("kind"), f"{where}.kind")]
    rest = {name: value for name, value in data.items() if name != "kind"}
    cls.check(rest, where)
    if "scale" in rest and not (0 < rest["scale"] < math.inf and math.isfinite(rest["center"])):
        raise schema.refuse(f"{where}.scale", "positive, and center finite", rest["scale"])
    made: Encoder = cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in rest.items()})
    return made
