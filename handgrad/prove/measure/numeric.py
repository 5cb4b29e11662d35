"""Numerical differentiation that knows its own error.

Everything is a derivative along a line t -> y(x + t v): v a unit vector for one entry, random
signs for a projection. Two central differences and Richardson's extrapolation give the value,
their disagreement the error; where that is large, smaller and larger steps are tried, and the
two sides are looked at apart, which tells a kink.

Source: Richardson, "The approximate arithmetical solution by finite differences", 1911;
Squire and Trapp, "Using complex variables to estimate derivatives", SIAM Review 1998.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.measure.target import Target, opened, require_influence, rounding, target_of

Line = Callable[[Any], Array]  # t -> the outputs, flat

_LADDER, _FAR = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6), 2  # the first two only where they help


@dataclass
class Derivative:
    """dy/dt at t = 0 with its error; `left` and `right` differ from it at a kink."""

    value: Array
    error: Array
    left: Array
    right: Array

    def range(self, weights: Array) -> tuple[float, float]:
        """Smallest and largest sum of weights times a subgradient."""
        a, b = weights @ self._sided(0), weights @ self._sided(1)
        each = np.sort([weights * self.left, weights * self.right], axis=0)
        return min(a, b, each[0].sum()), max(a, b, each[1].sum())

    def _sided(self, side: int) -> Array:
        return self.right if side else self.left


def quick(line: Line, step: float, noise: float = 1e-15) -> tuple[Array, Array]:
    """Central differences at two steps, extrapolated: value and error of the derivative."""
    points = line(step), line(-step), line(step / 2), line(-step / 2)
    return extrapolated(*points, step, noise)


def extrapolated(
    above: Array, below: Array, high: Array, low: Array, step: Any, noise: float
) -> tuple[Array, Array]:
    """Value and error of the derivative, from the outputs at ± step and at ± step / 2."""
    far, near = (above - below) / (2 * step), (high - low) / step
    value = (4 * near - far) / 3
    rounding = noise * np.maximum(abs(high), abs(low)) / step
    return value, abs(value - near) + rounding


def careful(line: Line, scale: float = 1.0, noise: float = 1e-15) -> Derivative:
    """The derivative from the best of many steps, with its two one-sided versions."""
    line = functools.cache(line)  # the same points serve both sides and the middle
    base = line(0.0)
    steps = [s * scale for s in _LADDER]
    tried = [quick(line, step, noise) for step in steps[_FAR:]]
    value, error = _best(tried)
    if error.max(initial=0) <= 1e-7 * abs(value).max(initial=0):
        steps = steps[_FAR:]
    else:
        tried = [quick(line, step, noise) for step in steps[:_FAR]] + tried
        value, error = _best(tried)
    # A jump looks smooth from far away: what is seen close by counts.
    for new, doubt in tried[-3:]:
        jump = abs(new - value) > 10 * (error + doubt) + 1e-4 * abs(value)
        value, error = np.where(jump, new, value), np.where(jump, doubt, error)
    sides = [_one_sided(line, base, step, noise) for step in steps]
    right, doubt_right = _best([(up, doubt) for up, _, doubt in sides])
    left, doubt_left = _best([(down, doubt) for _, down, doubt in sides])
    sided = np.maximum(doubt_left, doubt_right)
    rounding = 10 * noise * abs(base) / steps[-1]
    for derivatives in ([d for d, _ in tried], [u for u, _, _ in sides], [d for _, d, _ in sides]):
        # A jump, or a vertical tangent, just here: derivatives without end.
        endless = abs(derivatives[-1]) > 2.5 * abs(derivatives[-2]) + rounding + 1.0
        error = np.where(endless, np.inf, error)
    kink = abs(right - left) > 10 * (sided + error) + 1e-6 * (abs(right) + abs(left))
    return Derivative(value, error, np.where(kink, left, value), np.where(kink, right, value))


def _best(tried: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    """Of several estimates with errors, for each number the one with the least error."""
    value, error = tried[0]
    for new, doubt in tried[1:]:
        better = (doubt < error) | ~(error < np.inf)
        value, error = np.where(better, new, value), np.where(better, doubt, error)
    return value, error


def _one_sided(line: Line, base: Array, step: float, noise: float) -> tuple[Array, Array, Array]:
    """Derivatives from above and from below, of second order, and their error."""
    sides, doubts = [], []
    for sign in (1.0, -1.0):
        far = (line(sign * step) - base) / (sign * step)
        near = (line(sign * step / 2) - base) / (sign * step / 2)
        sides.append(2 * near - far)
        doubts.append(abs(near - far))
    return sides[0], sides[1], doubts[0] + doubts[1] + 4 * noise * abs(base) / step


def complex_step(line: Line, tiny: float = 1e-30) -> Array | None:
    """The derivative from one complex evaluation, exact to rounding; None if it does not apply."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            y = line(tiny * 1j)
        except Exception:  # code that is not for complex numbers, whatever it says
            return None
    return y.imag / tiny if np.iscomplexobj(y) else None


def numerical_gradient(
    f: Callable[[Any], Any], x: Any, *, with_error: bool = False
) -> Array | tuple[Array, Array]:
    """The gradient of a scalar function at x, by central differences.

    g[i] = (4 D(h/2) - D(h)) / 3 with D(h) = (f(x + h e_i) - f(x - h e_i)) / 2h, and the step h
    chosen anew for an entry where two of them disagree. Shapes: x, g (any); g is float64.

    f may use its argument, or read x itself: a float64 array, or a tensor, is changed in place
    in one entry and put back whatever happens. Of another float dtype, or of a read-only array, f
    gets a float64 copy where it uses its argument, and x itself, moved in its own precision, where
    it reads x. The steps fit the precision in which f computes. Integers and lists are converted to
    a float64 copy, with a warning. At a kink the mean of the two one-sided derivatives is returned.
    With `with_error` the result is (gradient, error), the error being an estimate per entry.

    Raises ValueError where f gives another number for no displacement of x, however large: it
    reads neither its argument nor x; where f reads an x that cannot be moved; where f does not
    return one number, or x is not real numbers.
    """
    target = target_of(f, x)
    point = target.point
    gradient, error = np.zeros(point.shape), np.zeros(point.shape)
    with opened(point):
        target.noise = rounding(target)
        for index in np.ndindex(point.shape):
            gradient[index], error[index] = _entry(target, index)
        if not gradient.any():
            require_influence(target)
    return (gradient, error) if with_error else gradient


def _entry(target: Target, index: tuple) -> tuple[float, float]:
    point, noise = target.point, target.noise
    start = float(point[index])

    def line(t: float) -> Array:
        kept = point[index]
        point[index] = start + t
        try:
            return target.value()
        finally:
            point[index] = kept

    scale = max(1.0, abs(start))
    step, enough = (1e-3, 1e-6) if noise < 1e-12 else (noise**0.2, 10 * noise**0.8)
    value, error = quick(line, step * scale, noise)
    if not error[0] <= enough * (1e-3 + abs(value[0])):
        best = careful(line, scale, noise)
        if noise < 1e-12 or not error[0] <= best.error[0]:  # a step of careful's may be too small
            value, error = best.value, best.error
    return value[0], error[0]
