"""Losses of classification on scores: SoftmaxCrossEntropy and SigmoidCrossEntropy."""

from __future__ import annotations

from math import inf, prod
from typing import Any, NamedTuple

import numpy as np

from handgrad.arrays import Array, ShapeError, array_module, as_float
from handgrad.layers.activation import sigmoid
from handgrad.layers.checks import is_integer, is_number
from handgrad.layers.loss.base import ElementwiseLoss, Loss, require_weight, sample_weights
from handgrad.tensor import Tensor


class ClassLoss(Loss):
    """Base: losses of labels, or probabilities, of C classes, u = w · Σ_c v · t.

    t is one-hot or probabilities, v = class_weights (C), w = weights of samples; a label that is
    ignore_index is not counted.
    Shapes: y (N, …, C); t labels (N, …) or probabilities (N, …, C); weights (N); loss ().
    Raises ShapeError where t or class_weights do not fit y; ValueError for labels that are not
    integers from 0 to C − 1, probabilities that are negative or do not sum to 1, class_weights
    that are not finite and ≥ 0, and as `Loss` says.
    """

    label_smoothing = 0.0

    def __init__(self, *, class_weights: Any = None, ignore_index: int | None = None):
        if ignore_index is not None and not is_integer(ignore_index):
            raise ValueError(
                f"{type(self).__name__}: ignore_index must be an integer, got {ignore_index!r}"
            )
        self.class_weights, self.ignore_index = class_weights, ignore_index
        class_factors(self)

    def mean_weight(
        self, t: Any, weights: Any = None, y_shape: tuple[int, ...] | None = None
    ) -> float:
        v = class_factors(self)
        if weights is None and v is None and self.ignore_index is None:
            return 1.0
        t = t if hasattr(t, "dtype") else np.asarray(t)
        labels = t.ndim < len(y_shape) if y_shape else t.dtype.kind in "iub"
        classes = len(v) if v is not None else int(t.max(initial=0)) + 1
        of = weigh_targets(self, (*t.shape, classes) if labels else t.shape, t, weights)
        return require_weight(self, of.total) / of.counted

    def share_out(self, y: Array, t: Any, weights: Array | None) -> tuple[Any, Array, Array]:
        """Where m lies among the rows of scores, m there, and Σ_c m as a column."""
        of = weigh_targets(self, y.shape, t, weights)
        n, smoothing = prod(y.shape[:-1]), self.label_smoothing
        D = self.divisor(of.total, of.counted)
        if of.alike and len(of.at[0]) == n > 0 and not smoothing:  # the usual case
            each = y.dtype.type(1 / D)
            return of.at, each, each
        if smoothing:
            top = 1.0 if of.v is None else of.v.max() or 1.0  # m stays in the range of y's dtype
            m = np.zeros_like(y, shape=(n, y.shape[-1]))
            m[of.at] = of.m / (D / top)
            m += smoothing * (m.mean(axis=1, keepdims=True) - m)
            m = m if of.v is None else m * (of.v / top).astype(y.dtype)
            return ..., m, m.sum(axis=1, keepdims=True)
        u = np.broadcast_to(of.m if of.v is None else of.m * of.v[of.at[1]], of.at[0].shape)
        sums = np.bincount(of.at[0], u, n)
        return of.at, (u / D).astype(y.dtype), (sums / D).astype(y.dtype)[:, None]


class SoftmaxCrossEntropy(ClassLoss):
    """The mean of −ln p at the right class, p = softmax(y), where y are scores.

    loss = −Σ m · ln p, where m shares 1 out over samples and classes:
    m = w · v · ((1 − ε) · t + ε / C) / D, D = Σ w · v · t, with t one-hot or probabilities, ε =
    label_smoothing, v = class_weights, w = weights of samples, and no share where the label is
    ignore_index; `Loss` says what a normalizer changes.
    Shapes: y (N, …, C); t labels (N, …) or probabilities (N, …, C); weights (N); loss ().
    Gradient: dy = dloss · (p · Σ_c m − m); with labels alone (p − t) / N.
    Raises as `ClassLoss` says; ValueError for label_smoothing outside [0, 1].
    Source: Saito, "Deep Learning from Scratch", section 5.6.3 and appendix A; Szegedy et al.,
    "Rethinking the Inception architecture", CVPR 2016, section 7 (label smoothing).
    """

    def __init__(
        self, *, class_weights: Any = None, label_smoothing: float = 0.0,
        ignore_index: int | None = None,
    ):  # fmt: skip
        if not is_number(label_smoothing) or not 0 <= label_smoothing <= 1:
            raise ValueError(
                f"SoftmaxCrossEntropy: label_smoothing must lie in [0, 1], got {label_smoothing!r}"
            )
        super().__init__(class_weights=class_weights, ignore_index=ignore_index)
        self.label_smoothing = label_smoothing

    def forward(self, y: Array, t: Array, weights: Array | None = None) -> Array:
        y = as_float(y)
        self.shape = y.shape
        self.at, self.m, self.total = self.share_out(y, t, weights)
        z = y.reshape(-1, y.shape[-1])
        z = z - z.max(axis=1, keepdims=True)
        e = np.exp(z)
        sums = e.sum(axis=1, keepdims=True)
        self.p = e / sums
        return (self.m * (np.log(sums) - z)[self.at]).sum()

    def backward(self, dloss: Any = 1.0) -> tuple[Array, None]:
        dloss = as_float(dloss).astype(self.p.dtype)
        dy = self.p * (dloss * self.total)
        if isinstance(dy, Tensor):
            m = np.zeros(dy.shape, dy.dtype)
            m[self.at] = self.m
            dy = dy - dloss * m
        else:
            dy[self.at] -= dloss * self.m
        return dy.reshape(self.shape), None


class Targets(NamedTuple):
    """What is right, and how much it counts."""

    at: tuple[Array, Array]  # rows of scores and classes where t is not 0
    m: Any  # w · t there, one number for all where they are alike
    v: Array | None  # weights of the classes (C)
    total: float  # Σ u
    counted: int  # elements that count: all but those with an ignored label
    alike: bool  # labels, and all u are 1


def weigh_targets(
    loss: ClassLoss, shape: tuple[int, ...], t: Any, weights: Array | None
) -> Targets:
    """The targets t of scores of the given shape, with the weights of samples and classes."""
    t = t if hasattr(t, "dtype") else np.asarray(t)
    at, m = targets(loss, shape, t)
    labels, v = t.ndim < len(shape), class_factors(loss, shape[-1])
    count = len(at[0]) if labels else prod(shape[:-1])
    if weights is None and v is None and labels:
        return Targets(at, m, v, count, count, True)
    if weights is not None:
        w = sample_weights(loss, weights, shape[:-1])
        m = m * np.broadcast_to(w, shape[:-1]).reshape(-1)[at[0]]
    total = (m if v is None else m * v[at[1]]).sum()
    return Targets(at, m, v, float(total), count, False)


def targets(loss: ClassLoss, shape: tuple[int, ...], t: Array) -> tuple[tuple[Array, Array], Any]:
    """Rows and classes at which t is not 0, and t there, in float64; 1 at every label.

    A row is one set of C scores; where its label is ignored, it does not occur.
    """
    n = shape[-1] if len(shape) > 1 else 0
    name, ignore_index = type(loss).__name__, loss.ignore_index
    if not n or t.shape not in (shape, shape[:-1]):
        column = n and t.shape == (*shape[:-1], 1)
        raise ShapeError(
            f"{name}: y (N, …, C) needs labels t (N, …) or probabilities (N, …, C), got "
            f"y {shape} and t {t.shape}" + ("; t[..., 0] would do" if column else "")
        )
    if t.ndim == len(shape):
        t = probabilities(name, as_float(t)).reshape(-1, n)
        rows, classes = t.nonzero()
        return (rows, classes), t[rows, classes].astype(np.float64)
    if t.dtype.kind not in "iub":
        raise ValueError(
            f"{name}: labels must be integers, got {t.dtype}; use t.astype(int), or "
            "probabilities shaped like y"
        )
    labels = t.reshape(-1)
    rows = array_module(t).arange(labels.size)
    if ignore_index is not None:
        rows = rows[labels != ignore_index]
        labels = labels[rows]
    classes = labels.astype(np.intp, copy=False)
    if labels.size and classes.view(np.uintp).max() >= n:  # seen unsigned, -1 is a huge number
        raise ValueError(
            f"{name}: labels must lie from 0 to {n - 1}, or equal ignore_index "
            f"({ignore_index}), got {labels.min()} to {labels.max()}"
        )
    return (rows, classes), 1.0


def probabilities(name: str, t: Array) -> Array:
    """t itself, once every row has been seen to be a distribution."""
    sums = t.sum(axis=-1)
    if t.size and not (t.min() >= 0 and np.abs(sums - 1).max() < 1e-3):
        raise ValueError(
            f"{name}: probabilities must be ≥ 0 and sum to 1 in each row, got values from "
            f"{t.min()} and sums from {sums.min()} to {sums.max()}"
        )
    return t


def class_factors(loss: ClassLoss, classes: int | None = None) -> Array | None:
    """class_weights in float64, checked; None where there are none."""
    if loss.class_weights is None:
        return None
    name = type(loss).__name__
    if isinstance(loss.class_weights, str | dict | int | float):
        raise ValueError(
            f"{name}: class_weights must be a list of one number for each class, in the order of "
            f"the classes, got {loss.class_weights!r}"
        )
    v = as_float(loss.class_weights, np.float64).astype(np.float64, copy=False)
    if v.ndim != 1 or classes not in (None, len(v)):
        raise ShapeError(
            f"{name}: class_weights must have shape ({'C' if classes is None else classes},), got "
            f"{v.shape}"
        )
    if not (v.min(initial=0) >= 0 and v.sum() < inf):
        raise ValueError(f"{name}: class_weights must be finite and ≥ 0, got {v}")
    return v


class SigmoidCrossEntropy(ElementwiseLoss):
    """The mean of −t · ln σ(y) − (1 − t) · ln(1 − σ(y)), where y are scores before the sigmoid.

    Each term is max(y, 0) − y · t + ln(1 + e^−|y|), which cannot overflow.
    Shapes: y and t (N, …) alike, weights (N), loss ().
    Gradient: dy = dloss · (σ(y) − t) / n.
    Raises as `ElementwiseLoss` says; ValueError where t lies outside [0, 1].
    Source: Bishop, "Pattern recognition and machine learning", 2006, section 4.3.2.
    """

    def term(self, y: Array, t: Array) -> Array:
        if y.size and not (t.min() >= 0 and t.max() <= 1):
            raise ValueError(
                f"SigmoidCrossEntropy: t must lie in [0, 1], got values from {t.min()} to {t.max()}"
            )
        self.y, self.t = y, t
        return np.maximum(y, 0) - y * t + np.log1p(np.exp(-np.abs(y)))

    def derivative(self) -> Array:
        return sigmoid(self.y) - self.t
