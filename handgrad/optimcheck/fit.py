"""Which formula, with which settings, takes the steps that were measured."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from handgrad.arrays import Array
from handgrad.optimcheck.formulas import Variant, settings_of, simulate

EXACT = 1e-7  # largest error, as a share of an entry's steps, at which a formula is the rule's
SHARES = (0.0, 0.6, 0.9, 0.95, 0.99, 0.999)
SMALL = (1e-16, 1e-14, 1e-12, 1e-10, 1e-8, 1e-7, 1e-6, 1e-4, 1e-2, 0.1)


class Fit(NamedTuple):
    """A formula with its settings, its η, the largest error of its steps, and their mean one."""

    variant: Variant
    settings: dict[str, float]
    lr: float
    error: float
    size: float

    def __str__(self) -> str:
        settings = {"lr": self.lr, **self.settings}
        words = f" ({self.variant.words})" if self.variant.words else ""
        return f"{self.variant.rule}{words} with " + ", ".join(
            f"{name} = {value:.6g}" for name, value in settings.items()
        )


def predicted(found: Fit, gradients: Array) -> Array:
    """The steps of a formula with its settings, at η = 1."""
    columns = {name: np.array([[value]]) for name, value in found.settings.items()}
    return simulate(found.variant, columns, gradients)[:, 0]


def coarse(
    variant: Variant, gradients: Array, steps: Array, numbers: Iterable[float], free: bool = False
) -> Fit:
    """The settings in a grid and the η with which a formula comes closest.

    numbers: those that the rule holds, which enter the grid besides the usual ones. free: any η in
    each step, not the same in all.
    """
    points = _grid(variant, numbers)
    few = gradients[:6, ::2], steps[:6, ::2]
    size, *_ = _sizes(variant, points, *few, free)
    points = points[:, size <= 1.01 * size.min() + EXACT][:, :64]
    if size.min() < EXACT:
        few = gradients, steps
    return _fit(variant, _best(variant, points, *few, free), *few, free)


def fine(variant: Variant, gradients: Array, steps: Array, numbers: Iterable[float]) -> Fit:
    """The same by Newton's steps, as long as they help, from the best of more steps."""
    point = _best(variant, _grid(variant, numbers), gradients[:24], steps[:24])
    found = _fit(variant, point, gradients, steps)
    for _ in range(20 if found.settings else 0):
        point = _newton(variant, point, gradients, steps)
        better = _fit(variant, point, gradients, steps)
        if not better.size < 0.8 * found.size or found.error < EXACT * 1e-3:
            break
        found = better
    return found


def _grid(variant: Variant, numbers: Iterable[float]) -> Array:
    names = settings_of(variant)
    grid = np.meshgrid(*(_candidates(name, numbers) for name in names))
    return np.array([axis.ravel() for axis in grid]).reshape(len(names), -1 if names else 1)


def _fit(variant: Variant, point: Array, gradients: Array, steps: Array, free: bool = False) -> Fit:
    (size,), (lr,), rest = _sizes(variant, point, gradients, steps, free)
    settings = dict(zip(settings_of(variant), point[:, 0].tolist()))
    return Fit(variant, settings, float(lr), float(abs(rest).max()), float(size))


def _candidates(name: str, numbers: Iterable[float]) -> Array:
    if name in ("eps", "start"):
        return np.array(sorted({*SMALL, *(n for n in numbers if 0 < n < 2)}))
    both = {round(share, 12) for n in numbers if 1e-3 < n < 1 for share in (n, 1 - n)}
    return np.array(sorted({*SHARES, *both}))


def _simulate(variant: Variant, points: Array, gradients: Array) -> Array:
    columns = {name: p[:, None] for name, p in zip(settings_of(variant), points)}
    return simulate(variant, columns, gradients)


def _sizes(variant: Variant, points: Array, g: Array, steps: Array, free: bool = False) -> Any:
    """Root mean square (K) of what is left of the steps (T, E), the best η (K), the rest."""
    scale = np.sqrt(np.mean(steps**2, axis=0)) + 1e-300
    a, b = _simulate(variant, points, g) / scale, (steps / scale)[:, None]
    axes = 2 if free else (0, 2)
    with np.errstate(all="ignore"):
        rates = (a * b).sum(axes, keepdims=True) / (a * a).sum(axes, keepdims=True)
        rest = np.nan_to_num(rates * a - b, nan=np.inf, posinf=np.inf, neginf=np.inf)
        return np.sqrt((rest**2).mean(axis=(0, 2))), rates[0, :, 0], rest


def _best(variant: Variant, points: Array, g: Array, steps: Array, free: bool = False) -> Array:
    return points[:, [np.argmin(_sizes(variant, points, g, steps, free)[0])]]


def _newton(variant: Variant, point: Array, gradients: Array, steps: Array) -> Array:
    """The best of some Gauss-Newton steps in log(1 - share) and log(eps), η fitted along."""
    names = settings_of(variant)
    small = np.array([[n in ("eps", "start")] for n in names])
    x = np.log(np.where(small, point, 1 - point))
    near = x + 1e-6 * np.eye(len(names), 1 + len(names), 1)
    rest = _sizes(variant, _back(near, small), gradients, steps)[2]
    rest = np.moveaxis(rest, 1, 0).reshape(1 + len(names), -1)
    move, *_ = np.linalg.lstsq((rest[1:] - rest[0]).T / 1e-6, -rest[0], rcond=None)
    near = x + move[:, None] * np.array([0, 0.03, 0.1, 0.3, 1])
    return _best(variant, _back(near, small), gradients, steps)


def _back(x: Array, small: Array) -> Array:
    """Settings from their logarithms."""
    e = np.exp(np.minimum(x, np.where(small, 1.0, 0.0)))
    return np.where(small, e, 1 - e)
