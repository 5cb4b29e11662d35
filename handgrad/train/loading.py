"""Loading: a data set by its name or file, in a part to learn from and a part held out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from handgrad.arrays import Array
from handgrad.train import datasets
from handgrad.train.data import check_data, encode_labels, split
from handgrad.train.dataset import Dataset, make
from handgrad.train.files import PathLike, read_arrays
from handgrad.train.images import FASHION_CLASSES, fashion_mnist, mnist
from handgrad.train.pictures import read_pictures
from handgrad.train.tables.table import SUFFIXES, read_table

DIGITS = tuple("0123456789")
MADE: dict[str, Callable[..., tuple[Array, Array]]] = {
    "spiral": datasets.spiral,
    "moons": datasets.moons,
    "circles": datasets.circles,
    "sine": datasets.sine,
}
NAMES = ("digits", *MADE, *datasets.GATES, "mnist", "fashion")
REPEATED = 50  # times a truth table is learned in an epoch


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
    if path.is_dir():
        x, t, classes = read_pictures(path)
        return make(path.name, *split(x, t, fraction, seed), classes)
    if path.suffix.lower() in SUFFIXES:
        return read_table(path, target, header=header).split(fraction, seed)
    if path.suffix.lower() == ".npz":
        return from_npz(path, fraction, seed).scaled()
    raise ValueError(f"data must be {', '.join(NAMES)}, or a .csv or .npz file; got {name!r}")


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
