"""Target: the array that numerical differentiation moves, which is the one that f reads.

A function may use its argument, or read an array that it knows already, as a loss reads the
weights of a network. What it does is found by moving the one and not the other.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.differences.signed import signed
from handgrad.tensor import Tensor
from handgrad.warn import warn_user

_FAR = (1e-2, 1.0, 100.0)  # displacements, relative to 1 + |x|
_UNSEEN, _RAMP = 1e-13, 1e-6  # far below, and above, the relative spacing of float32
_WAY_OUT = "use the argument inside f, or give the array itself that f reads"


@dataclass
class Target:
    """What is moved, what f is given, and the relative rounding of what f returns."""

    f: Callable[[Any], Any]
    given: Any
    point: Array
    noise: float = 1e-15

    def value(self) -> Array:
        """f here, as an array of one number."""
        y = np.asarray(self.f(self.given), dtype=np.float64)
        if y.size != 1:
            raise ValueError(f"numerical_gradient: f has to return one number, got shape {y.shape}")
        return y.reshape(1)


def target_of(f: Callable[[Any], Any], x: Any) -> Target:
    """The array to move for f at x."""
    array = x.data if isinstance(x, Tensor) else np.asarray(x)
    if array.dtype.kind not in "iubf":
        raise ValueError(f"numerical_gradient: x has to be real numbers, got {array.dtype}")
    if isinstance(x, Tensor):
        return Target(f, x, array, _noise(array))
    if not isinstance(x, np.ndarray | np.floating) or array.dtype.kind != "f":
        warn_user(
            f"numerical_gradient works on a float64 copy of {type(x).__name__} "
            f"{array.dtype}: integers cannot be moved by a small step"
        )
    own = isinstance(x, np.ndarray)
    if own and array.dtype == np.float64 and array.flags.writeable and _is_apart(array):
        return Target(f, array, array)
    copy = Target(f, array.astype(np.float64), np.empty(0))
    copy.point = copy.given
    if not (own and array.size and _reads(copy, array)):
        return copy
    if array.dtype.kind != "f" or not _is_apart(array):
        what = "integers" if array.dtype.kind != "f" else "one number for several entries"
        raise ValueError(
            f"numerical_gradient: f reads x itself, which holds {what} and cannot be moved by a "
            f"small step; use the argument inside f, or make x a float array of its own"
        )
    return Target(f, array, array, _noise(array))


def _noise(array: Array) -> float:
    return 1e-15 if array.dtype.itemsize >= 8 else 2 * float(np.finfo(array.dtype).eps)


def rounding(target: Target) -> float:
    """The relative rounding of f at x, which may be coarser than that of what is moved.

    That of its result's dtype; that of float32 where f, as a float32 network in it would, does not
    see displacements far below float32's spacing and makes stairs of a ramp above it.
    """
    point, result = target.point, np.asarray(target.f(target.given))
    if not point.size or result.dtype.kind != "f":
        return target.noise
    if result.dtype.itemsize < 8:
        return max(target.noise, _noise(result))
    rng, before = np.random.default_rng(2), point.copy()
    move = signed(rng, point.shape)

    def value(t: float) -> float:
        point[...] = before + t * move * (1 + abs(before))
        return float(target.value()[0])

    try:
        here = value(0.0)
        if sum(value(t * _UNSEEN) != here for t in (-2, -1, 1, 2)) > 1:  # all four, or at a kink
            return target.noise
        ramp = np.linspace(-1, 1, 9)
        values = np.array([value(t * _RAMP) for t in ramp])
    finally:
        point[...] = before
    with np.errstate(all="ignore"):
        smooth = np.polyval(np.polyfit(ramp, values, 2), ramp) if np.isfinite(values).all() else 0
        stairs = abs(values - smooth).max() > 1e-10 * abs(values).max()
    return max(target.noise, 2 * float(np.finfo(np.float32).eps)) if stairs else target.noise


def _is_apart(array: Array) -> bool:
    """Whether each entry has memory of its own, so that one can be moved alone."""
    reach = array.itemsize
    for stride, n in sorted((abs(s), n) for s, n in zip(array.strides, array.shape) if n > 1):
        if stride < reach:
            return False
        reach += stride * (n - 1)
    return True


def _reads(target: Target, array: Array) -> bool:
    """Whether f reads the array itself, which is moved while what f is given stays."""
    with opened(array):
        return bool(array.flags.writeable) and _changes(target, array)


def require_influence(target: Target) -> None:
    """ValueError where f depends on nothing that was moved: zeros would not be a derivative."""
    if target.point.size and not _changes(target, target.point):
        raise ValueError(
            "numerical_gradient: f returns the same number wherever x is moved: it reads neither "
            f"its argument nor this array, but perhaps a copy of it; {_WAY_OUT}"
        )


def _changes(target: Target, array: Array) -> bool:
    """Whether f changes when all of the array is moved, by little or by much."""
    rng = np.random.default_rng(1)
    before, here = array.copy(), target.value()
    try:
        for far in _FAR:
            move = signed(rng, array.shape)
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if array.dtype.kind == "f":
                    array[...] = before + far * move * (1 + abs(before))
                elif array.dtype.kind == "b":
                    array[...] = before ^ (move > 0)
                else:
                    array[...] = before + np.ceil(3 * abs(move)).astype(array.dtype)
                try:
                    there = target.value()
                except Exception:  # outside of its domain, whatever it says
                    return True
            if not np.array_equal(here, there, equal_nan=True):
                return True
    finally:
        array[...] = before
    return False


@contextmanager
def opened(array: Array) -> Iterator[None]:
    """Inside, an array that is read-only only by its flag can be written to."""
    closed = not array.flags.writeable
    try:
        if closed:
            with warnings.catch_warnings(), suppress(ValueError):  # memory that may not be written
                warnings.simplefilter("ignore")
                array.flags.writeable = True
        yield
    finally:
        if closed:
            array.flags.writeable = False
