"""The data of a training: columns, targets, labels, samples that stand in both parts."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from handgrad.arrays import Array
from handgrad.layer import shallow_clone
from handgrad.layers import SoftmaxCrossEntropy
from handgrad.layers.loss.base import ElementwiseLoss
from handgrad.layers.loss.cross_entropy import ClassLoss

LOOKED_AT = 500  # samples whose columns are measured, evenly spaced
COMPARED = 200_000  # samples, each of training and of validation
KEY_COLUMNS = 32  # by which samples that may be equal are found


class Columns(NamedTuple):
    """Mean, standard deviation, root mean square and largest size of each column of samples."""

    mean: Array
    std: Array
    rms: Array
    largest: Array


def columns_of(x: Array) -> Columns:
    """Each column of x (N, M); of samples with more axes, all elements as one column."""
    seen = evenly(x, LOOKED_AT).astype(np.float64)
    seen = seen.reshape(len(seen), -1) if x.ndim == 2 else seen.reshape(-1, 1)
    mean, std = seen.mean(axis=0), seen.std(axis=0)
    # A sum of equal numbers has rounding errors; a spread within them is none.
    std[np.ptp(seen, axis=0) == 0] = 0.0
    return Columns(mean, std, np.sqrt(mean**2 + std**2), np.abs(seen).max(axis=0))


def evenly(x: Array, most: int) -> Array:
    """At most so many samples, evenly spaced."""
    return x if len(x) <= most else x[np.linspace(0, len(x) - 1, most).astype(int)]


def middle(values: Array) -> float:
    """The upper median; np.median would bring in the module of masked arrays."""
    return float(np.sort(values, axis=None)[np.size(values) // 2])


class Labels(NamedTuple):
    """How often each of C classes occurs in training, and in validation data if there are any."""

    counts: Array
    held_out: Array | None

    @property
    def share(self) -> float:
        """Of the most frequent class."""
        return float(self.counts.max() / self.counts.sum())

    @property
    def missing(self) -> Array:
        """Classes that occur in validation data alone."""
        if self.held_out is None:
            return np.empty(0, int)
        return np.flatnonzero((self.counts == 0) & (self.held_out > 0))


def labels_of(trainer: Any, outputs: tuple[int, ...]) -> Labels | None:
    """The labels of one class for each sample; None where targets are something else."""
    loss, t = trainer.loss, trainer.t
    if isinstance(loss, ElementwiseLoss):
        return _of_two(trainer, t)
    if not isinstance(loss, ClassLoss) or len(outputs) != 2:
        return None
    ignored = getattr(loss, "ignore_index", None)

    def counts(t: Array) -> Array:
        t = t if t.ndim == 1 else t.argmax(axis=-1)
        t = t if ignored is None else t[t != ignored]
        return np.bincount(t, minlength=outputs[-1])

    held = trainer.validation
    return Labels(counts(t), None if held is None else counts(held[1]))


def _of_two(trainer: Any, t: Array) -> Labels | None:
    """Targets of 0 and 1 in one column are labels of two classes."""
    name = type(trainer.loss).__name__
    if "CrossEntropy" not in name or t.size != len(t) or not np.isin(t, (0, 1)).all():
        return None

    def counts(t: Array) -> Array:
        ones = int(np.count_nonzero(t))
        return np.array([t.size - ones, ones])

    return Labels(counts(t), None if trainer.validation is None else counts(trainer.validation[1]))


def chance_loss(loss: Any, y_shape: tuple[int, ...], t: Array, train: Array) -> float | None:
    """The loss on targets t of the best outputs that are the same for every sample of `train`.

    Labels: the entropy of their shares. Values: the mean, or the median where that is better.
    None for a loss that is neither of labels nor element by element.
    """
    clone = shallow_clone(loss)
    if isinstance(loss, ClassLoss):
        p = _shares(loss, y_shape[-1], train)
        smoothing = loss.label_smoothing
        y = np.log(np.maximum((1 - smoothing) * p + smoothing / y_shape[-1], 1e-12))
        y = np.broadcast_to(y, (*t.shape[: len(y_shape) - 1], y_shape[-1]))
        return float(clone.forward(np.ascontiguousarray(y), t))
    if not isinstance(loss, ElementwiseLoss):
        return None
    tries = [train.mean(axis=0, dtype=np.float64), np.sort(train, axis=0)[len(train) // 2]]
    if "CrossEntropy" in type(loss).__name__:
        p = np.clip(tries[0], 1e-7, 1 - 1e-7)
        tries = [p if type(loss).__name__.startswith("Binary") else np.log(p / (1 - p))]
    t = t.astype(np.float64)
    values = [float(clone.forward(np.broadcast_to(y, t.shape).copy(), t)) for y in tries]
    return min(values)


def _shares(loss: ClassLoss, classes: int, t: Array) -> Array:
    """The weighted share of each class, of labels or of probabilities."""
    if t.dtype.kind in "iub":
        labels = t.ravel()
        labels = labels[labels != loss.ignore_index] if loss.ignore_index is not None else labels
        counts = np.bincount(labels, minlength=classes).astype(float)
    else:
        counts = t.reshape(-1, t.shape[-1]).sum(axis=0, dtype=float)
    if loss.class_weights is not None:
        counts = counts * np.asarray(loss.class_weights, float)
    p: Array = counts / (counts.sum() or 1)
    return p


def blind_loss(loss: Any, y_shape: tuple[int, ...]) -> float | None:
    """What a network costs that knows nothing: ln C of C classes, ln 2 of yes and no."""
    if isinstance(loss, SoftmaxCrossEntropy):
        return math.log(y_shape[-1])
    return math.log(2) if "CrossEntropy" in type(loss).__name__ else None


class Copies(NamedTuple):
    """Samples of validation data that stand in the training data too, and what is usual.

    expected: the share of training samples of which there is another copy among them.
    """

    found: int
    samples: int
    expected: float
    varied: bool  # whether a column has as many values as half of the different samples, and 30

    @property
    def share(self) -> float:
        """Of the validation data."""
        return self.found / self.samples


def copies_of(x: Array, held: Array) -> Copies:
    """Find equal samples by the bytes of some columns, and then by all of them.

    Of more than COMPARED samples some are looked at, for all of them would fill the memory."""
    x, held = evenly(x, COMPARED), evenly(held, COMPARED)
    n = len(x)
    rows = [np.ascontiguousarray(a).reshape(len(a), -1) for a in (x, held.astype(x.dtype))]
    spread = evenly(rows[0], LOOKED_AT)
    changing = np.flatnonzero(np.ptp(spread, axis=0) > 0)
    few = changing[np.linspace(0, len(changing) - 1, KEY_COLUMNS).astype(int)] \
        if len(changing) > KEY_COLUMNS else changing  # fmt: skip
    key = np.concatenate([np.ascontiguousarray(a[:, few]) for a in rows])
    if not key.shape[1]:
        return Copies(0, len(held), 1.0, False)
    names = key.view(np.dtype((np.void, key.shape[1] * key.itemsize))).ravel()
    group, size = np.unique(names, return_inverse=True, return_counts=True)[1:]
    group = group.reshape(-1)
    again: dict[Any, list[int]] = {}
    for i in np.flatnonzero(size[group] > 1):
        row = rows[0][i] if i < n else rows[1][i - n]
        again.setdefault((group[i], row.tobytes()), []).append(int(i))
    inside = sum(len(m) for g in again.values() if len(m := [i for i in g if i < n]) > 1)
    across = sum(sum(i >= n for i in g) for g in again.values() if g[0] < n)
    if not across:
        return Copies(0, len(held), inside / n, False)
    distinct = len(key) - sum(len(g) - 1 for g in again.values())
    values = max(len(np.unique(spread[:, j])) for j in few)
    varied = values >= max(30, min(distinct, len(spread)) / 2)
    return Copies(across, len(held), inside / n, varied)
