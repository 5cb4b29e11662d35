"""Something is left over: from an earlier call, from another instance, from old weights."""

import numpy as np

from ..right.activation import PReLU, ReLU, Sigmoid, Softplus, Tanh, sigmoid
from ..right.affine import Affine, Linear, TwoLayers
from ..right.arithmetic import Divide, MatMul, Multiply, ScaleShift
from ..right.convolution import Convolution, im2col
from ..right.dropout import Dropout
from ..right.embedding import Embedding
from ..right.loss import MeanSquaredError, Softmax, SoftmaxWithLoss
from ..right.normalization import BatchNorm, LayerNorm
from ..right.pooling import MaxPooling
from ..right.recurrent import LSTMCell, RNNCell, TimeRNN
from ..right.reduction import Max, Sum
from .registry import mistake


@mistake("stale_state", of=Sigmoid)
class SigmoidFirstOutput(Sigmoid):
    def forward(self, x):
        out = sigmoid(x)
        if not hasattr(self, "out"):
            self.out = out
        return out


@mistake("stale_state", of=Tanh)
class TanhCachedByShape(Tanh):
    """Forward is remembered by shape, as if equal shapes were equal inputs."""

    cache = {}

    def forward(self, x):
        if x.shape not in self.cache:
            self.cache[x.shape] = np.tanh(x)
        self.y = self.cache[x.shape]
        return np.tanh(x)


@mistake("stale_state", of=ReLU)
class ReluMaskOfClass(ReLU):
    def forward(self, x):
        ReluMaskOfClass.mask = x > 0
        return np.where(self.mask, x, 0)


@mistake("stale_state", of=Multiply)
class MultiplyRemembersFirst(Multiply):
    first = None

    def forward(self, x, y):
        self.first = self.first or (x.copy(), y.copy())
        self.x, self.y = self.first
        return x * y


@mistake("stale_state", of=MatMul)
class MatMulListOfClass(MatMul):
    """A list of the class: every instance keeps its operands in it."""

    kept = []

    def forward(self, a, b):
        self.kept.append((a, b))
        return a @ b

    def backward(self, dout):
        a, b = self.kept[0]
        return dout @ b.T, a.T @ dout


@mistake("stale_state", of=Affine)
class AffineOldTranspose(Affine):
    def __init__(self, W, b):
        super().__init__(W, b)
        self.WT = W.T.copy()

    def backward(self, dout):
        super().backward(dout)
        return dout @ self.WT


@mistake("accumulates", of=Affine)
class AffineAddsUp(Affine):
    def __init__(self, W, b):
        super().__init__(W, b)
        self.dW, self.db = np.zeros_like(W), np.zeros_like(b)

    def backward(self, dout):
        self.dW += self.x.T @ dout
        self.db += dout.sum(axis=0)
        return dout @ self.W.T


@mistake("accumulates", of=ScaleShift)
class ScaleShiftAddsGamma(ScaleShift):
    def __init__(self, gamma, beta):
        super().__init__(gamma, beta)
        self.dgamma = np.zeros_like(gamma)

    def backward(self, dout):
        self.dgamma = self.dgamma + (dout * self.x).sum(axis=0)
        self.dbeta = dout.sum(axis=0)
        return dout * self.gamma


@mistake("accumulates", of=Embedding)
class EmbeddingNeverCleared(Embedding):
    def __init__(self, W):
        super().__init__(W)
        self.dW = np.zeros_like(W)

    def backward(self, dout):
        np.add.at(self.dW, self.index, dout)


@mistake("accumulates", of=Linear)
class LinearMovingAverage(Linear):
    def backward(self, dy):
        new = dy.T @ self.x
        self.dW = new if self.dW is None else 0.9 * self.dW + 0.1 * new
        return dy @ self.W


@mistake("accumulates", of=Max)
class MaxAddsInput(Max):
    """The gradient of the input is added to the last one of equal shape."""

    last = None

    def backward(self, dout):
        dx = super().backward(dout)
        if self.last is not None and self.last.shape == dx.shape:
            dx = dx + self.last
        self.last = dx
        return dx


@mistake("missing_param_grad", of=Affine)
class AffineForgetsBias(Affine):
    def __init__(self, W, b):
        super().__init__(W, b)
        self.db = np.zeros_like(b)

    def backward(self, dout):
        self.dW = self.x.T @ dout
        return dout @ self.W.T


@mistake("missing_param_grad", of=Affine)
class AffineLocalNames(Affine):
    def backward(self, dout):
        dW = self.x.T @ dout
        db = dout.sum(axis=0)
        assert dW.shape == self.W.shape
        assert db.shape == self.b.shape
        return dout @ self.W.T


@mistake("missing_param_grad", of=TwoLayers)
class TwoLayersOnlySecond(TwoLayers):
    def backward(self, dout):
        dh = dout @ self.W2.T * (self.h > 0)
        self.dW2 = self.h.T @ dout
        self.db2 = dout.sum(axis=0)
        self.dW1 = np.zeros_like(self.W1)
        self.db1 = dh.sum(axis=0)
        return dh @ self.W1.T


@mistake("missing_param_grad", of=PReLU)
class PReLUOnce(PReLU):
    def backward(self, dout):
        if self.da is None:
            self.da = np.sum(dout * np.minimum(self.x, 0), axis=0)
        return dout * np.where(self.x > 0, 1, self.a)


@mistake("stale_state", of=SoftmaxWithLoss)
class LossRemembersLabels(SoftmaxWithLoss):
    def forward(self, x, t):
        old = getattr(self, "t", t)
        loss = super().forward(x, t)
        self.t = old
        return loss


@mistake("stale_state", of=Softmax)
class SoftmaxOneLate(Softmax):
    def forward(self, x):
        last = getattr(self, "y", None)
        y = super().forward(x)
        if last is not None:
            self.y = last
            self.later = y
        return y


@mistake("stale_state", of=MeanSquaredError)
class ErrorCountsCalls(MeanSquaredError):
    """Divides by the number of samples seen so far."""

    seen = 0

    def forward(self, y, t):
        self.seen += y.size
        return super().forward(y, t)

    def backward(self, dout=1):
        dy = 2 * self.diff * dout / self.seen
        return dy, -dy


@mistake("stale_state", of=BatchNorm)
class BatchNormRunning(BatchNorm):
    """Backward divides by the running deviation once there has been a call."""

    calls = 0

    def forward(self, x):
        self.calls += 1
        y = super().forward(x)
        if self.calls > 1:
            self.std = np.sqrt(self.running_var + 1e-5)
        return y


@mistake("stale_state", of=LayerNorm)
class LayerNormFirstDeviation(LayerNorm):
    def forward(self, x):
        kept = getattr(self, "std", None)
        y = super().forward(x)
        if kept is not None and kept.shape == self.std.shape:
            self.std = kept
        return y


@mistake("stale_state", of=Convolution)
class ConvolutionOldColumns(Convolution):
    def forward(self, x):
        y = super().forward(x)
        if not hasattr(self, "first"):
            self.first = im2col(x, *self.W.shape[2:], self.stride, self.pad)
        if self.first.shape == self.col.shape:
            self.col = self.first
        return y


@mistake("stale_state", of=MaxPooling)
class MaxPoolingOldIndex(MaxPooling):
    def forward(self, x):
        old = getattr(self, "index", None)
        y = super().forward(x)
        if old is not None and old.shape == self.index.shape:
            self.index = old
        return y


@mistake("stale_state", of=RNNCell)
class RNNCellKeepsState(RNNCell):
    """Uses the state of its last call instead of the one it is given."""

    last = None

    def forward(self, x, h):
        self.x, self.h = x, h
        used = h if self.last is None or self.last.shape != h.shape else self.last
        self.y = np.tanh(x @ self.Wx + h @ self.Wh + self.b)
        self.last, self.h = self.y, used
        return self.y


@mistake("accumulates", of=TimeRNN)
class TimeRNNOldSums(TimeRNN):
    """The sums over time begin with the ones of the last sequence."""

    def backward(self, dhs):
        old = self.dWx
        dxs = super().backward(dhs)
        if old is not None:
            self.dWx = self.dWx + old
        return dxs


@mistake("stale_state", of=LSTMCell)
class LSTMCellOldWeights(LSTMCell):
    """The gradient of h goes through the weights that the cell was made with."""

    def __init__(self, Wx, Wh, b):
        super().__init__(Wx, Wh, b)
        self.made_with = Wh.copy()

    def backward(self, dh, dc):
        now, self.Wh = self.Wh, self.made_with
        gradients = super().backward(dh, dc)
        self.Wh = now
        return gradients


@mistake("stale_state", of=Softplus)
class SoftplusSecondBackward(Softplus):
    """Backward overwrites what the next backward needs."""

    def backward(self, dout):
        self.x = sigmoid(self.x)
        return dout * self.x


@mistake("stale_state", "wrong_scale", of=Divide)
class DivideForgetsAfterBackward(Divide):
    def backward(self, dout):
        dx = dout / self.y
        dy = -dx * self.x / self.y
        self.x = self.x * 0
        return dx, dy


@mistake("stale_state", "boundary", of=Sum)
class SumFirstShape(Sum):
    """The shape of the first call is repeated for ever, with zeros where it does not fit."""

    def forward(self, x):
        self.shape = getattr(self, "shape", x.shape)
        self.now = x.shape
        return x.sum(axis=1)

    def backward(self, dout):
        dx = np.zeros(self.now, dout.dtype)
        n = min(self.shape[0], self.now[0])
        dx[:n] = dout[:n, None]
        return dx


@mistake("nondeterministic", of=Dropout)
class DropoutDrawsAgain(Dropout):
    def forward(self, x):
        self.rng = np.random.default_rng(self.seed)
        self.mask = (self.rng.random(x.shape) > self.ratio) / (1 - self.ratio)
        return x * self.mask

    def backward(self, dout):
        return dout * (self.rng.random(dout.shape) > self.ratio) / (1 - self.ratio)


@mistake("nondeterministic", of=Dropout)
class DropoutGlobalAgain(Dropout):
    def backward(self, dout):
        keep = np.random.rand(*dout.shape) > self.ratio
        return dout * keep / (1 - self.ratio)


@mistake("nondeterministic", of=Tanh)
class TanhNoisyGradient(Tanh):
    def backward(self, dy):
        return dy * (1 - self.y**2) + 1e-3 * np.random.randn(*dy.shape)


@mistake("nondeterministic", of=Affine)
class AffineRandomRow(Affine):
    """db from one row drawn at random, times N: right on average."""

    def backward(self, dout):
        dx = super().backward(dout)
        self.db = dout[np.random.randint(len(dout))] * len(dout)
        return dx


@mistake("nondeterministic", of=MatMul)
class MatMulSometimesNegative(MatMul):
    def backward(self, dout):
        sign = np.random.choice([1.0, 1.0, 1.0, -1.0])
        return sign * (dout @ self.b.T), self.a.T @ dout
