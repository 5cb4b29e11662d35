"""Right when shapes are equal, wrong when one of them is repeated."""

import numpy as np

from ..right.arithmetic import BroadcastMultiply, unbroadcast
from .registry import mistake


class Plus:
    """x + y of any shapes that broadcast."""

    def forward(self, x, y):
        self.shapes = np.shape(x), np.shape(y)
        return x + y

    def backward(self, dout):
        return tuple(unbroadcast(dout, shape) for shape in self.shapes)


class Minus(Plus):
    def forward(self, x, y):
        self.shapes = np.shape(x), np.shape(y)
        return x - y

    def backward(self, dout):
        dx, dy = super().backward(dout)
        return dx, -dy


class Over:
    """x / y of any shapes that broadcast."""

    def forward(self, x, y):
        self.x, self.y = x, y
        return x / y

    def backward(self, dout):
        dx = unbroadcast(dout / self.y, np.shape(self.x))
        dy = unbroadcast(-dout * self.x / self.y**2, np.shape(self.y))
        return dx, dy


def _equal(r):
    return (), (r.normal(size=(3, 4)), r.uniform(0.5, 2, size=(3, 4)))


def _column(r):
    return (), (r.normal(size=(3, 4)), r.uniform(0.5, 2, size=(3, 1)))


def _row(r):
    return (), (r.normal(size=(3, 4)), r.uniform(0.5, 2, size=4))


@mistake("broadcasting", "shape", "missing_batch_sum", of=Plus, sample=_row)
class PlusRowNotSummed(Plus):
    def backward(self, dout):
        return dout * 1, dout * 1


@mistake("broadcasting", "shape", of=Plus, sample=_column)
class PlusEqualShapesOnly(Plus):
    def backward(self, dout):
        return dout * 1, dout * 1


@mistake("broadcasting", "shape", of=BroadcastMultiply)
class MultiplyEqualShapesOnly(BroadcastMultiply):
    def backward(self, dout):
        return dout * self.y, dout * self.x


@mistake("broadcasting", "shape", of=BroadcastMultiply)
class MultiplyKeepsAxis(BroadcastMultiply):
    """Sums leading axes, forgets the axes of length one."""

    def backward(self, dout):
        dy = dout * self.x
        dy = dy.sum(axis=tuple(range(dy.ndim - np.ndim(self.y))))
        return unbroadcast(dout * self.y, np.shape(self.x)), dy


@mistake("broadcasting", "shape", "missing_batch_sum", of=Minus, sample=_row)
class MinusFirstRow(Minus):
    def backward(self, dout):
        dy = -dout if dout.shape == self.shapes[1] else -dout[0]
        return dout * 1, dy


@mistake("broadcasting", "wrong_scale", "missing_batch_sum", of=Over, sample=_row)
class OverMean(Over):
    def backward(self, dout):
        dx, dy = super().backward(dout)
        return dx, dy / (np.size(self.x) / np.size(self.y))


@mistake("broadcasting", "shape", of=Over, sample=_equal)
class OverFirstOnly(Over):
    """x is never summed: wrong when x is the smaller one."""

    def backward(self, dout):
        _, dy = super().backward(dout)
        return dout / self.y, dy


@mistake("broadcasting", "shape", of=Plus, sample=_equal)
class PlusColumnForgotten(Plus):
    """Handles a row (D,) but not a column (N, 1)."""

    def backward(self, dout):
        def back(shape):
            return dout.sum(axis=tuple(range(dout.ndim - len(shape))))

        return tuple(back(shape) for shape in self.shapes)


@mistake("broadcasting", "missing_batch_sum", "wrong_axis", "wrong_scale", of=Plus, sample=_row)
class PlusReshapedRow(Plus):
    """Cuts the gradient down to the shape instead of summing it."""

    def backward(self, dout):
        return tuple(np.ravel(dout)[: int(np.prod(s))].reshape(s) for s in self.shapes)
