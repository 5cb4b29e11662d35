"""What a model takes and what it gives: the two specifications that a model file carries."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, as_float
from handgrad.train import schema
from handgrad.train.data import check_inputs
from handgrad.train.heads import beside

BYTES = 255
NUMBERS = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
           "float16", "float32", "float64")  # fmt: skip
SIZES: schema.Check = schema.list_of(schema.integer(1, 2**31))
NAMES: schema.Check = schema.list_of(schema.text)
INPUT: schema.Check = schema.record(
    {"shape": SIZES, "dtype": schema.one_of(*NUMBERS)},
    {"columns": schema.optional(NAMES), "target": schema.optional(schema.text),
     "mean": schema.number, "scale": schema.number},
)  # fmt: skip
REALS: schema.Check = schema.list_of(schema.number)
KINDS = ("regression", "scores", "probabilities", "labels", "heads")
NAMED = ("regression", "labels")  # outputs that are what their columns say
OUTPUT: schema.Check = schema.record(
    {"kind": schema.one_of(*KINDS)},
    {"classes": schema.optional(NAMES), "columns": schema.optional(NAMES),
     "mean": schema.optional(REALS), "scale": schema.optional(REALS),
     "heads": schema.optional(schema.list_of(NAMES))},
)  # fmt: skip


@dataclass(frozen=True)
class InputSpec:
    """What one sample is: `prepare` brings data as they come into what the network takes.

    shape: of one sample, as the network takes it: (D,) or (C, H, W), say.
    dtype: of the data as they come. Integers other than bytes stay integers (ids of words);
        "uint8" are bytes of pictures.
    columns: the names of a table's columns, in order, one for each element of a sample; target:
        the name of the column that is to be predicted, which is not among them.
    mean, scale: what is done to the data: (x − mean) / scale.

    Raises ValueError for a shape, dtype, number or list of names that is none.
    """

    shape: tuple[int, ...]
    dtype: str = "float32"
    columns: tuple[str, ...] | None = None
    target: str | None = None
    mean: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", _entries(self.shape, "InputSpec: shape"))
        if self.columns is not None:
            object.__setattr__(self, "columns", _entries(self.columns, "InputSpec: columns"))
        INPUT(self.to_dict(), "InputSpec")
        if self.size >= 2**48:
            raise schema.refuse("InputSpec: shape", "of fewer than 2**48 elements", self.shape)
        if self.target is not None and self.target in (self.columns or ()):
            raise ValueError(f"InputSpec: the target {self.target!r} is one of the columns")
        if not (math.isfinite(self.mean) and 0 < self.scale < math.inf):
            raise ValueError(
                "InputSpec: mean must be finite and scale positive, got "
                f"{self.mean} and {self.scale}"
            )
        if self.columns is not None and len(set(self.columns)) != self.size:
            raise ValueError(
                f"InputSpec: columns must be {self.size} different names, one for each element of "
                f"a sample of shape {self.shape}, got {schema.brief(self.columns)}"
            )

    @classmethod
    def of(cls, x: Any) -> InputSpec:
        """The specification of data x (N, …): an array, or a data frame with named columns."""
        array = check_inputs(x)
        names = getattr(x, "columns", None)
        columns = None if names is None else tuple(map(str, names))
        return cls(array.shape[1:], array.dtype.name, columns)

    @property
    def size(self) -> int:
        """Elements of one sample."""
        return math.prod(self.shape)

    def to_dict(self) -> dict[str, Any]:
        """Plain data from which `from_dict` makes the same again."""
        columns = None if self.columns is None else list(self.columns)
        return {"shape": list(self.shape), "dtype": self.dtype, "columns": columns,
                "target": self.target, "mean": self.mean, "scale": self.scale}  # fmt: skip

    @classmethod
    def from_dict(cls, data: Any, where: str = "input") -> InputSpec:
        """A specification from plain data; ValueError for data that are none."""
        INPUT(data, where)
        return cls(**data)

    def prepare(self, x: Any, name: str = "x") -> Array:
        """Data (N, …) as the network takes them: checked, scaled, of the sample's shape.

        Samples of the right number of elements are brought into the shape. Of a model for bytes,
        bytes are scaled, and so are integers up to 255; values up to 1 are scaled already.
        Raises ShapeError for samples of another size, ValueError for values that do not fit.
        """
        x = check_inputs(x, name)
        mine = x.shape[1:]
        flat = len(mine) <= 1 or len(self.shape) == 1
        same = flat or _without_ones(mine) == _without_ones(self.shape)
        if math.prod(mine) != self.size or not same:
            raise ShapeError(
                f"{name}: samples of shape {self.shape}, or of {self.size} columns, are "
                f"needed, got shape {mine}"
            )
        x = x.reshape(len(x), *self.shape)
        kind = np.dtype(self.dtype).kind
        if self.dtype == "uint8":
            return self._from_bytes(x, name)
        if kind in "iub":
            return _as_integers(x, name, self.dtype)
        if (self.mean, self.scale) == (0, 1):
            return as_float(x)
        scaled: Array = (x - self.mean) / self.scale
        return scaled

    def _from_bytes(self, x: Array, name: str) -> Array:
        if x.dtype != np.uint8:
            low, high = x.min(), x.max()
            if low < 0 or high > BYTES or (high > 1 and (x % 1 != 0).any()):
                raise ValueError(
                    f"{name}: bytes from 0 to {BYTES}, or values scaled to [0, 1], are needed, "
                    f"got values from {low:g} to {high:g}"
                )
            if high <= 1:
                return x.astype(np.float32, copy=False)
        x = x.astype(np.float32)
        return (x - np.float32(self.mean)) / np.float32(self.scale)


@dataclass(frozen=True)
class OutputSpec:
    """What the network's outputs mean.

    kind: "regression", values as they are; "scores", one per class, whose softmax are
        probabilities; "probabilities", one per class. One score or probability alone is that of
        the second of two classes. "labels": scores whose sigmoids are probabilities, each of what
        its column says. "heads": (N, T, K), scores of the classes of each of T columns.
    classes: their names; columns: names of the values of a regression.
    mean, scale: of its targets, one number for each; values are y · scale + mean.
    heads: of each column the names of its classes, K or fewer.

    Raises ValueError for another kind, names that are none or come twice, and numbers that do not
    fit.
    """

    kind: str = "regression"
    classes: tuple[str, ...] | None = None
    columns: tuple[str, ...] | None = None
    mean: tuple[float, ...] | None = None
    scale: tuple[float, ...] | None = None
    heads: tuple[tuple[str, ...], ...] | None = None

    def __post_init__(self) -> None:
        for name in ("classes", "columns"):
            names = getattr(self, name)
            if names is not None:
                names = _entries(names, f"OutputSpec: {name}")
                object.__setattr__(self, name, names)
                if len(set(names)) != len(names) or not names:
                    raise schema.refuse(f"OutputSpec: {name}", "different names", names)
        for name in ("mean", "scale"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _entries(getattr(self, name), f"OutputSpec: {name}"))
        if self.heads is not None:
            heads = _entries(self.heads, "OutputSpec: heads")
            heads = tuple(_entries(names, "OutputSpec: heads") for names in heads)
            object.__setattr__(self, "heads", heads)
        OUTPUT(self.to_dict(), "OutputSpec")
        self._check_scale()
        self._check_heads()
        if self.kind in NAMED and self.classes is not None:
            what = "a regression has" if self.kind == "regression" else "labels have"
            raise ValueError(f"OutputSpec: {what} no classes; kind='scores' has")

    def _check_scale(self) -> None:
        mean, scale = self.mean or (), self.scale or ()
        finite = all(map(math.isfinite, (*mean, *scale))) and all(s > 0 for s in scale)
        if len(mean) != len(scale) or not finite or (mean and self.kind != "regression"):
            raise ValueError(
                "OutputSpec: mean and scale must be as many finite numbers, scale positive, of a "
                f"regression, got {schema.brief(self.mean)} and {schema.brief(self.scale)}"
            )

    def _check_heads(self) -> None:
        heads = self.heads or ()
        fit = len(heads) == len(self.columns or ()) and all(
            len(set(h)) == len(h) > 0 for h in heads
        )
        if (self.kind == "heads") != bool(heads) or (heads and not fit):
            raise schema.refuse("OutputSpec: heads", "different names of classes for each of the "
                                "columns of an output of that kind", self.heads)  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Plain data from which `from_dict` makes the same again."""
        heads = {} if self.heads is None else {"heads": [list(names) for names in self.heads]}
        return {"kind": self.kind} | heads | {
            name: None if (entries := getattr(self, name)) is None else list(entries)
            for name in ("classes", "columns", "mean", "scale")
        }  # fmt: skip

    @classmethod
    def from_dict(cls, data: Any, where: str = "output") -> OutputSpec:
        """A specification from plain data; ValueError for data that are none."""
        OUTPUT(data, where)
        return cls(**data)

    def check(self, shape: tuple[int, ...]) -> None:
        """ShapeError unless outputs of this shape (N, …) have one number for each name."""
        if self.heads is not None:
            if shape[1:] != (needed := (len(self.heads), max(map(len, self.heads)))):
                raise ShapeError(f"the output has shape {('N', *shape[1:])}, not {('N', *needed)}")
            return
        names = self.columns or self.mean if self.kind in NAMED else self.classes
        count = shape[-1] if len(shape) > 1 else 1
        fits = names is None or count == len(names) or (
            count == 1 and len(names) == 2 and self.kind not in NAMED
        )  # fmt: skip
        if not fits:
            raise ShapeError(
                f"the output has {count} columns, shape {('N', *shape[1:])}, but "
                f"{len(names or ())} names: {schema.brief(names)}"
            )

    def values(self, y: Array) -> Array:
        """Outputs y (N, …) of a regression on the scale of its targets; others as they are."""
        if self.mean is None or self.scale is None:
            return y
        if y.ndim == 1:
            y = y[:, None]
        back: Array = y.astype(np.float64) * np.array(self.scale) + np.array(self.mean)
        return back

    def probabilities(self, y: Array) -> Array:
        """The probabilities (N, K) of the classes, from outputs y (N, K) or (N, 1); of heads those
        of all columns side by side."""
        if self.heads is not None:
            y = np.exp(y - y.max(axis=2, keepdims=True), dtype=np.float64)
            return beside(y / y.sum(axis=2, keepdims=True), [*map(len, self.heads)])
        y = y.reshape(len(y), -1).astype(np.float64)
        if self.kind == "labels":
            found: Array = np.exp(-np.logaddexp(0, -y))
            return found
        if self.kind == "scores":
            if y.shape[1] == 1:
                y = np.concatenate([np.zeros_like(y), y], axis=1)
            y = np.exp(y - y.max(axis=1, keepdims=True))
            y /= y.sum(axis=1, keepdims=True)
            return y
        return np.concatenate([1 - y, y], axis=1) if y.shape[1] == 1 else y

    def header(self, count: int, name: str = "row", probabilities: bool = False) -> list[str]:
        """The first line of a table of predictions of `count` outputs; `name` is of the rows."""
        if self.heads is not None and self.columns is not None:
            pairs = [(column, k) for column, head in zip(self.columns, self.heads) for k in head]
            return [name, *self.columns, *(f"p({c}={k})" for c, k in pairs if probabilities)]
        if self.kind in NAMED:
            numbered = ["value"] if count == 1 else [f"value{i}" for i in range(count)]
            named = self.columns is not None and len(self.columns) == count
            columns = self.columns if named and self.columns else tuple(numbered)
            more = probabilities and self.kind == "labels"
            return [name, *columns, *(f"p({one})" for one in columns if more)]
        if not probabilities:
            return [name, "class", "probability"]
        return [name, "class", *(f"p({one})" for one in self._classes(count))]

    def rows(self, y: Array) -> Iterator[tuple[Any, ...]]:
        """A table of predictions: its header, and a line for each output of y (N, …)."""
        self.check(y.shape)
        yield tuple(self.header(y.shape[-1] if y.ndim > 1 else 1))
        yield from ((i, *answer) for i, answer in enumerate(self.answers(y)))

    def answers(self, y: Array, probabilities: bool = False) -> Iterator[tuple[Any, ...]]:
        """What a table of predictions says of each output of y (N, …)."""
        self.check(y.shape)
        if self.kind == "regression":
            values = self.values(y).reshape(len(y), -1)
            yield from (tuple(f"{v:.6g}" for v in row) for row in values)
            return
        if self.heads is not None:
            best = y.argmax(axis=2)
            for row, of in zip(self.probabilities(y), best):
                shown = (f"{v:.4f}" for v in row if probabilities)
                yield (*(names[k] for names, k in zip(self.heads, of)), *shown)
            return
        if self.kind == "labels":
            for row in self.probabilities(y):
                shown = (f"{v:.4f}" for v in row if probabilities)
                yield (*(str(int(v > 0.5)) for v in row), *shown)
            return
        if y.ndim > 2:
            raise ShapeError(f"a table of classes needs outputs (N, K), got shape {y.shape}")
        p = self.probabilities(y)
        names = self._classes(p.shape[1])
        for row, k in zip(p, p.argmax(axis=1)):
            yield (names[k], *(f"{v:.4f}" for v in (row if probabilities else row[k : k + 1])))

    def _classes(self, count: int) -> tuple[str, ...]:
        return self.classes or tuple(map(str, range(max(count, 2))))


def _entries(value: Any, where: str) -> tuple[Any, ...]:
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        raise schema.refuse(where, "a sequence", value)
    return tuple(v.item() if isinstance(v, np.generic) else v for v in value)


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for n in shape if n != 1)


def _as_integers(x: Array, name: str, dtype: str) -> Array:
    """x in an integer dtype; ValueError where it holds fractions or what the dtype cannot."""
    numbers = np.dtype(dtype)
    low, high = (0, 1) if numbers.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    if (x.dtype.kind == "f" and (x % 1 != 0).any()) or x.min() < low or x.max() > high:
        raise ValueError(f"{name}: the model takes {dtype}, integers from {low} to {high}")
    return x.astype(numbers, copy=False)
