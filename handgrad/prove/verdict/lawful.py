"""Other values of a setting: of the same kind, in the domain that the present one suggests."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.verdict.trial import Case

# Words that settings take in the field, each with the others that may stand in its stead.
_WORDS = [words.split() for words in (
    "mean sum none", "tanh relu sigmoid gelu linear", "max avg mean sum", "same valid full",
    "zeros constant reflect replicate edge circular wrap", "nearest linear bilinear", "none tanh",
    "zero reflect replicate", "pre post", "l1 l2", "concat sum mul ave", "left right both",
    "add mul concat", "channels_last channels_first", "nhwc nchw", "dot general concat scaled",
)]  # fmt: skip


def lawful(value: Any, case: Case) -> Iterator[Any]:
    """Values near this one; what is not meant is refused by those who get it."""
    if isinstance(value, enum.Enum):
        yield from (other for other in type(value) if other is not value)
    elif isinstance(value, str):
        words = [w for group in _WORDS if value.lower() in group for w in group]
        styled = [w.upper() if value.isupper() else w for w in words if w != value.lower()]
        yield from dict.fromkeys(styled)
    elif isinstance(value, bool | np.bool_):
        yield not value
    elif value is None:
        yield from (1, 2, 3, 0.5)
        lengths = {n for x in case.inputs for n in np.shape(x)}
        yield from (np.linspace(0.5, 1.5, n) for n in sorted(lengths))
    elif is_whole(value):
        value = int(value)
        usual = {-2: (-1, 0, 1), -1: (0, 1, -2), 0: (1, 2), 1: (2, 3, 0)}
        yield from usual.get(value, (value + 1, value - 1, 2 * value))
        if value > 1:
            yield from ((value, value + 1), (value + 1, value))
    elif isinstance(value, float | np.floating):
        yield from _reals(float(value))
    elif isinstance(value, tuple | list | np.ndarray) and _permutes(value):
        rolled = np.roll(np.arange(len(value)), 1)  # not its own inverse
        yield rolled if isinstance(value, np.ndarray) else type(value)(rolled.tolist())
    elif isinstance(value, np.ndarray) and value.dtype.kind in "iu" and value.ndim == 1:
        if len(set(value.tolist())) == len(value) > 1:  # positions: one that is met twice
            yield np.concatenate([value[:-1], value[:1]])
    elif isinstance(value, tuple | list) and value and all(map(is_whole, value)):
        starts = len(value) > 2 and value[0] == 0 and sorted(set(value)) == list(value)
        yield from (value[::-1],) if value != value[::-1] and not starts else ()
        if len(set(value)) == len(value) > 1 and not starts:
            yield type(value)((*value[:-1], value[0]))
        for k, v in enumerate(value):
            for other in (v + 1, max(v - 1, 0)):
                new = type(value)((*value[:k], other, *value[k + 1 :]))
                if not starts or (k and sorted(set(new)) == list(new)):
                    yield new
    elif isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size:
        yield from _arrays(value)


def _reals(value: float) -> Iterator[float]:
    if value == 0:
        yield from (0.3, 0.5)
    elif abs(value) < 1e-2 or not np.isfinite(value):  # a guard: larger, it would be no guard
        return
    elif 0 < value < 1:
        yield from (0.5 * value, 0.5 * (1 + value))
    else:
        yield from (0.5 * value, 1.7 * value, 0.3 * value)


def _arrays(value: Array) -> Iterator[Array]:
    """Without the symmetry that it may have; then, for windows, other lengths of an axis."""
    shares = bool(np.all(value >= 0) and np.allclose(value.sum(-1), 1))
    if np.all(value == 1) and value.size > 1:  # weights or a mask, and a zero serves both
        yield np.append(np.ones(value.size - 1), 0.0).reshape(value.shape)
    if shares or np.all((value == 0) | (value == 1)):
        return  # labels, masks: other numbers would not be such
    rng = np.random.default_rng(23)
    yield value * rng.uniform(0.5, 1.5, value.shape)
    yield np.full_like(value, value.flat[0])  # positions may meet
    if value.ndim > 1 and len(value) == 1:
        yield np.concatenate([value, 0.7 * value])
    for axis in range(value.ndim - 1, -1, -1):
        for length in (value.shape[axis] + 1, value.shape[axis] - 1):
            if length > 1 and (value.ndim != 2 or value.shape[axis] == 1):
                order = np.arange(length) % value.shape[axis]
                longer = np.take(value, order, axis)
                yield longer * rng.uniform(0.8, 1.2, longer.shape)


def _permutes(value: Any) -> bool:
    """Whether it is an order of three or more."""
    flat = value.ndim == 1 if isinstance(value, np.ndarray) else True
    whole = flat and len(value) > 2 and all(map(is_whole, value))
    return whole and sorted(value) == list(range(len(value)))


def is_whole(value: Any) -> bool:
    """Whether it is an integer, and not a switch."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
