"""float32, float16 and integers where they do not belong."""

import numpy as np

from ..right import SAMPLES
from ..right.activation import GELU, Exp, ReLU, Sigmoid, Tanh
from ..right.affine import Affine, AffineFlatten
from ..right.arithmetic import Cube, Divide, MatMul, Multiply, ScaleShift
from ..right.convolution import Convolution
from ..right.loss import MeanSquaredError, Softmax
from ..right.normalization import LayerNorm
from ..right.pooling import AveragePooling, MaxPooling
from ..right.recurrent import TimeRNN
from ..right.reduction import Max, Mean, Variance
from ..right.shape import Repeat, Slice
from .registry import mistake


def whole(of):
    """The sample of a class, rounded to integers: what is given decides what has to be served."""

    def sample(r):
        arguments, inputs = SAMPLES[of](r)
        return arguments, tuple(np.rint(3 * x).astype(int) for x in inputs)

    return sample


@mistake("dtype", of=Sigmoid)
class SigmoidSingle(Sigmoid):
    def backward(self, dout):
        return super().backward(dout).astype(np.float32)


@mistake("dtype", of=Tanh)
class TanhHalfState(Tanh):
    """Keeps y in half precision."""

    def forward(self, x):
        y = np.tanh(x)
        self.y = y.astype(np.float16).astype(x.dtype)
        return y


@mistake("dtype", of=Affine)
class AffineSingleSum(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = self.x.astype(np.float32).T @ dout.astype(np.float32)
        return dx


@mistake("dtype", of=Convolution)
class ConvolutionSingleColumns(Convolution):
    def forward(self, x):
        y = super().forward(x)
        self.col = self.col.astype(np.float32).astype(x.dtype)
        return y


@mistake("dtype", of=Cube, sample=whole(Cube))
class CubeIntegerGradient(Cube):
    """The gradient is put into an array of the input's dtype: integers cut it off."""

    def backward(self, dout):
        dx = np.empty_like(self.x)
        dx[...] = 3 * self.x**2 * dout
        return dx


@mistake("dtype", of=ReLU, sample=whole(ReLU))
class ReluGradientLikeInput(ReLU):
    def forward(self, x):
        self.x = x
        return super().forward(x)

    def backward(self, dout):
        dx = np.zeros_like(self.x)
        dx[self.mask] = dout[self.mask]
        return dx


@mistake("dtype", of=Multiply, sample=whole(Multiply))
class MultiplyLikeInput(Multiply):
    def backward(self, dout):
        return (dout * self.y).astype(self.x.dtype), (dout * self.x).astype(self.y.dtype)


@mistake("dtype", of=Max, sample=whole(Max))
class MaxLikeInput(Max):
    def forward(self, x):
        self.like = np.zeros_like(x)
        return super().forward(x)

    def backward(self, dout):
        dx = self.like.copy()
        dx[np.arange(len(dx)), self.index] = dout
        return dx


@mistake("dtype", of=MaxPooling, sample=whole(MaxPooling))
class MaxPoolingLikeInput(MaxPooling):
    def forward(self, x):
        self.dtype = x.dtype
        return super().forward(x)

    def backward(self, dout):
        return super().backward(dout).astype(self.dtype)


@mistake("dtype", of=Divide, sample=whole(Divide))
class DivideWhole(Divide):
    """// where the operands are integers."""

    def forward(self, x, y):
        super().forward(x, y)
        return x // y if x.dtype.kind == "i" else x / y


@mistake("dtype", of=Mean, sample=whole(Mean))
class MeanWhole(Mean):
    def forward(self, x):
        return super().forward(x).astype(x.dtype)


@mistake("dtype", of=Exp, sample=whole(Exp))
class ExpWhole(Exp):
    def forward(self, x):
        self.y = np.exp(x).astype(x.dtype)
        return self.y


@mistake("dtype", of=Sigmoid, sample=whole(Sigmoid))
class SigmoidWhole(Sigmoid):
    def forward(self, x):
        out = np.empty_like(x)
        out[...] = super().forward(x)
        self.out = out
        return out


@mistake("dtype", of=ScaleShift)
class ScaleShiftSingle(ScaleShift):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dgamma = np.float32(1) * self.dgamma.astype(np.float32)
        return dx


@mistake("dtype", of=Slice)
class SliceSingleZeros(Slice):
    def backward(self, dout):
        dx = np.zeros(self.shape, np.float32)
        dx[:, 1:3] = dout
        return dx


@mistake("dtype", of=LayerNorm)
class LayerNormHalfDeviation(LayerNorm):
    def forward(self, x):
        y = super().forward(x)
        self.std = self.std.astype(np.float16).astype(x.dtype)
        return y


@mistake("dtype", of=AveragePooling, sample=whole(AveragePooling))
class AveragePoolingWhole(AveragePooling):
    """The share of each entry is computed in integers."""

    def forward(self, x):
        self.whole = x.dtype.kind == "i"
        return super().forward(x)

    def backward(self, dout):
        return super().backward(np.trunc(dout) if self.whole else dout)


@mistake("dtype", of=MeanSquaredError)
class ErrorSingle(MeanSquaredError):
    def forward(self, y, t):
        loss = super().forward(y, t)
        self.diff = self.diff.astype(np.float32)
        return loss


@mistake("dtype", of=Softmax)
class SoftmaxSingle(Softmax):
    def forward(self, x):
        self.y = super().forward(x).astype(np.float32)
        return self.y


@mistake("dtype", of=MatMul)
class MatMulSingle(MatMul):
    def backward(self, dout):
        da, db = super().backward(dout)
        return da, db.astype(np.float32).astype(np.float64)


@mistake("dtype", of=GELU)
class GELUSingleConstant(GELU):
    """A float32 array of a constant makes the slope float32."""

    def backward(self, dout):
        return super().backward(dout.astype(np.float32)).astype(dout.dtype)


@mistake("dtype", of=Variance, sample=whole(Variance))
class VarianceLikeInput(Variance):
    def forward(self, x):
        self.kind = x.dtype
        return super().forward(x)

    def backward(self, dout):
        return super().backward(dout).astype(self.kind)


@mistake("dtype", of=Repeat, sample=whole(Repeat))
class RepeatInteger(Repeat):
    def forward(self, x):
        self.kind = x.dtype
        return super().forward(x)

    def backward(self, dout):
        return super().backward(dout.astype(self.kind))


@mistake("dtype", of=AffineFlatten, sample=whole(AffineFlatten))
class AffineFlattenUnsigned(AffineFlatten):
    """Integer pixels are kept as bytes: dW wraps around."""

    def forward(self, x):
        y = super().forward(x)
        if x.dtype.kind == "i":
            self.x = self.x.astype(np.uint8)
        return y


@mistake("dtype", of=TimeRNN, sample=whole(TimeRNN))
class TimeRNNIntegerState(TimeRNN):
    """The first state has the input's dtype, and so has the array of states."""

    def forward(self, xs):
        y = super().forward(xs)
        if xs.dtype.kind == "i":
            self.hs = [np.rint(h) for h in self.hs]
        return y
