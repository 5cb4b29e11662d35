"""Analytic against numerical gradients: which entries are wrong, beyond doubt."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from handgrad.arrays import Array
from handgrad.differences.numeric import Derivative, quick
from handgrad.differences.signed import signed
from handgrad.findings.report import Where, gradient_of
from handgrad.prove.measure.point import SINGLE, Part, Point

RELATIVE = 3e-4  # an error smaller than this is no mistake: a guard like log(y + 1e-7) does more
ABSOLUTE = 1e-7  # of the terms that are added up
NOISE = 1e-10  # of the largest entry of all gradients


@dataclass
class Mismatch:
    """A gradient that differs from the numerical one."""

    name: str  # the argument's
    shape: tuple[int, ...]  # the argument's
    analytic: Array  # what backward gave, whole
    part: Part | None  # columns of the Jacobian; None when the shape alone is wrong
    numeric: Array  # at part.index
    bad: Array  # mask over part.index

    @property
    def given(self) -> Array:
        """What backward gave at part.index."""
        assert self.part is not None
        return self.analytic.reshape(-1)[self.part.index]

    def where(self) -> Where | None:
        """The worst entry."""
        if self.part is None or not self.bad.any():
            return None
        off = np.where(self.bad, abs(self.given - self.numeric), -1.0)
        off[np.isnan(off)] = np.inf
        worst = int(np.argmax(off))
        index = np.unravel_index(int(self.part.index[worst]), self.shape)
        return Where(
            gradient_of(self.name),
            tuple(int(i) for i in index),
            float(self.given[worst]),
            float(self.numeric[worst]),
        )


def misfit(name: str, shape: tuple[int, ...], gradient: Array) -> Mismatch:
    """The mismatch of a gradient that has not the shape of its argument."""
    return Mismatch(name, shape, gradient, None, np.empty(0), np.empty(0))


@dataclass
class Tolerance:
    """What is right: a relative error, and an absolute one for each entry of a part."""

    loose: float
    floor: Array
    upstream: Array

    def sides(self, best: Derivative, k: int) -> tuple[float, float, float, float]:
        """The least and the largest subgradient, what may be beyond them, and the error in that."""
        low, high = best.range(self.upstream)
        error = 3 * float(np.sqrt(best.error**2 @ self.upstream**2))
        return low, high, self.loose * max(abs(low), abs(high)) + self.floor[k] + error, error


def _tolerance(point: Point, part: Part, upstream: Array, top: float) -> Tolerance:
    loose = point.start.rtol or (RELATIVE if point.noise < SINGLE else 3e-3)
    most = abs(upstream).max(initial=0)
    floor = ABSOLUTE * part.size(upstream) + 1e-3 * ABSOLUTE * most * _top(point.base)
    return Tolerance(loose, floor + NOISE * top + 1e-12 * most, upstream)


def compare(
    point: Point, part: Part, upstream: Array, analytic: Array, top: float = 0.0, looks: int = 24
) -> tuple[Mismatch, bool]:
    """The mismatch with the numerical gradient, and whether all entries could be judged.

    An entry within tolerance is right. One that is not, or whose difference quotient is in
    doubt, is differentiated with care; there any subgradient is right. `top` is the largest entry
    of all gradients; `looks`, how many entries get that care before the rest is believed.
    """
    numeric = part.expected(upstream).copy()
    given = analytic.reshape(-1)[part.index]
    doubt, tolerance = part.doubt(upstream), _tolerance(point, part, upstream, top)
    loose, floor = tolerance.loose, tolerance.floor
    off, allowed = abs(given - numeric), loose * abs(numeric) + floor
    suspect = ~(off <= allowed + 3 * doubt) | ~(10 * doubt <= allowed + floor)
    suspect &= ~(off + doubt <= allowed)
    order = np.argsort(-np.nan_to_num(off, nan=np.inf) * suspect)[: int(suspect.sum())]
    first = order[:looks]
    for k, best in zip(first, point.together(part, first)):  # enough to acquit
        low, high, slack, _ = tolerance.sides(best, k)
        if low - slack <= given[k] <= high + slack:
            suspect[k], numeric[k] = False, min(max(given[k], low), high)
    bad = np.zeros(len(part.index), dtype=bool)
    unknown = 0
    for count, k in enumerate(order):
        if count >= looks and bad[first].all():
            bad[k] = True  # all that were looked at are wrong: so are the rest
        if count >= looks and not bad.any():
            break  # kinks, all of them
        if bad[k] or not suspect[k]:
            continue
        entry = int(part.index[k])
        if entry not in part.trouble:
            part.trouble[entry] = point.careful(part.name, entry)
        low, high, slack, error = tolerance.sides(part.trouble[entry], k)
        if not np.isfinite(low + high + error):
            unknown += 1  # forward has no derivative here
            numeric[k] = given[k]
            continue
        outside = not low - slack <= given[k] <= high + slack
        if outside and (high - low > slack or point.has_ties):
            low, high = _around(point, part.name, entry, upstream, low, high)
            slack += loose * max(abs(low), abs(high))
            if point.is_network and high - low > slack:
                low = high = given[k]  # several kinks at once: see `Point.is_network`
        numeric[k] = min(max(given[k], low), high) if np.isfinite(given[k]) else low
        bad[k] = not low - slack <= given[k] <= high + slack
        if bad[k] and error > 0.1 * abs(given[k] - numeric[k]):
            bad[k], numeric[k] = False, given[k]  # the reference itself is too uncertain here
            unknown += 1
    judged = 2 * unknown <= len(part.index)
    shape = point.value(part.name).shape
    return Mismatch(part.name, shape, analytic, part, numeric, bad), judged


def _around(
    point: Point, name: str, entry: int, upstream: Array, low: float, high: float
) -> tuple[float, float]:
    """The range of a derivative that jumps, from many points close by.

    A subgradient is a mean of the gradients around: at a tie of more than two, one entry's two
    sides do not show them all.
    """
    rng = np.random.default_rng(5)
    real = [n for n in point.names if point.is_real(n)] + list(point.start.parameters)
    for _ in range(24):
        shift = {n: 1e-4 * rng.uniform(-1, 1, point.value(n).shape) for n in real}
        shift.setdefault(name, np.zeros(point.value(name).shape))
        line = point.beside(shift, name, entry)
        derivative = float(quick(line, 1e-8, point.noise)[0] @ upstream)
        low, high = min(low, derivative), max(high, derivative)
    return low, high


def probe(
    point: Point, upstream: Array, analytic: dict[str, Array], rng: np.random.Generator
) -> bool:
    """Whether gradients agree with one derivative along a random direction in all arguments."""
    moves = {n: signs(rng, point.value(n)) for n in analytic}
    return _agrees(point, upstream, analytic, moves)


def signs(rng: np.random.Generator, value: Array) -> Array:
    """A random direction: every entry at least half, of either sign."""
    return signed(rng, value.shape) * max(1.0, min(_top(value), 10.0))


def _agrees(
    point: Point, upstream: Array, analytic: dict[str, Array], moves: dict[str, Array]
) -> bool:
    terms = [analytic[n] * v for n, v in moves.items()]
    total, size = sum(t.sum() for t in terms), np.sqrt(sum((t**2).sum() for t in terms))
    line, step = functools.cache(point.along(moves)), point.step() / 10
    floor = 1e-10 * abs(upstream).max(initial=0) * _top(point.base)
    tight = 3e-7 if point.noise < SINGLE else 1e-4
    near = (line(step / 2) - line(-step / 2)) / step
    if abs(near @ upstream - total) <= tight * size + floor:
        return True
    value, error = quick(line, step, point.noise)
    off, doubt = abs(value @ upstream - total), np.sqrt(error**2 @ upstream**2)
    return bool(off <= tight * size + 10 * doubt + floor and doubt <= 1e-4 * size + floor)


def bisect(
    point: Point, name: str, upstream: Array, analytic: Array, rng: np.random.Generator
) -> int | None:
    """The flat index of a wrong entry, by halving: about log2(size) probes; None if all agree."""
    direction = signs(rng, point.value(name)).reshape(-1)

    def wrong(a: int, b: int) -> bool:
        move = np.zeros_like(direction)
        move[a:b] = direction[a:b]
        shaped = move.reshape(point.value(name).shape)
        return not _agrees(point, upstream, {name: analytic}, {name: shaped})

    return halved(direction.size, wrong) if wrong(0, direction.size) else None


def halved(size: int, wrong: Callable[[int, int], bool]) -> int:
    """An index that makes any range of indices with it wrong."""
    low, high = 0, size
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if wrong(low, middle) else (middle, high)
    return low


def _top(value: Array) -> float:
    return float(abs(value).max(initial=0))
