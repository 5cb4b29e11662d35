"""Signs in the inputs: constant, on a bad scale, another one in validation data, leaked."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from handgrad.arrays import Array
from handgrad.layers import ElementwiseLoss, Embedding
from handgrad.layers.loss.cross_entropy import ClassLoss
from handgrad.train.scale import scales
from handgrad.train.watch.judge.sign import Sign, percent, some
from handgrad.train.watch.measure.data import evenly, middle
from handgrad.train.watch.measure.evidence import Evidence

Bounds = tuple[float, ...]
WIDE = 256  # columns; a copy of the target hides in tables, not in pictures


def constant(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """Inputs that are the same in every sample."""
    x = e.trainer.x
    if len(x) < 2:
        return
    rows = x.reshape(len(x), -1)
    still = _still(rows)
    if still.all():
        yield Sign("x", f"all {len(x):,} samples are equal")
        return
    if x.ndim != 2 or x.dtype.kind != "f":
        return
    # Beside columns that hardly ever change (pixels of the rim, rare words), some never do.
    value = x[0]
    told = still & ((value != 0) | bool(e.names))
    some_rows = np.sort(evenly(x, 500)[:, ~still], axis=0)
    common = (some_rows == some_rows[len(some_rows) // 2]).mean(axis=0)
    if not told.any() or (common > bounds[0]).any():
        return
    ones = np.flatnonzero(still & (value == 1))
    if len(ones) == 1:  # a bias by hand
        told[ones] = False
    found = np.flatnonzero(told)
    if found.size:
        yield Sign(
            some(e.column(int(j)) for j in found),
            f"{some(f'{value[j]:.3g}' for j in found)} in each of {len(x):,} samples",
            numbers={"columns": float(found.size)},
        )


def _still(rows: Array) -> Array:
    """Columns that never change; of many rows, those that stay in some are looked at in all."""
    few = evenly(rows, 200)
    still = (few == few[:1]).all(axis=0)
    at = np.flatnonzero(still)
    still[at] = (rows[:, at] == rows[0, at]).all(axis=0)
    return np.asarray(still)


def scale(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """Inputs that are large, tiny, or far from 0 compared with how they vary."""
    large, small, offset = bounds
    if scales(e.trainer.network):
        return
    c, x = e.columns, e.trainer.x
    far = np.flatnonzero(c.rms > large)
    if far.size:
        j = int(c.rms.argmax())
        which = some(e.column(int(k)) for k in far) if x.ndim == 2 else "x"
        yield Sign(which, f"root mean square {c.rms[j]:.3g}, the bound is {large:g}",
                   numbers={"rms": float(c.rms[j])})  # fmt: skip
        return
    biggest = float(c.largest.max())
    if 0 < biggest < small:
        yield Sign("x", f"no element is larger than {biggest:.3g}, the bound is {small:g}",
                   numbers={"largest": biggest})  # fmt: skip
        return
    moving = c.std > 0
    if x.ndim == 2 and moving.any():
        ratio = middle(np.abs(c.mean[moving]) / c.std[moving])
        if ratio > offset:
            yield Sign(
                "x",
                f"the mean of a column is {ratio:.3g} times its standard deviation (median), "
                f"the bound is {offset:g}",
                "likely", numbers={"mean_to_std": ratio},
            )  # fmt: skip


def held_out_differs(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """Validation inputs on another scale than the training inputs."""
    shift, times = bounds
    c, held = e.columns, e.held_columns
    if held is None or e.trainer.x.dtype.kind != "f" or len(c.std) != len(held.std):
        return
    moving = c.std > 0
    if not moving.any():
        return
    away = middle(np.abs(held.mean - c.mean)[moving] / c.std[moving])
    ratio = float(np.sqrt(np.mean(held.rms**2)) / np.sqrt(np.mean(c.rms**2)))
    if away > shift or not 1 / times < ratio < times:
        yield Sign(
            "validation data",
            f"its columns lie {away:.3g} standard deviations from those of the training data "
            f"(median, the bound is {shift:g}); their size is {ratio:.3g} times theirs",
            numbers={"shift": away, "size": ratio},
        )


def leakage(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """Validation samples that the network is trained on."""
    least, natural = bounds
    c = e.copies
    if c is None or not c.found:
        return
    noise = 3 * (max(c.expected * (1 - c.expected), 1 / c.samples) / c.samples) ** 0.5
    beyond = c.share - c.expected > max(least, min(noise, 0.5))
    if beyond or (c.varied and c.share >= natural):
        yield Sign(
            "validation data",
            f"{c.found:,} of {c.samples:,} samples ({percent(c.share)}) are training samples too; "
            f"of the training samples {percent(c.expected)} have another copy among them",
            numbers={"copies": float(c.found), "share": c.share, "expected": c.expected},
        )


def target_inside(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """A column of x that is the target itself, on whatever scale, or that says one class.

    Not a position in a sequence of ids, which a network may well be asked to repeat.
    """
    least, correlation = bounds
    t, x = e.flat_targets, e.trainer.x
    if t is None or x.ndim != 2 or not 2 <= x.shape[1] <= WIDE or len(x) < least:
        return
    if x.dtype.kind in "iu" and e.layers(Embedding):
        return
    x, t = evenly(x, 500), evenly(t, 500)
    ranks = np.stack([_ranks(column) for column in x.T], axis=1)
    X, T = ranks - ranks.mean(axis=0), _ranks(t) - _ranks(t).mean()
    size = np.sqrt((X**2).sum(axis=0) * (T**2).sum())
    r = np.abs(T @ X) / np.where(size > 0, size, 1)
    j = int(r.argmax())
    if r[j] > correlation:
        yield Sign(e.column(j), f"its rank correlation with the target is {r[j]:.6g}", "likely",
                   numbers={"correlation": float(r[j])})  # fmt: skip
    elif e.labels is not None and (found := _indicator(x, t)):
        yield Sign(e.column(found[0]), f"it has one value for class {found[1]}, one for all others",
                   "likely", numbers={"correlation": 1.0})  # fmt: skip


def _indicator(x: Array, t: Array) -> tuple[int, int] | None:
    """A column of two values that parts one class of at least five samples from all others."""
    two = [j for j in range(x.shape[1]) if len(np.unique(x[:, j])) == 2]
    for k, count in enumerate(np.bincount(t)):
        for j in two if 5 <= count <= len(t) - 5 else ():
            upper = x[:, j] == x[:, j].max()
            same = upper == (t == k)
            if same.all() or not same.any():
                return j, k
    return None


def _ranks(column: Array) -> Array:
    """The rank of each value among the different ones."""
    return np.unique(column, return_inverse=True)[1].reshape(-1).astype(np.float64)


def tokens(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """Numbers of words that are never trained, or one that stands for most words."""
    unseen, most = bounds
    x = e.trainer.x
    if x.dtype.kind not in "iu" or x.ndim != 2 or not e.layers(Embedding):
        return
    counts = np.bincount(x.ravel())
    if e.trainer.validation is not None:
        held = np.asarray(e.trainer.validation[0]).ravel()
        known = counts[np.minimum(held, len(counts) - 1)] > 0
        share = float(1 - (known & (held < len(counts))).mean())
        if share > unseen:
            yield Sign("validation data",
                       f"{percent(share)} of its words never occur in the training data, the "
                       f"bound is {percent(unseen)}", numbers={"unseen": share})  # fmt: skip
    top = int(counts.argmax())
    share = float(counts[top] / counts.sum())
    is_top = x == top
    runs = float((is_top[:, 1:] != is_top[:, :-1]).sum(axis=1).mean())
    if share > most and runs > 2:  # padding at one end or both changes at most twice
        yield Sign("x", f"{percent(share)} of all words have the number {top}, the bound is "
                   f"{percent(most)}", "likely", numbers={"share": share})  # fmt: skip


def sorted_batches(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """Labels that come class by class, in the order in which they are taken."""
    trainer, t = e.trainer, e.flat_targets
    batch = trainer.task.batch
    if trainer.shuffle or e.labels is None or batch < 4 or batch > len(trainer.x) // 4:
        return
    if t is None or not np.ptp(t):
        return
    rows = t[: len(t) // batch * batch].reshape(-1, batch)
    alone = float((rows == rows[:, :1]).all(axis=1).mean())
    chance = float(((np.bincount(t) / len(t)) ** batch).sum())
    if alone > max(bounds[0], 2 * chance):
        yield Sign(
            "the order of the samples",
            f"{percent(alone)} of the batches hold one class alone, by chance {percent(chance)} "
            "would", numbers={"alone": alone, "chance": chance},
        )  # fmt: skip


def is_values(loss: object) -> bool:
    """Whether a loss compares real numbers, neither classes nor probabilities."""
    return isinstance(loss, ElementwiseLoss) and not isinstance(loss, ClassLoss) and (
        "CrossEntropy" not in type(loss).__name__ and type(loss).__name__ != "Hinge"
    )  # fmt: skip
