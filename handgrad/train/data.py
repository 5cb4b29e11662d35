"""Data: what may enter training, how it is split and ordered."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, Stream
from handgrad.naming import names_of
from handgrad.train.store import taken

ORDER = 2**63  # the random stream of data order; layers count from 0


def check_inputs(x: Any, name: str = "x", dtype: Any = None) -> Array:
    """x as an array of finite real numbers (N, …), from arrays, lists or data frames.

    Integers and booleans stay what they are unless a dtype is given. Errors name the entry:
    text, NaN, infinity and objects by row and column, counted from 0; no rows; rows of
    different lengths.
    """
    array = as_rows(x, name)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} must hold numbers, but {describe_foreign(array, x)}")
    if not is_finite(array):
        index = tuple(np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name} must be finite, but {entry_at(index, x)} is {array[index]}")
    return array if dtype is None else array.astype(dtype, copy=False)


def is_finite(array: Array) -> bool:
    """Whether all numbers are finite; without an array of answers."""
    if array.dtype.kind != "f" or not array.size:
        return True
    return bool(np.isfinite(array.min()) and np.isfinite(array.max()))


def check_targets(t: Any, samples: int, name: str = "t") -> Array:
    """t as an array of finite real numbers for so many samples: class indices, one-hot or values.

    Text labels are refused, with the way out: `encode_labels`.
    """
    array = as_rows(t, name)
    if array.dtype.kind in "US":
        raise ValueError(
            f"{name} holds text such as {str(array.flat[0])!r}; "
            "encode_labels(t) gives class indices and their names"
        )
    if len(array) != samples:
        raise ShapeError(f"{name} must have the {samples} samples of x, got {len(array)}")
    return check_inputs(t, name)


def check_data(x: Any, t: Any, name: str = "data") -> tuple[Array, Array]:
    """x and t, checked, as arrays of as many samples; `name` is for the errors."""
    x = check_inputs(x, f"{name}: x")
    return x, check_targets(t, len(x), f"{name}: t")


def as_rows(x: Any, name: str) -> Array:
    """x as an array of at least one sample; ShapeError otherwise."""
    try:
        array = np.asarray(x)
    except ValueError:
        raise ShapeError(f"{name} must be rectangular, but its rows differ in length") from None
    if array.ndim == 0:
        raise ShapeError(f"{name} must be an array with rows, got {type(x).__name__}")
    if array.size == 0:
        raise ShapeError(f"{name} is empty: shape {array.shape}")
    return array


def describe_foreign(array: Array, x: Any) -> str:
    """What in the array is not a number, and where."""
    if array.dtype.kind in "OUS":
        for index, value in np.ndenumerate(array):
            try:
                float(value)
            except (TypeError, ValueError):
                return f"{entry_at(index, x)} is {value!s:.40}"
    return f"its dtype is {array.dtype}; convert it with astype(float)"


def entry_at(index: tuple[int, ...], x: Any) -> str:
    """An entry in words: row and column, by the column's name if x is a data frame."""
    if len(index) != 2:
        return f"row {index[0]}" if len(index) == 1 else f"entry {[int(i) for i in index]}"
    names = getattr(x, "columns", None)
    column = index[1] if names is None else repr(names[index[1]])
    return f"row {index[0]}, column {column}"


def encode_labels(t: Any) -> tuple[Array, Array]:
    """Labels of any kind as class indices (N,), and the classes (K,), sorted."""
    array = as_rows(t, "t")
    if array.ndim != 1:
        raise ShapeError(f"labels must be one column (N,), got shape {array.shape}")
    classes, indices = np.unique(array, return_inverse=True)
    return indices.astype(np.int64), classes


def random_order(n: int, seed: int = 0, epoch: int = 0) -> Array:
    """A random order of n samples that depends on (seed, epoch) alone.

    The samples are sorted by the raw words of the Philox generator, which, unlike NumPy's
    shuffling, are the same in every version. The lowest bits of a word are the sample's number, for
    sorting them is faster than argsort.
    """
    if not 0 <= seed < 2**64:
        raise ValueError(f"seed must be an integer from 0 to 2**64 - 1, got {seed}")
    words = Stream(seed, ORDER, epoch).bit_generator().random_raw(n)
    rows = np.uint64((1 << max(n - 1, 0).bit_length()) - 1)
    words &= ~rows
    words |= np.arange(n, dtype=np.uint64)
    words.sort()
    return (words & rows).astype(np.intp)


def split_rows(
    t: Array, fraction: float = 0.2, seed: int = 0, stratify: bool | None = None
) -> tuple[Array, Array]:
    """Indices of samples to learn from, and of a random `fraction` to hold out, both sorted.

    stratify: divide each class in that proportion, to within one sample. By default done where
    t are class indices (N,). The samples are sorted by class, and then, roughly, one in every
    1/fraction is held out.
    """
    n = len(t)
    held_out = round(n * fraction) if 0 < fraction < 1 else 0
    if not 0 < held_out < n:
        raise ValueError(
            f"validation: a fraction of {fraction} of {n} samples leaves one part empty; None "
            "holds nothing out"
        )
    order = random_order(n, seed)
    if stratify is None:
        stratify = t.ndim == 1 and t.dtype.kind in "iub"
    if not stratify:
        return np.sort(order[held_out:]), np.sort(order[:held_out])
    if t.ndim != 1:
        raise ShapeError(f"stratify needs class labels (N,), got t of shape {t.shape}")
    order = order[np.argsort(t[order], kind="stable")]
    held = np.diff(np.arange(n + 1) * held_out // n) == 1
    return np.sort(order[~held]), np.sort(order[held])


def split(
    x: Any, t: Any, fraction: float = 0.2, seed: int = 0, stratify: bool | None = None
) -> tuple[Array, Array, Array, Array]:
    """x_train, t_train, x_test, t_test: samples divided as by `split_rows`."""
    x, t = np.asarray(x), np.asarray(t)
    if len(x) != len(t):
        raise ShapeError(f"x and t must have the same length, got {len(x)} and {len(t)}")
    train, test = split_rows(t, fraction, seed, stratify)
    return taken(x, train), t[train], taken(x, test), t[test]


PUBLIC = [name for name, held in vars().items() if callable(held) and held.__module__ == __name__]
__getattr__, __dir__ = names_of(
    __name__, [*PUBLIC, "read_table"], later={"handgrad.train.tables": ("read_table",)}
)
