"""Mistakes that learners have published, in the books' own names."""

import numpy as np

from ..right.activation import ReLU, Sigmoid
from ..right.affine import Affine
from ..right.arithmetic import Multiply
from ..right.normalization import BatchNorm
from .registry import mistake


@mistake("forward_bug", of=Sigmoid)
class SigmoidWithLog(Sigmoid):
    def forward(self, x):
        self.out = 1 / (1 + np.log(-x))
        return self.out


@mistake("inplace_dout", of=ReLU)
class Relu:
    def forward(self, x):
        self.mask = x <= 0
        out = x.copy()
        out[self.mask] = 0
        return out

    def backward(self, dout):
        dout[self.mask] = 0
        dx = dout
        return dx


@mistake("missing_batch_sum", "shape", of=Affine)
class AffineWithoutSum(Affine):
    def backward(self, dout):
        dx = np.dot(dout, self.W.T)
        self.dW = np.dot(self.x.T, dout)
        self.db = dout
        return dx


@mistake("inplace_dout", of=Multiply)
class MulLayer(Multiply):
    """In the fruit-stall graph this one prints 330 for 110."""

    def backward(self, dout):
        dy = dout * self.x
        dout *= self.y
        return dout, dy


class FruitStall:
    """(apple * apples + orange * oranges) * tax."""

    def forward(self, apple, apples, orange, oranges, tax):
        self.given = apple, apples, orange, oranges, tax
        self.sum = apple * apples + orange * oranges
        return self.sum * tax

    def backward(self, dprice):
        apple, apples, orange, oranges, tax = self.given
        dsum = dprice * tax
        return dsum * apples, dsum * apple, dsum * oranges, dsum * orange, dprice * self.sum


def _fruit(r):
    return (), tuple(np.array([v]) for v in (100.0, 2.0, 150.0, 3.0, 1.1))


@mistake("wrong_scale", "wrong_formula", of=FruitStall, sample=_fruit)
class FruitStall330(FruitStall):
    def backward(self, dprice):
        apple, apples, orange, oranges, tax = self.given
        dsum = dprice * tax
        dapples = dsum * oranges * apple
        return dsum * apples, dapples, dsum * oranges, dsum * orange, dprice * self.sum


@mistake("missing_term", "wrong_axis", of=BatchNorm)
class BatchNormMeanLost(BatchNorm):
    """One missing axis=0 in the mean's gradient."""

    def backward(self, dout):
        n = len(dout)
        self.dbeta = dout.sum(axis=0)
        self.dgamma = np.sum(self.xn * dout, axis=0)
        dxn = self.gamma * dout
        dstd = -np.sum(dxn * self.xc / self.std**2, axis=0)
        dxc = dxn / self.std + self.xc * dstd / self.std / n
        dmean = np.sum(dxc)
        return dxc - dmean / n


@mistake("wrong_formula", of=Sigmoid)
class SigmoidOfInput(Sigmoid):
    """The derivative's formula, but in x instead of in y."""

    def forward(self, x):
        self.x = x
        return super().forward(x)

    def backward(self, dout):
        return dout * self.x * (1 - self.x)


@mistake("upstream_ignored", of=Sigmoid)
class SigmoidLocal(Sigmoid):
    def backward(self, dout):
        return (1.0 - self.out) * self.out


@mistake("swapped_outputs", of=Multiply)
class MulNotFlipped(Multiply):
    def backward(self, dout):
        return dout * self.x, dout * self.y


@mistake("wrong_formula", "wrong_scale", of=ReLU)
class ReluWithoutMask(ReLU):
    def backward(self, dout):
        return dout * 1


@mistake("upstream_ignored", of=ReLU)
class ReluOfGradient(ReLU):
    """The mask is taken of dout instead of x."""

    def backward(self, dout):
        return np.where(dout > 0, dout, 0)
