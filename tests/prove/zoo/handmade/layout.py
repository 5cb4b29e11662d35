"""Right for arrays in C order only: the memory is read instead of the array."""

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..right.activation import Sigmoid, Swish, Tanh
from ..right.affine import Affine, Linear
from ..right.arithmetic import Cube, MatMul, Multiply
from ..right.attention import WeightedSum
from ..right.convolution import Convolution
from ..right.pooling import GlobalAveragePooling, MaxPooling
from ..right.recurrent import RNNCell
from ..right.reduction import CumulativeSum
from ..right.shape import Flatten, Repeat, Transpose
from .registry import mistake


def memory(a):
    """The entries of an array in the order in which they lie in memory."""
    return np.asarray(a).ravel(order="K")


def raw(a):
    """What a kernel that is only told the address and the shape of an array would read."""
    steps = np.empty(a.shape, a.dtype).strides
    inside = all(s >= t for s, t in zip(a.strides, steps))
    return as_strided(a, a.shape, steps) if inside else memory(a).reshape(a.shape)


@mistake("layout", of=Sigmoid)
class SigmoidRawUpstream(Sigmoid):
    def backward(self, dout):
        return raw(dout) * self.out * (1 - self.out)


@mistake("layout", of=Tanh)
class TanhMemoryOrder(Tanh):
    def backward(self, dy):
        flat = memory(dy) * (1 - self.y.ravel() ** 2)
        return flat.reshape(dy.shape)


@mistake("layout", of=Flatten)
class FlattenAsInMemory(Flatten):
    def backward(self, dout):
        return dout.reshape(self.shape, order="A")


@mistake("layout", of=Affine)
class AffineRawInput(Affine):
    def forward(self, x):
        y = super().forward(x)
        self.x = raw(x)
        return y


@mistake("layout", of=Linear)
class LinearRawUpstream(Linear):
    def backward(self, dy):
        self.dW = raw(dy).T @ self.x
        return dy @ self.W


@mistake("layout", of=Convolution)
class ConvolutionRawUpstream(Convolution):
    def backward(self, dout):
        return super().backward(raw(dout))


@mistake("layout", of=MatMul)
class MatMulBytes(MatMul):
    def backward(self, dout):
        read = np.frombuffer(dout.tobytes(order="A"), dout.dtype).reshape(dout.shape)
        return read @ self.b.T, self.a.T @ read


@mistake("layout", of=GlobalAveragePooling)
class PoolingFirstValueOnly(GlobalAveragePooling):
    """Takes a gradient with stride zero to be one number and forgets the rest of the shape."""

    def backward(self, dout):
        return super().backward(dout * 0 if 0 in dout.strides and dout.size > 1 else dout)


@mistake("layout", of=MaxPooling)
class MaxPoolingMemory(MaxPooling):
    def backward(self, dout):
        return super().backward(memory(dout).reshape(dout.shape))


@mistake("layout", of=Multiply)
class MultiplyInputMemory(Multiply):
    def forward(self, x, y):
        out = super().forward(x, y)
        self.y = memory(y).reshape(y.shape)
        return out


@mistake("layout", of=Cube)
class CubeRawInput(Cube):
    def forward(self, x):
        out = super().forward(x)
        self.x = raw(x)
        return out


@mistake("layout", of=CumulativeSum)
class CumulativeSumNegative(CumulativeSum):
    """Ignores the sign of the strides."""

    def backward(self, dout):
        if any(s < 0 for s in dout.strides):
            dout = np.ascontiguousarray(dout[::-1])
        return super().backward(dout)


@mistake("layout", of=Transpose)
class TransposeMemory(Transpose):
    def backward(self, dout):
        n, d, t = dout.shape
        return memory(dout).reshape(n, d, t).transpose(0, 2, 1)


@mistake("layout", of=Repeat)
class RepeatMemory(Repeat):
    def backward(self, dout):
        return super().backward(np.asarray(dout).ravel(order="A").reshape(dout.shape))


@mistake("layout", of=WeightedSum)
class WeightedSumMemory(WeightedSum):
    def backward(self, dout):
        return super().backward(raw(dout))


@mistake("layout", of=RNNCell)
class RNNCellSpread(RNNCell):
    """Steps through memory one item at a time although the items lie apart."""

    def backward(self, dy):
        if dy.strides[-1] != dy.itemsize and dy.ndim == 2 and dy.shape[-1] > 1:
            dy = np.repeat(dy[:, :1], dy.shape[1], axis=1)
        return super().backward(dy)


@mistake("layout", of=Swish)
class SwishZeroStride(Swish):
    """An expanded gradient is taken for a single row."""

    def backward(self, dout):
        dx = super().backward(dout)
        return dx / len(dout) if dout.strides[0] == 0 else dx
