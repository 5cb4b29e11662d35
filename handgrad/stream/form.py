"""Form: what one sample and its target are, and data brought into that form."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError
from handgrad.layer import shallow_clone, walk
from handgrad.layers import (
    BinaryCrossEntropy,
    Embedding,
    EmbeddingDot,
    Hinge,
    OneHot,
    SigmoidCrossEntropy,
    counted,
)
from handgrad.layers.loss.cross_entropy import ClassLoss
from handgrad.network import Network
from handgrad.train.data import check_inputs
from handgrad.train.registry import is_own
from handgrad.train.schema import brief

SINGLE = np.dtype(np.float32)


class Inputs:
    """Samples of one shape, real numbers of the network's dtype, or integers (ids of words)."""

    def __init__(self, shape: tuple[int, ...], integer: bool, dtype: Any):
        self.shape, self.integer, self.dtype = shape, integer, np.dtype(dtype)

    @classmethod
    def of(cls, x: Any, network: Network, shape: tuple[int, ...] | None) -> Inputs:
        """Those that the first x means: a vector is a sample, a matrix is a batch of them.

        Integers are real numbers unless a layer may look them up.
        """
        x = numbers(x, "x")
        if shape is None and x.ndim not in (1, 2):
            raise ShapeError(
                "shape: that of one sample must be said where it is no vector, such as "
                f"shape=(1, 28, 28); got x {x.shape}"
            )
        shape = x.shape[-1:] if shape is None else tuple(shape)
        types = {type(layer) for _, layer in walk(network)}
        ids = any(t in (Embedding, EmbeddingDot, OneHot) or not is_own(t) for t in types)
        return cls(shape, ids and x.dtype.kind in "iu", network.dtype)

    def samples(self, x: Any, name: str) -> tuple[Array, bool]:
        """x as a batch (N, …), checked, and whether it was a single sample."""
        if (  # as it usually comes
            x.__class__ is Array
            and x.dtype == self.dtype
            and x.shape[1:] == self.shape
            and not self.integer
            and len(x)
            and np.isfinite(x).all()
        ):
            return x, False
        x = numbers(x, name)
        single = x.shape == self.shape
        if not single and x.shape[1:] != self.shape:
            batch = f"({', '.join(map(str, ('N', *self.shape)))})"
            raise ShapeError(
                f"{name}: a sample of shape {self.shape}, or a batch {batch} of "
                f"them, is needed, got shape {x.shape}; grow(inputs=…) makes room for more columns"
            )
        x = check_inputs(x[None] if single else x, name)
        if self.integer:
            if x.dtype.kind not in "iu":
                raise ValueError(f"{name}: the samples so far were integers, got {x.dtype}")
            return x, single
        return fitting(x, name, self.dtype), single


class Targets:
    """Labels of so many classes, or real numbers of one shape."""

    def __init__(self, loss: Any, t: Array, y: Array):
        self.loss, self.shape, self.dtype = loss, t.shape[1:], y.dtype
        self.real = t.dtype.kind == "f"
        labels = isinstance(loss, ClassLoss) and not self.real and t.ndim < y.ndim
        self.classes = y.shape[-1] if labels else None
        self.limited = type(loss) in (SigmoidCrossEntropy, BinaryCrossEntropy, Hinge)

    def take(self, t: Any, count: int, single: bool) -> Array:
        """t as (N, …), checked; a single sample's has no batch axis."""
        if t.__class__ is Array and t.shape == (count, *self.shape) and self._usual(t):
            return t
        t = numbers(t, "t")
        if single and t.shape != (1, *self.shape):
            t = t[None]
        each = count, *self.shape
        if t.shape != each and t.size == count and prod(self.shape) == 1:
            t = t.reshape(each)
        if t.shape != each:
            raise ShapeError(f"t: shape {each} is needed, got {t.shape}")
        t = check_inputs(t, "t")
        if self.real:
            real = fitting(t, "t", self.dtype)
            if self.limited:  # the loss says itself which targets it does not take
                shallow_clone(self.loss).forward(np.full(real.shape, 0.5, real.dtype), real)
            return real
        if t.dtype.kind == "f":
            raise ValueError(f"t: the targets so far were integers, got {t.dtype}")
        if self.classes is not None:
            self._check_labels(t)
        labels: Array = t.astype(np.int64, copy=False)
        return labels

    def _usual(self, t: Array) -> bool:
        """Whether these targets of the right shape can be taken as they are."""
        if self.real:
            return not self.limited and t.dtype == self.dtype and bool(np.isfinite(t).all())
        if self.classes is None or t.dtype != np.int64 or not t.size:
            return False
        return bool(t.view(np.uint64).max() < self.classes)  # where -1 is a huge number

    def _check_labels(self, t: Array) -> None:
        _, seen = counted(self.loss, t[..., None], t)
        if seen.size and not (seen.min() >= 0 and seen.max() < self.classes):
            low, high = seen.min(), seen.max()
            raise ValueError(
                f"t: labels from 0 to {(self.classes or 0) - 1} are needed, got "
                f"{low if low == high else f'{low} to {high}'}; grow(classes=…) makes room for more"
            )


def numbers(x: Any, name: str) -> Array:
    """x as an array; ValueError for text and other things that are no numbers."""
    try:
        array = np.asarray(x)
    except ValueError:
        raise ShapeError(f"{name} must be rectangular, but its rows differ in length") from None
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name}: numbers are needed, got {brief(x)}")
    return array


def fitting(x: Array, name: str, dtype: np.dtype[Any]) -> Array:
    """Real numbers in this dtype; ValueError where they are too large for it."""
    with np.errstate(over="ignore"):
        fits = x.astype(dtype, copy=False)
    if not np.isfinite(fits).all():
        raise ValueError(f"{name} holds {np.abs(x).max():.3g}, too large for {dtype}; scale it")
    return fits


def check_weights(weight: Any, count: int, signed: bool) -> Array:
    """One finite weight for each sample, ≥ 0 unless the loss takes any."""
    weights = np.atleast_1d(numbers(weight, "weight")).astype(np.float64)
    if weights.shape != (count,) or not np.isfinite(weights).all() or (
        not signed and (weights < 0).any()
    ):  # fmt: skip
        rule = "" if signed else " ≥ 0"
        raise ValueError(
            f"weight: {count} finite number{'s' * (count > 1)}{rule}, one per sample, needed, got "
            f"{brief(weight)}"
        )
    return weights
