"""Losses: factors, labels, upstream gradients."""

import numpy as np

from ..right.loss import (
    AbsoluteError,
    Hinge,
    Huber,
    LogSoftmax,
    MeanSquaredError,
    SigmoidWithLoss,
    Softmax,
    SoftmaxWithLoss,
    SoftmaxWithLossOneHot,
    SumSquaredError,
)
from .registry import mistake


@mistake("wrong_scale", of=SoftmaxWithLoss)
class LossNotAveraged(SoftmaxWithLoss):
    def backward(self, dout=1):
        return super().backward(dout) * len(self.t)


@mistake("wrong_scale", of=SoftmaxWithLoss)
class LossOverClasses(SoftmaxWithLoss):
    """Divided by the number of entries instead of the number of rows."""

    def backward(self, dout=1):
        return super().backward(dout) / self.y.shape[1]


@mistake("upstream_ignored", of=SoftmaxWithLoss)
class LossIgnoresUpstream(SoftmaxWithLoss):
    def backward(self, dout=1):
        return super().backward(1)


@mistake("upstream_ignored", of=SoftmaxWithLossOneHot)
class OneHotIgnoresUpstream(SoftmaxWithLossOneHot):
    def backward(self, dout=1):
        return (self.y - self.t) / len(self.t)


@mistake("upstream_ignored", of=MeanSquaredError)
class ErrorIgnoresUpstream(MeanSquaredError):
    def backward(self, dout=1):
        dy = 2 * self.diff / self.diff.size
        return dy, -dy


@mistake("wrong_scale", of=MeanSquaredError)
class ErrorSumInBackward(MeanSquaredError):
    """Mean in the loss, mean over rows alone in the backward: a factor of the outputs."""

    def backward(self, dout=1):
        dy = 2 * self.diff * dout / len(self.diff)
        return dy, -dy


@mistake("wrong_scale", of=MeanSquaredError)
class ErrorNoTwo(MeanSquaredError):
    def backward(self, dout=1):
        dy = self.diff * dout / self.diff.size
        return dy, -dy


@mistake("wrong_sign", "swapped_outputs", of=SumSquaredError)
class TargetMinusOutput(SumSquaredError):
    def backward(self, dout=1):
        return -dout * self.diff, dout * self.diff


@mistake("wrong_sign", of=SumSquaredError)
class TargetSameSign(SumSquaredError):
    def backward(self, dout=1):
        return dout * self.diff, dout * self.diff


@mistake("wrong_formula", of=SoftmaxWithLoss)
class LossWithoutLabels(SoftmaxWithLoss):
    def backward(self, dout=1):
        return self.y * dout / len(self.t)


@mistake("wrong_formula", of=SoftmaxWithLoss)
class LossLabelsShifted(SoftmaxWithLoss):
    def backward(self, dout=1):
        dx = self.y.copy()
        dx[np.arange(len(self.t)), self.t - 1] -= 1
        return dx * dout / len(self.t)


@mistake("wrong_formula", of=Softmax)
class SoftmaxDiagonal(Softmax):
    def backward(self, dout):
        return dout * self.y * (1 - self.y)


@mistake("wrong_axis", "wrong_formula", of=Softmax)
class SoftmaxSumsDown(Softmax):
    def backward(self, dout):
        return self.y * (dout - np.sum(dout * self.y, axis=0, keepdims=True))


@mistake("missing_term", "upstream_ignored", of=LogSoftmax)
class LogSoftmaxIdentity(LogSoftmax):
    def backward(self, dout):
        return dout - np.exp(self.y)


@mistake("wrong_formula", of=SigmoidWithLoss)
class SigmoidTwice(SigmoidWithLoss):
    """The sigmoid's derivative is multiplied in although it has cancelled already."""

    def backward(self, dout=1):
        dx, dt = super().backward(dout)
        return dx * self.y * (1 - self.y), dt


@mistake("wrong_formula", "boundary", of=Huber)
class HuberNeverLinear(Huber):
    def backward(self, dout=1):
        dy = dout * self.diff / self.diff.size
        return dy, -dy


@mistake("wrong_formula", of=AbsoluteError)
class AbsoluteErrorOfOutput(AbsoluteError):
    def forward(self, y, t):
        self.y = y
        return super().forward(y, t)

    def backward(self, dout=1):
        dy = dout * np.sign(self.y) / self.y.size
        return dy, -dy


@mistake("missing_term", of=Hinge)
class HingeForgetsLabel(Hinge):
    def backward(self, dout=1):
        return self.over * 1.0 * dout / len(self.rows)


@mistake("wrong_formula", "wrong_scale", of=Hinge)
class HingeOneForAll(Hinge):
    """The label's entry is -1 however many margins are broken."""

    def backward(self, dout=1):
        dx = self.over * 1.0
        dx[self.rows, self.t] = -1.0 * self.over.any(axis=1)
        return dx * dout / len(dx)


def _soft(r):
    return (), (r.normal(size=(3, 4)), r.uniform(0.1, 1, size=(3, 4)))


@mistake("wrong_formula", of=SoftmaxWithLossOneHot, sample=_soft)
class OneHotAssumesUnitSum(SoftmaxWithLossOneHot):
    """y - t holds only for targets that sum to one."""

    def backward(self, dout=1):
        n = len(self.t)
        return (self.y - self.t) * dout / n, -self.logp * dout / n
