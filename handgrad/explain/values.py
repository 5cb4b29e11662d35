"""Values: what a picture shows of an array: its elements, or its range, its norm and a heat map."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import Any

import numpy as np

FEW, LONGEST = 4, 20  # elements that are written out, if their rows are that short
ROWS, COLUMNS = 8, 12  # cells of a heat map

NOT_YET = "not computed"  # no backward() has come here
FREED = "freed"  # a large array that backward() let go of
TRACED = "traced"  # only its shape is known


@dataclass(frozen=True)
class Shown:
    """An array in a picture, or the word (`note`) why there is none.

    low, high and norm are of the finite elements; cells are means of blocks of the array.
    """

    shape: tuple[Any, ...]
    note: str = ""
    elements: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    norm: float = 0.0
    size: int = 0
    strange: int = 0  # elements that are not finite
    cells: tuple[tuple[float, ...], ...] = ()

    @property
    def array(self) -> Any:
        """The elements in their shape, if they are written out."""
        return np.array(self.elements).reshape(self.shape)

    @cached_property
    def extent(self) -> list[str]:
        """The range, the norm, and a warning, of an array that is not written out."""
        low, high, norm = (number(v, 3) for v in (self.low, self.high, self.norm))
        texts = [f"all {low}" if low == high else f"{low}…{high}", f"|{norm}|"]
        if self.strange == self.size:
            texts = []
        return [*texts, self.warning] if self.warning else texts

    @cached_property
    def texts(self) -> list[str]:
        """The rows if there are few elements and they fit, else the extent."""
        if self.size <= FEW:
            rows = [written(self.array)]
            if len(self.shape) == 2 and len(rows[0]) > LONGEST:
                rows = [written(row) for row in self.array]
            if max(map(len, rows)) <= LONGEST or not self.shape:
                return rows
        return self.extent

    @cached_property
    def brief(self) -> str:
        """In one line: the elements, or the range and the norm."""
        if self.note:
            return self.note
        if not self.size:
            return "empty"
        return " ".join(self.texts)

    @property
    def warning(self) -> str:
        """How many elements are not finite, of an array that is not written out."""
        return f"{self.strange} not finite" if self.strange and self.size > FEW else ""


def shown(array: Any) -> Shown:
    """What is shown of an array, as it is now."""
    array = np.asarray(array)
    if array.size == 1 and not array.ndim and array.dtype.kind in "fiub":
        return _one(array)
    numbers = array.astype(np.float64, copy=False)
    finite = numbers if (whole := bool(np.isfinite(numbers).all())) else _finite(numbers)
    low, high, norm = 0.0, 0.0, 0.0
    if finite.size:
        low, high = float(finite.min()), float(finite.max())
        norm = float(np.linalg.norm(finite.ravel()))
    return Shown(
        array.shape,
        elements=tuple(array.ravel().tolist()) if array.size <= FEW else (),
        low=low, high=high, norm=norm, size=array.size,
        strange=0 if whole else numbers.size - finite.size,
        cells=_cells(numbers) if array.ndim and array.size > 1 else (),
    )  # fmt: skip


def _one(array: Any) -> Shown:
    """What is shown of a single number: as `shown`, several times faster."""
    value = array.item()
    number = float(value)
    finite = isfinite(number)
    number = number if finite else 0.0
    return Shown((), elements=(value,), low=number, high=number, norm=abs(number), size=1,
                 strange=0 if finite else 1)  # fmt: skip


def _finite(numbers: Any) -> Any:
    return numbers[np.isfinite(numbers)]


def _cells(numbers: Any) -> tuple[tuple[float, ...], ...]:
    """The array as a matrix of its last axis, made smaller by means of blocks."""
    matrix = numbers.reshape(-1, numbers.shape[-1])
    with np.errstate(all="ignore"):
        for axis, most in enumerate((ROWS, COLUMNS)):
            length = matrix.shape[axis]
            if length > most:
                starts = np.arange(most) * length // most
                sums = np.add.reduceat(matrix, starts, axis=axis)
                counts = np.diff([*starts, length])
                matrix = sums / (counts[:, None] if axis == 0 else counts)
    return tuple(tuple(row) for row in matrix.tolist())


def number(value: Any, digits: int = 4) -> str:
    """A number in that many digits; integers below a million in full."""
    value = float(value)
    if not isfinite(value):
        return {"inf": "inf", "-inf": "-inf"}.get(str(value), "NaN")
    if abs(value) < 1e6 and abs(value - round(value)) <= 1e-9 * abs(value):
        return str(round(value))
    text = f"{value:.{digits}g}"
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if e else text


def written(array: Any) -> str:
    """A small array in brackets, row by row."""
    array = np.asarray(array)
    if not array.ndim:
        return number(array)
    return f"[{' '.join(written(part) for part in array)}]"


def lengths(shape: tuple[Any, ...]) -> str:
    """A shape as people write it: 4×3, or "scalar"."""
    return "×".join(map(str, shape)) if shape else "scalar"
