"""Loading: a data set by its name or file, in a part to learn from and a part held out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, as_float
from handgrad.train import datasets
from handgrad.train.data import check_data, encode_labels, split
from handgrad.train.files import PathLike, parse_table, read_arrays, read_table
from handgrad.train.images import FASHION_CLASSES, fashion_mnist, mnist
from handgrad.train.spec import BYTES, InputSpec, OutputSpec

DIGITS = tuple("0123456789")
MADE: dict[str, Callable[..., tuple[Array, Array]]] = {
    "spiral": datasets.spiral,
    "moons": datasets.moons,
    "circles": datasets.circles,
    "sine": datasets.sine,
}
NAMES = ("digits", *MADE, *datasets.GATES, "mnist", "fashion")
REPEATED = 50  # times a truth table is learned in an epoch


@dataclass(frozen=True)
class Dataset:
    """Data to learn from, and data held out.

    Shapes: x (N, D), one row per sample; t (N,) class indices, or (N, M) values where
    `classes`, their names, is None. `shape` is that of one sample as it was: (1, 28, 28), (D,);
    `columns` and `target` are the names that a table's header had; `dtype` is that of the data
    as they came: "uint8" for pictures of bytes, which are brought to [0, 1].
    """

    name: str
    x_train: Array
    t_train: Array
    x_test: Array
    t_test: Array
    classes: tuple[str, ...] | None
    shape: tuple[int, ...]
    columns: tuple[str, ...] | None = None
    target: str | None = None
    dtype: str = "float32"

    @property
    def input(self) -> InputSpec:
        """What a network that learns from `x_train` takes."""
        scale = float(BYTES) if self.dtype == "uint8" else 1.0
        shape = self.x_train.shape[1:]
        return InputSpec(shape, self.dtype, self.columns, self.target, scale=scale)

    @property
    def output(self) -> OutputSpec:
        """What such a network gives."""
        if self.classes is not None:
            return OutputSpec("scores", self.classes)
        one = self.target is not None and self.t_train.shape[1] == 1
        return OutputSpec("regression", columns=(str(self.target),) if one else None)

    def as_pictures(self) -> Dataset:
        """The same with samples in their own shape instead of rows."""
        train, test = (x.reshape(len(x), *self.shape) for x in (self.x_train, self.x_test))
        return replace(self, x_train=train, x_test=test)

    @property
    def task(self) -> str:
        """What is to be learnt: "classification" or "regression"."""
        return "regression" if self.classes is None else "classification"


def load_data(
    source: PathLike,
    folder: PathLike | None = None,
    *,
    download: bool = False,
    target: int | str = -1,
    header: bool | None = None,
    fraction: float = 0.2,
    seed: int = 0,
) -> Dataset:
    """A data set by its name (see NAMES), or from a .csv or .npz file.

    Where the source has no test part, a random `fraction` of the samples is held out, from each
    class alike. folder, download: where mnist and fashion are (see `mnist`). target: the
    target column of a CSV file; header: whether its first line has names (see `read_table`).
    Pictures of bytes in an npz file are brought to [0, 1]. A gate's truth table is learned and
    tested whole.

    Raises ValueError for an unknown name or a file that does not hold data, FileNotFoundError
    for a file that is not there.
    """
    name, path = str(source), Path(source)
    if name == "digits":
        x, t = datasets.digits(images=True)
        return make(name, *split(x, t, fraction, seed), DIGITS)
    if name in MADE:
        x, t = MADE[name](seed=seed)
        classes = None if t.ndim == 2 else tuple(map(str, np.unique(t)))
        return make(name, *split(x, t, fraction, seed), classes)
    if name in datasets.GATES:
        x, t = datasets.gates(name)
        return make(name, np.tile(x, (REPEATED, 1)), np.tile(t, REPEATED), x, t, ("0", "1"))
    if name in ("mnist", "fashion"):
        read = mnist if name == "mnist" else fashion_mnist
        train, test = read(folder, download=download, images=True)
        classes = DIGITS if name == "mnist" else FASHION_CLASSES
        return make(name, *train, *test, classes, dtype="uint8")
    if path.suffix.lower() == ".csv":
        return from_csv(path, target, header, fraction, seed)
    if path.suffix.lower() == ".npz":
        return from_npz(path, fraction, seed)
    raise ValueError(f"data must be {', '.join(NAMES)}, or a .csv or .npz file; got {name!r}")


def from_csv(
    path: Path, target: int | str, header: bool | None, fraction: float, seed: int
) -> Dataset:
    """The data of a CSV file, with the names of its columns where it has them."""
    table = read_table(path, header)
    x, t, classes = parse_table(table, target)
    last = table.column(target)
    columns = [name for i, name in enumerate(table.names) if i != last]
    named = table.header and len({*table.names, ""}) == len(table.names) + 1
    return make(
        path.stem, *split(x, t, fraction, seed), classes,
        columns=tuple(columns) if named else None, target=table.names[last] if named else None,
    )  # fmt: skip


def from_npz(path: Path, fraction: float, seed: int) -> Dataset:
    """The data of an npz file, whose labels are integers, text or one-hot vectors."""
    x, t, x_test, t_test = read_arrays(path)
    if x_test is None or t_test is None:
        t, classes = as_targets(t)
        check_data(x, t, str(path))
        parts = split(x, t, fraction, seed)
    else:
        both, classes = as_targets(np.concatenate([t, t_test]))
        parts = x, both[: len(t)], x_test, both[len(t) :]
    check_data(*parts[:2], str(path))
    check_data(*parts[2:], f"{path}, test part")
    return make(path.stem, *parts, classes)


def as_targets(t: Array) -> tuple[Array, tuple[str, ...] | None]:
    """Class indices and names from integers, text or one-hot vectors; else t itself and None."""
    one_hot = t.ndim == 2 and t.shape[1] > 1 and ((t == 0) | (t == 1)).all()
    if one_hot and (t.sum(axis=1) == 1).all():
        return t.argmax(axis=1), tuple(map(str, range(t.shape[1])))
    if t.ndim == 1 and t.dtype.kind in "iubUS":
        indices, classes = encode_labels(t)
        return indices, tuple(map(str, classes))
    return t, None


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
    return x.astype(np.float32) / np.float32(BYTES) if is_bytes(x) else as_float(x)


def is_bytes(x: Array) -> bool:
    """Whether these are pictures of bytes."""
    return x.dtype == np.uint8 and x.ndim > 2
