"""Writing into what was given, and sharing what should be apart."""

import numpy as np

from ..right.activation import Abs, Clip, LeakyReLU, Log, ReLU, Sigmoid, Tanh
from ..right.affine import Affine, AffineFlatten, Linear
from ..right.arithmetic import Add, Multiply, ScaleShift, Subtract
from ..right.convolution import Convolution
from ..right.dropout import Dropout
from ..right.loss import LogSoftmax, MeanSquaredError, Softmax, SoftmaxWithLoss
from ..right.normalization import BatchNorm, LayerNorm
from ..right.pooling import GlobalAveragePooling, MaxPooling
from ..right.recurrent import LSTMCell, RNNCell, TimeRNN
from ..right.reduction import Mean
from ..right.shape import Concat, Flatten, Pad, Slice
from .registry import mistake


@mistake("inplace_dout", of=Sigmoid)
class SigmoidTimesEquals(Sigmoid):
    def backward(self, dout):
        dout *= self.out
        dout *= 1 - self.out
        return dout


@mistake("inplace_dout", of=Tanh)
class TanhWritesThenCopies(Tanh):
    def backward(self, dy):
        dy *= 1 - self.y**2
        return dy.copy()


@mistake("inplace_dout", of=LeakyReLU)
class LeakyReluWrites(LeakyReLU):
    def backward(self, dout):
        dout[~self.mask] *= 0.1
        return dout


@mistake("inplace_dout", of=Clip)
class ClipWrites(Clip):
    def backward(self, dout):
        dout[~self.inside] = 0
        return dout


@mistake("inplace_dout", of=MaxPooling)
class MaxPoolingClearsUpstream(MaxPooling):
    """The result is right; the gradient it was given is emptied afterwards, "to save memory"."""

    def backward(self, dout):
        dx = super().backward(dout)
        dout[...] = 0
        return dx


@mistake("inplace_dout", of=Affine)
class AffineNormalizesUpstream(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        dout /= len(dout)
        return dx


@mistake("inplace_dout", of=Softmax)
class SoftmaxWrites(Softmax):
    def backward(self, dout):
        dout -= np.sum(dout * self.y, axis=-1, keepdims=True)
        return self.y * dout


@mistake("inplace_dout", of=Flatten)
class FlattenWritesThroughView(Flatten):
    """The reshaped gradient is a view, and the view is written to."""

    def backward(self, dout):
        dx = dout.reshape(self.shape)
        dx *= 2
        return dx / 2


@mistake("inplace_dout", of=LSTMCell)
class LSTMCellAddsIntoUpstream(LSTMCell):
    def backward(self, dh, dc):
        dx, dh_before, dc_before = super().backward(dh, dc)
        dc += dh * self.o * (1 - self.tanh_c**2)
        return dx, dh_before, dc_before


@mistake("inplace_dout", of=TimeRNN)
class TimeRNNAddsIntoUpstream(TimeRNN):
    def backward(self, dhs):
        kept = dhs.copy()
        dxs = super().backward(kept)
        for t in reversed(range(1, dhs.shape[1])):
            da = dhs[:, t] * (1 - self.hs[t + 1] ** 2)
            dhs[:, t - 1] += da @ self.Wh.T
        return dxs


@mistake("inplace_dout", of=Subtract)
class SubtractNegatesInPlace(Subtract):
    def backward(self, dout):
        dx = dout.copy()
        np.negative(dout, out=dout)
        return dx, dout


@mistake("inplace_dout", of=Concat)
class ConcatClears(Concat):
    def backward(self, dout):
        dx, dy = super().backward(dout)
        dout[:, : self.width] = 0
        return dx, dy


@mistake("inplace_dout", of=Dropout)
class DropoutWrites(Dropout):
    def backward(self, dout):
        dout *= self.mask
        return dout


@mistake("inplace_dout", of=LayerNorm)
class LayerNormWrites(LayerNorm):
    def backward(self, dout):
        dx = super().backward(dout)
        dout *= self.gamma
        return dx


@mistake("inplace_input", of=ReLU)
class ReluOverwritesInput(ReLU):
    def forward(self, x):
        self.mask = x > 0
        x[~self.mask] = 0
        return x


@mistake("inplace_input", of=Softmax)
class SoftmaxShiftsInput(Softmax):
    def forward(self, x):
        x -= x.max(axis=-1, keepdims=True)
        e = np.exp(x)
        self.y = e / e.sum(axis=-1, keepdims=True)
        return self.y


@mistake("inplace_input", of=LogSoftmax)
class LogSoftmaxInPlace(LogSoftmax):
    def forward(self, x):
        x -= x.max(axis=-1, keepdims=True)
        x -= np.log(np.exp(x).sum(axis=-1, keepdims=True))
        self.y = x
        return x


@mistake("inplace_input", of=BatchNorm)
class BatchNormCentresInput(BatchNorm):
    def forward(self, x):
        y = super().forward(x.copy())
        x -= x.mean(axis=0)
        return y


@mistake("inplace_input", of=MeanSquaredError)
class ErrorInTarget(MeanSquaredError):
    def forward(self, y, t):
        np.subtract(y, t, out=t)
        self.diff = t
        return np.mean(self.diff**2)


@mistake("inplace_input", of=SoftmaxWithLoss)
class LossReordersLabels(SoftmaxWithLoss):
    def forward(self, x, t):
        loss = super().forward(x, t.copy())
        t.sort()
        return loss


@mistake("inplace_input", of=Affine)
class AffineDecaysWeights(Affine):
    """Weight decay inside backward: a parameter changes."""

    def backward(self, dout):
        dx = super().backward(dout)
        self.W *= 0.99
        return dx


@mistake("inplace_input", of=Linear)
class LinearUpdatesItself(Linear):
    def backward(self, dy):
        dx = dy @ self.W
        self.dW = dy.T @ self.x
        self.W -= 0.1 * self.dW
        return dx


@mistake("inplace_input", of=Abs)
class AbsRounds(Abs):
    def forward(self, x):
        np.abs(x, out=x)
        self.x = np.ones_like(x)
        return x.copy()

    def backward(self, dout):
        return dout * self.x


@mistake("inplace_input", of=Dropout)
class DropoutInPlace(Dropout):
    def forward(self, x):
        x[:] = super().forward(x)
        return x


@mistake("inplace_input", of=Multiply)
class MultiplyInPlace(Multiply):
    def forward(self, x, y):
        self.x, self.y = x.copy(), y.copy()
        x *= y
        return x


@mistake("inplace_input", of=RNNCell)
class RNNCellWritesState(RNNCell):
    def forward(self, x, h):
        y = super().forward(x, h.copy())
        h[...] = y
        return y


@mistake("inplace_input", of=Log)
class LogClipsInput(Log):
    def forward(self, x):
        np.maximum(x, 0.9, out=x)
        self.x = x
        return np.log(x)


@mistake("aliasing", of=Sigmoid)
class SigmoidOneBuffer(Sigmoid):
    buffer = None

    def forward(self, x):
        y = super().forward(x)
        if self.buffer is None or self.buffer.shape != y.shape:
            self.buffer = np.empty_like(y)
        self.buffer[...] = y
        self.out = self.buffer
        return self.buffer


@mistake("aliasing", of=Affine)
class AffineOneGradientBuffer(Affine):
    dx = None

    def backward(self, dout):
        result = super().backward(dout)
        if self.dx is None or self.dx.shape != result.shape:
            self.dx = np.empty_like(result)
        self.dx[:] = result
        return self.dx


@mistake("aliasing", of=Slice)
class SliceSharedZeros(Slice):
    """One array of zeros per shape, for all instances."""

    zeros = {}

    def backward(self, dout):
        dx = self.zeros.setdefault((self.shape, dout.dtype), np.zeros(self.shape, dout.dtype))
        dx[:, 1:3] = dout
        return dx


@mistake("aliasing", of=Convolution)
class ConvolutionScratch(Convolution):
    scratch = {}

    def forward(self, x):
        y = super().forward(x)
        out = self.scratch.setdefault((y.shape, y.dtype), np.empty(y.shape, y.dtype))
        out[...] = y
        return out


@mistake("aliasing", of=GlobalAveragePooling)
class PoolingBuffer(GlobalAveragePooling):
    kept = None

    def forward(self, x):
        y = super().forward(x)
        if self.kept is None or self.kept.shape != y.shape:
            self.kept = y
        else:
            self.kept[...] = y
        return self.kept


@mistake("aliasing", of=Mean)
class MeanBuffer(Mean):
    kept = None

    def backward(self, dout):
        dx = super().backward(dout)
        if self.kept is None or self.kept.shape != dx.shape:
            self.kept = dx
        self.kept[...] = dx
        return self.kept


@mistake("aliasing", "swapped_outputs", "inplace_dout", of=Add)
class AddOneBufferForBoth(Add):
    """Both gradients live in one array kept by the layer."""

    both = None

    def backward(self, dout):
        if self.both is None or self.both.shape != dout.shape:
            self.both = np.empty_like(dout)
        self.both[...] = dout
        return self.both, self.both


@mistake("aliasing", of=ScaleShift)
class ScaleShiftOutputIsScratch(ScaleShift):
    out = np.empty((3, 4))

    def forward(self, x):
        y = super().forward(x)
        if y.shape == self.out.shape and y.dtype == self.out.dtype:
            self.out[...] = y
            return self.out
        return y


@mistake("stale_state", "aliasing", of=AffineFlatten)
class FlattenedInputShared(AffineFlatten):
    """The input is copied into one buffer that all instances share."""

    copies = {}

    def forward(self, x):
        y = super().forward(x)
        kept = self.copies.setdefault((self.x.shape, self.x.dtype), np.empty_like(self.x))
        kept[...] = self.x
        self.x = kept
        return y


@mistake("inplace_dout", of=Pad)
class PadClearsBorder(Pad):
    def backward(self, dout):
        dout[:, 0] = dout[:, -1] = 0
        return dout[:, 1:-1]
