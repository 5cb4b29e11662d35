"""From a column to the numbers that a network takes of it, by what the training rows showed.

An encoder is fitted to some rows of a column, and from then on depends on nothing else: it is
plain data, kept in the model file.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from handgrad.arrays import Array
from handgrad.train import schema
from handgrad.train.tables.cells import DATES, TRUE_FALSE, as_days, as_number, as_yes_no
from handgrad.train.tables.frame import Column

CLIP = 3.0
MOST = 64  # categories with a number of their own
RARE = 2  # times that a category must come to have one
WORDS = 500  # of a text
WEEK, YEAR = 7.0, 365.2425
SPELLED = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
FINITE: schema.Check = schema.number
TEXTS: schema.Check = schema.list_of(schema.text)
FLAG: schema.Check = schema.kind("a truth value", bool)


def robust(values: Array) -> tuple[float, float]:
    """The center and scale of numbers: median, and quartile distance, or else half the range.

    Source: Holzmüller, Grinsztajn, Steinwart, "Better by default", NeurIPS 2024, section 3.1.
    """
    if not len(values):
        return 0.0, 1.0
    low, center, high = np.quantile(values, [0.25, 0.5, 0.75]).tolist()
    scale = high - low or (values.max() - values.min()) / 2
    return center, float(scale) if scale > 1e-12 * abs(center) else 1.0


def smooth_clip(z: Array) -> Array:
    """z / √(1 + (z/3)²): about z near 0, never beyond ±3."""
    clipped: Array = z / np.sqrt(1 + np.square(z / CLIP))
    return clipped


def one_spelling(word: str) -> str:
    """A category without spaces around it; an integer without a fraction of zeros."""
    return re.sub(r"^(-?\d+)\.0+$", r"\1", word.strip())


def by_word(column: Column, rows: Any, meaning: Callable[[str], float]) -> Array:
    """A number (N,) for each cell, found once for each different word; NaN where missing."""
    if column.codes is None:
        values = column.values
        assert values is not None
        different, at = np.unique(values[rows], return_inverse=True)
        words = ["" if v != v else f"{v:.15g}" for v in different.tolist()]
        return np.array([meaning(w) if w else math.nan for w in words])[at]
    found: Array = np.array([*map(meaning, column.words), math.nan])[column.codes[rows]]
    return found


def unlike(column: Column, rows: Any, unknown: Array) -> Array:
    """Which of the unknown cells are not missing (N,)."""
    found: Array = unknown & ~column.missing[rows]
    return found


@dataclass(frozen=True)
class Encoder:
    """What all have: the column's name, how many numbers it becomes, and the numbers."""

    name: str
    kind: ClassVar[str] = ""
    check: ClassVar[schema.Check] = schema.anything

    @property
    def features(self) -> list[str]:
        """The names of its numbers."""
        raise NotImplementedError

    @property
    def use(self) -> str:
        """What is done with the column, in words."""
        raise NotImplementedError

    def fill(self, column: Column, rows: Any, out: Array) -> Array | None:
        """Put the numbers of some rows into out (N, D); where cells are none, or unseen (N,)."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Plain data from which `encoder_from` makes the same again."""
        plain = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        return {"kind": self.kind, **plain}


@dataclass(frozen=True)
class Number(Encoder):
    """Numbers: scaled, and clipped smoothly; missing ones are the median, with an indicator."""

    center: float
    scale: float
    indicator: bool = False
    mark: str = "."
    kind: ClassVar[str] = "number"
    check: ClassVar[schema.Check] = schema.record(
        {"name": schema.text, "center": FINITE, "scale": FINITE, "indicator": FLAG,
         "mark": schema.one_of(".", ",")}
    )  # fmt: skip

    @classmethod
    def fit(cls, column: Column, rows: Array) -> Number:
        """By the numbers of some rows."""
        values = cls.numbers(column, rows, column.mark)
        known = values[~np.isnan(values)]
        return cls(column.name, *robust(known), len(known) < len(values), column.mark)

    @staticmethod
    def numbers(column: Column, rows: Any, mark: str) -> Array:
        """The numbers (N,), NaN where there is none."""
        if column.values is not None:
            held: Array = column.values[rows]
            return held
        return by_word(column, rows, lambda word: _or_nan(as_number, word, mark))

    @property
    def features(self) -> list[str]:
        return [self.name, f"{self.name} is missing"] if self.indicator else [self.name]

    @property
    def use(self) -> str:
        return "scaled; missing: median, flagged" if self.indicator else "scaled"

    def fill(self, column: Column, rows: Any, out: Array) -> Array | None:
        values = self.numbers(column, rows, self.mark)
        unknown = np.isnan(values)
        out[:, 0] = smooth_clip((np.where(unknown, self.center, values) - self.center) / self.scale)
        if self.indicator:
            out[:, 1] = unknown
        return unlike(column, rows, unknown) if column.values is None else None


@dataclass(frozen=True)
class Boolean(Encoder):
    """Yes and no: 1 and −1; 0 where missing."""

    words: tuple[str, str]
    kind: ClassVar[str] = "yes or no"
    check: ClassVar[schema.Check] = schema.record(
        {"name": schema.text, "words": schema.one_of(*map(list, TRUE_FALSE))}
    )

    @classmethod
    def fit(cls, column: Column, rows: Array) -> Boolean:
        """By the words of the column."""
        pair = as_yes_no(list(column.words))
        assert pair is not None
        return cls(column.name, (pair[0], pair[1]))

    @property
    def features(self) -> list[str]:
        return [self.name]

    @property
    def use(self) -> str:
        return f"{self.words[1]} 1, {self.words[0]} -1, missing 0"

    def fill(self, column: Column, rows: Any, out: Array) -> Array | None:
        known = {self.words[0]: -1.0, self.words[1]: 1.0, "0": -1.0, "1": 1.0}
        values = by_word(column, rows, lambda w: known.get(w.strip().lower(), math.nan))
        unknown = np.isnan(values)
        out[:, 0] = np.where(unknown, 0.0, values)
        return unlike(column, rows, unknown)


@dataclass(frozen=True)
class Category(Encoder):
    """A number for each category: 1 for that of the cell, 0 for others.

    Categories that came once, or are not among the MOST that came most, share a number, "other",
    which unseen ones get too; without such ones, unseen and missing cells have zeros alone.
    """

    values: tuple[str, ...]
    other: bool = False
    missing: bool = False
    kind: ClassVar[str] = "category"
    check: ClassVar[schema.Check] = schema.record(
        {"name": schema.text, "values": TEXTS, "other": FLAG, "missing": FLAG}
    )

    @classmethod
    def fit(cls, column: Column, rows: Array) -> Category:
        """By the words of some rows."""
        count = counted(column, rows)
        missing = count.pop("", 0) > 0
        kept = [word for word, n in count.most_common(MOST) if n >= RARE]
        return cls(column.name, tuple(sorted(kept)), len(kept) < len(count), missing)

    @property
    def features(self) -> list[str]:
        names = [f"{self.name}={value}" for value in self.values]
        names += [f"{self.name} is another"] * self.other
        return names + [f"{self.name} is missing"] * self.missing

    @property
    def use(self) -> str:
        also = " + other" * self.other + " + missing" * self.missing
        return f"one-hot: {len(self.values)}{also}"

    def fill(self, column: Column, rows: Any, out: Array) -> Array | None:
        at = {value: i for i, value in enumerate(self.values)}
        width = len(self.values)
        found = by_word(column, rows, lambda w: at.get(one_spelling(w), width))
        unknown = np.isnan(found)
        slot = np.where(unknown, width + self.other, found).astype(np.intp)
        out[...] = 0
        kept = slot < width
        if self.other:
            kept |= slot == width
        if self.missing:
            kept |= unknown
        chosen = np.flatnonzero(kept)
        out[chosen, slot[chosen]] = 1
        unseen: Array = found == width
        return unseen


@dataclass(frozen=True)
class Date(Encoder):
    """Days, scaled, and the year and the week (and the day, where there are times) as circles."""

    order: str
    center: float
    scale: float
    times: bool = False
    kind: ClassVar[str] = "date"
    check: ClassVar[schema.Check] = schema.record(
        {"name": schema.text, "order": schema.one_of(*DATES), "center": FINITE, "scale": FINITE,
         "times": FLAG}
    )  # fmt: skip

    @classmethod
    def fit(cls, column: Column, rows: Array, order: str) -> Date:
        """By the days of some rows."""
        days = cls.days(column, rows, order)
        days = days[~np.isnan(days)]
        return cls(column.name, order, *robust(days), bool((days % 1 != 0).any()))

    @staticmethod
    def days(column: Column, rows: Any, order: str) -> Array:
        """Days since 1970 (N,), NaN where there is no date."""
        if column.values is not None and column.dates:
            held: Array = column.values[rows]
            return held
        return by_word(column, rows, lambda word: _or_nan(as_days, word, order))

    @property
    def features(self) -> list[str]:
        circles = ["year", "week"] + ["day"] * self.times
        around = [f"{self.name} {way}({c})" for c in circles for way in ("sin", "cos")]
        return [self.name, *around, f"{self.name} is missing"]

    @property
    def circles(self) -> tuple[float, ...]:
        """Their lengths in days."""
        return (YEAR, WEEK, 1.0)[: 2 + self.times]

    @property
    def use(self) -> str:
        return f"days, year, week{', time' * self.times}"

    def fill(self, column: Column, rows: Any, out: Array) -> Array | None:
        days = self.days(column, rows, self.order)
        unknown = np.isnan(days)
        known = np.where(unknown, self.center, days)
        out[:, 0] = smooth_clip((known - self.center) / self.scale)
        for i, length in enumerate(self.circles):
            angle = 2 * np.pi * (known % length) / length
            out[:, 1 + 2 * i] = np.where(unknown, 0, np.sin(angle))
            out[:, 2 + 2 * i] = np.where(unknown, 0, np.cos(angle))
        out[:, -1] = unknown
        return unlike(column, rows, unknown)


@dataclass(frozen=True)
class Text(Encoder):
    """A bag of words: log(1 + n) for each of the words that the most rows have."""

    words: tuple[str, ...]
    kind: ClassVar[str] = "text"
    check: ClassVar[schema.Check] = schema.record({"name": schema.text, "words": TEXTS})

    @classmethod
    def fit(cls, column: Column, rows: Array) -> Text:
        """By the words that come in two or more of some rows."""
        count: Counter[str] = Counter()
        for text, n in counted(column, rows).items():
            for word in set(spelled(text)):
                count[word] += n
        return cls(column.name, tuple(sorted(w for w, n in count.most_common(WORDS) if n >= RARE)))

    @property
    def features(self) -> list[str]:
        return [f"{self.name}: {word}" for word in self.words]

    @property
    def use(self) -> str:
        return f"bag of {len(self.words)} words"

    def fill(self, column: Column, rows: Any, out: Array) -> Array | None:
        at = {word: i for i, word in enumerate(self.words)}
        out[...] = 0
        for i, text in enumerate(np.array(column.texts(), object)[rows]):
            for word in spelled(text):
                if word in at:
                    out[i, at[word]] += 1
        np.log1p(out, out=out)
        return None


def spelled(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return SPELLED.findall(text.lower())


def counted(column: Column, rows: Any) -> Counter[str]:
    """How often each word comes in some rows; "" is a missing one."""
    count: Counter[str] = Counter()
    if column.codes is not None:
        for code, n in enumerate(np.bincount(column.codes[rows] + 1).tolist()):
            if n:
                count["" if not code else one_spelling(column.words[code - 1])] += n
        return count
    assert column.values is not None
    for value, n in zip(*np.unique(column.values[rows], return_counts=True)):
        count["" if value != value else f"{value:.15g}"] += int(n)
    return count


def _or_nan(meaning: Callable[[str, str], float], word: str, how: str) -> float:
    try:
        return meaning(word, how)
    except ValueError:
        return math.nan
