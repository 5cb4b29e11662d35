"""Dataset: data to learn from and data held out, and what a network takes and gives of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, as_float
from handgrad.train.spec import BYTES, InputSpec, OutputSpec
from handgrad.train.store import brought
from handgrad.train.tables.spec import TableSpec


@dataclass(frozen=True)
class Dataset:
    """Data to learn from, and data held out.

    Shapes: x (N, D), one row per sample; t (N,) class indices, or (N, M) values where
    `classes`, their names, is None. `shape` is that of one sample as it was: (1, 28, 28), (D,);
    `columns` and `target` are the names that a table's header had; `dtype` is that of the data
    as they came: "uint8" for pictures of bytes, which are brought to [0, 1]; `table` is what a
    network takes of a table. Values are (what they were − mean) / scale, of the samples to learn
    from; but with `labels`, 0 and 1, each that a sample has what its name in `targets` says, and
    with `heads`, the names of the classes of each target, class indices.
    """

    name: str
    x_train: Array
    t_train: Array
    x_test: Array
    t_test: Array
    classes: tuple[str, ...] | None
    shape: tuple[int, ...]
    columns: tuple[str, ...] | None = None
    targets: tuple[str, ...] | None = None
    dtype: str = "float32"
    mean: tuple[float, ...] | None = None
    scale: tuple[float, ...] | None = None
    table: TableSpec | None = None
    notes: tuple[str, ...] = ()
    labels: bool = False
    heads: tuple[tuple[str, ...], ...] | None = None

    @property
    def outputs(self) -> int:
        """How many numbers a network gives of a sample, before those of heads are parted."""
        if self.heads is not None:
            return sum(map(len, self.heads))
        return len(self.classes) if self.classes else int(self.t_train.shape[1])

    @property
    def input(self) -> InputSpec:
        """What a network that learns from `x_train` takes."""
        scale = float(BYTES) if self.dtype == "uint8" else 1.0
        shape = self.x_train.shape[1:]
        target = self.targets[0] if self.targets and self.table is None else None
        return InputSpec(shape, self.dtype, self.columns, target, scale=scale)

    @property
    def info(self) -> dict[str, Any]:
        """Notes for a model file: what the data are, and of pictures the shape that they had."""
        pictures = {"shape": list(self.shape)} if len(self.shape) > 1 else {}
        return {"data": self.name, **pictures}

    @property
    def output(self) -> OutputSpec:
        """What such a network gives."""
        if self.classes is not None:
            return OutputSpec("scores", self.classes)
        if self.labels:
            return OutputSpec("labels", None, self.targets)
        if self.heads is not None:
            return OutputSpec("heads", None, self.targets, heads=self.heads)
        named = self.targets is not None and self.t_train.shape[1] == len(self.targets)
        return OutputSpec("regression", None, self.targets if named else None, self.mean,
                          self.scale)  # fmt: skip

    def scaled(self) -> Dataset:
        """The same with values of mean 0 and deviation 1 in the samples to learn from."""
        named = self.classes is not None or self.labels or self.heads is not None
        if named or self.mean is not None:
            return self
        mean, scale = self.t_train.mean(axis=0, dtype=float), self.t_train.std(axis=0, dtype=float)
        scale = np.where(scale > 1e-12 * np.abs(mean), scale, 1.0)
        parts = ((t - mean) / scale for t in (self.t_train, self.t_test))
        train, test = (t.astype(np.float32) for t in parts)
        return replace(self, t_train=train, t_test=test, mean=tuple(mean.tolist()),
                       scale=tuple(scale.tolist()))  # fmt: skip

    def as_pictures(self) -> Dataset:
        """The same with samples in their own shape instead of rows."""
        train, test = (x.reshape(len(x), *self.shape) for x in (self.x_train, self.x_test))
        return replace(self, x_train=train, x_test=test)

    @property
    def task(self) -> str:
        """What is to be learnt: "classification" or "regression"."""
        return "regression" if self.classes is None and self.heads is None else "classification"


def make(
    name: str,
    x_train: Array,
    t_train: Array,
    x_test: Array,
    t_test: Array,
    classes: tuple[str, ...] | None,
    *,
    dtype: str = "float32",
    **names: Any,
) -> Dataset:
    """A Dataset, with samples and values as rows."""
    if is_bytes(x_train):
        dtype = "uint8"
    shape = x_train.shape[1:]
    if x_test.shape[1:] != shape or not shape:
        raise ShapeError(f"{name}: samples have shape {shape}, in the test part {x_test.shape[1:]}")
    inputs = [as_pixels(x).reshape(len(x), -1) for x in (x_train, x_test)]
    targets = [t[:, None] if classes is None and t.ndim == 1 else t for t in (t_train, t_test)]
    return Dataset(name, inputs[0], targets[0], inputs[1], targets[1], classes, shape,
                   dtype=dtype, **names)  # fmt: skip


def as_pixels(x: Array) -> Array:
    """Real numbers; pictures of bytes (N, H, W) or (N, C, H, W) as float32 in [0, 1]."""
    if is_bytes(x):
        return brought(x, np.float32, lambda some: some.astype(np.float32) / np.float32(BYTES))
    return as_float(x)


def is_bytes(x: Array) -> bool:
    """Whether these are pictures of bytes."""
    return x.dtype == np.uint8 and x.ndim > 2
