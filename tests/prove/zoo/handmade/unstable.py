"""Right for ordinary numbers; NaN, Inf or garbage for large or constant ones."""

import numpy as np

from ..right.activation import ELU, Sigmoid, Softplus, Swish, Tanh
from ..right.attention import Attention
from ..right.loss import LogSoftmax, SigmoidWithLoss, Softmax, SoftmaxWithLoss
from ..right.normalization import BatchNormShort, LayerNorm, UnitLength
from ..right.recurrent import GRUCell
from ..right.reduction import LogSumExp, Norm, Variance
from .registry import mistake


def naive_softmax(x):
    with np.errstate(all="ignore"):
        e = np.exp(x)
        return e / e.sum(axis=-1, keepdims=True)


@mistake("numeric_instability", of=Sigmoid)
class SigmoidOverflows(Sigmoid):
    def forward(self, x):
        with np.errstate(all="ignore"):
            self.out = np.exp(x) / (1 + np.exp(x))
        return self.out


@mistake("numeric_instability", of=Tanh)
class TanhByExponentials(Tanh):
    def forward(self, x):
        with np.errstate(all="ignore"):
            self.y = (np.exp(x) - np.exp(-x)) / (np.exp(x) + np.exp(-x))
        return self.y


@mistake("numeric_instability", of=Softmax)
class SoftmaxNotShifted(Softmax):
    def forward(self, x):
        self.y = naive_softmax(x)
        return self.y


@mistake("numeric_instability", of=LogSoftmax)
class LogOfSoftmax(LogSoftmax):
    def forward(self, x):
        with np.errstate(all="ignore"):
            self.y = np.log(naive_softmax(x - x.max(axis=-1, keepdims=True)))
        return self.y


@mistake("numeric_instability", of=SoftmaxWithLoss)
class LossNotShifted(SoftmaxWithLoss):
    def forward(self, x, t):
        self.t = t
        self.y = naive_softmax(x)
        with np.errstate(all="ignore"):
            return -np.mean(np.log(self.y[np.arange(len(t)), t]))


@mistake("numeric_instability", of=SigmoidWithLoss)
class LogOfSigmoid(SigmoidWithLoss):
    def forward(self, x, t):
        super().forward(x, t)
        with np.errstate(all="ignore"):
            return -np.mean(t * np.log(self.y) + (1 - t) * np.log(1 - self.y))


@mistake("numeric_instability", of=Softplus)
class SoftplusOverflows(Softplus):
    def forward(self, x):
        self.x = x
        with np.errstate(all="ignore"):
            return np.log(1 + np.exp(x))


@mistake("numeric_instability", of=Softplus)
class SoftplusBackwardOverflows(Softplus):
    """Forward is safe, backward is exp(x) / (1 + exp(x))."""

    def backward(self, dout):
        with np.errstate(all="ignore"):
            return dout * np.exp(self.x) / (1 + np.exp(self.x))


@mistake("numeric_instability", of=Swish)
class SwishBackwardOverflows(Swish):
    def backward(self, dout):
        with np.errstate(all="ignore"):
            e = np.exp(-self.x)
            return dout * (1 + e + self.x * e) / (1 + e) ** 2


@mistake("numeric_instability", of=ELU)
class ELUBothSides(ELU):
    """exp is taken of positive numbers too, and multiplied by zero."""

    def backward(self, dout):
        with np.errstate(all="ignore"):
            positive = self.x > 0
            return dout * (positive + (1 - positive) * np.exp(self.x))


@mistake("numeric_instability", of=LogSumExp)
class LogSumExpNotShifted(LogSumExp):
    def forward(self, x):
        with np.errstate(all="ignore"):
            e = np.exp(x)
            self.p = e / e.sum(axis=1, keepdims=True)
            return np.log(e.sum(axis=1))


@mistake("numeric_instability", of=Variance)
class VarianceOfSquares(Variance):
    """E[x^2] - E[x]^2 loses everything when the mean is large."""

    def forward(self, x):
        super().forward(x)
        return np.mean(x**2, axis=1) - np.mean(x, axis=1) ** 2


@mistake("numeric_instability", of=LayerNorm)
class LayerNormOfSquares(LayerNorm):
    def forward(self, x):
        mean = x.mean(axis=-1, keepdims=True)
        with np.errstate(all="ignore"):
            self.std = np.sqrt(np.mean(x**2, axis=-1, keepdims=True) - mean**2 + 1e-5)
        self.xn = (x - mean) / self.std
        return self.gamma * self.xn + self.beta


@mistake("numeric_instability", "boundary", of=BatchNormShort)
class BatchNormWithoutEpsilon(BatchNormShort):
    """A column that is constant gives 0 / 0."""

    def forward(self, x):
        xc = x - x.mean(axis=0)
        with np.errstate(all="ignore"):
            self.std = np.sqrt(np.mean(xc**2, axis=0))
            self.xn = xc / self.std
        return self.gamma * self.xn + self.beta

    def backward(self, dout):
        with np.errstate(all="ignore"):
            return super().backward(dout)


@mistake("numeric_instability", of=Attention)
class AttentionNotShifted(Attention):
    def forward(self, q, k, v):
        self.q, self.k, self.v = q, k, v
        self.scale = 1 / np.sqrt(q.shape[-1])
        self.p = naive_softmax(q @ k.transpose(0, 2, 1) * self.scale)
        return self.p @ v


@mistake("numeric_instability", "boundary", of=UnitLength)
class UnitLengthOfZero(UnitLength):
    def forward(self, x):
        with np.errstate(all="ignore"):
            self.length = np.sqrt(np.sum(x**2, axis=1, keepdims=True))
            self.y = x / self.length
        return self.y

    def backward(self, dout):
        with np.errstate(all="ignore"):
            return super().backward(dout)


@mistake("numeric_instability", of=GRUCell)
class GRUCellNaiveGate(GRUCell):
    """The update gate by exp(a) / (1 + exp(a))."""

    def forward(self, x, h):
        y = super().forward(x, h)
        H = h.shape[1]
        with np.errstate(all="ignore"):
            e = np.exp(x @ self.Wx[:, :H] + self.b[:H] + h @ self.Wh[:, :H])
            self.z = e / (1 + e)
        return y if np.isfinite(self.z).all() else (1 - self.z) * h + self.z * self.n


@mistake("numeric_instability", of=Norm)
class NormBySquareOverflow(Norm):
    """Squares in single precision: overflow at 1e20."""

    def forward(self, x):
        self.x = x
        with np.errstate(all="ignore"):
            square = np.float32(1) * (x * x).astype(np.float32)
            self.norm = np.sqrt(np.sum(square, axis=1).astype(x.dtype) + 1e-12)
        return np.sqrt(np.sum(x**2, axis=1) + 1e-12)
