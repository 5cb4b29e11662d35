"""Whether inputs say anything about targets, measured without the network.

Two ways that know nothing of it: the nearest other sample, and least squares on half of the
samples, judged on the other half. Each gives z, how many standard errors it is above chance.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from handgrad.arrays import Array
from handgrad.train.watch.measure.data import evenly

MOST = 500  # samples that are compared
WIDTH = 256  # numbers of a sample that are


class Signal(NamedTuple):
    """z of samples with their own targets, and with those of the sample after and before."""

    own: float
    after: float
    before: float


def signal_of(x: Array, t: Array, *, labels: bool) -> Signal:
    """How well neighbours among x (N, …) agree in t (N), and what least squares find."""
    n = len(x)
    at = evenly(np.arange(n), MOST)
    rows = flat(x[at])
    near = nearest(rows, rows, itself=False)
    shifted = [t[(at + shift) % n] for shift in (0, 1, -1)]
    own, after, before = (agreement(s, s[near], labels) for s in shifted)
    own = max(abs(own), abs(least_squares(rows, shifted[0], labels)))  # parity disagrees
    return Signal(own, after, before)


def across(x: Array, t: Array, held: Array, held_t: Array, *, labels: bool) -> float:
    """z of the agreement of held-out samples with their nearest training samples."""
    train, few = evenly(np.arange(len(x)), MOST), evenly(np.arange(len(held)), MOST)
    rows = flat(np.concatenate([held[few], x[train].astype(held.dtype)]))
    near = nearest(rows[: len(few)], rows[len(few) :], itself=True)
    return agreement(held_t[few], t[train][near], labels)


def flat(x: Array) -> Array:
    """Samples as rows of at most WIDTH numbers, each column brought to deviation 1.

    Of integers, such as words, how often each of the first ones occurs in a sample.
    """
    rows = x.reshape(len(x), -1)
    if x.dtype.kind in "iu" and x.ndim > 1:
        at = np.minimum(rows, WIDTH - 1) + WIDTH * np.arange(len(rows))[:, None]
        rows = np.bincount(at.ravel(), minlength=WIDTH * len(rows)).reshape(len(rows), WIDTH)
    if rows.shape[1] > WIDTH:
        rows = rows[:, np.linspace(0, rows.shape[1] - 1, WIDTH).astype(int)]
    rows = rows.astype(np.float64)
    spread = rows.std(axis=0)
    scaled: Array = (rows - rows.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return scaled


def nearest(of: Array, among: Array, *, itself: bool) -> Array:
    """For each row the nearest other one."""
    distance = (among**2).sum(axis=1) - 2 * of @ among.T
    if not itself:
        np.fill_diagonal(distance, np.inf)
    return np.asarray(distance.argmin(axis=1))


def agreement(a: Array, b: Array, labels: bool) -> float:
    """z of equal labels above what their shares give by chance; of values, of their correlation."""
    n = len(a)
    if not labels:
        spread = float(a.std() * b.std())
        return float(np.mean((a - a.mean()) * (b - b.mean())) / spread * n**0.5) if spread else 0.0
    classes = int(max(a.max(), b.max())) + 1
    p, q = (np.bincount(c, minlength=classes) / n for c in (a, b))
    chance = float(p @ q)
    if not 0 < chance < 1:
        return 0.0
    return float((np.mean(a == b) - chance) / (chance * (1 - chance) / n) ** 0.5)


def least_squares(rows: Array, t: Array, labels: bool) -> float:
    """z of a ridge regression on every other sample, judged on those between."""
    n = len(rows) // 2 * 2
    learn, judge = slice(0, n, 2), slice(1, n, 2)
    goal = np.eye(int(t.max()) + 1)[t] if labels else t[:, None].astype(np.float64)
    mean = goal[learn].mean(axis=0)
    X = rows[learn]
    W = np.linalg.solve(X.T @ X + len(X) * 0.1 * np.eye(X.shape[1]), X.T @ (goal[learn] - mean))
    guess = rows[judge] @ W
    if labels:
        return agreement(t[judge], (guess + mean).argmax(axis=1), True)
    return agreement(t[judge], guess[:, 0], False)
