"""Right in most places: wrong for some values, some sizes, some entries."""

import numpy as np

from ..right.activation import ELU, GELU, LeakyReLU, Sigmoid, Swish, Tanh
from ..right.affine import Affine, Linear
from ..right.arithmetic import Cube, Divide, MatMul, Multiply, ScaleShift
from ..right.loss import Softmax
from ..right.normalization import LayerNorm
from ..right.reduction import Mean, Variance
from .registry import mistake


@mistake("wrong_formula", "boundary", of=Tanh)
class TanhSaturates(Tanh):
    """The gradient is cut off beyond 2.5, where it is still 2.6 %."""

    def forward(self, x):
        self.far = np.abs(x) > 2.5
        return super().forward(x)

    def backward(self, dy):
        return np.where(self.far, 0, super().backward(dy))


@mistake(
    "wrong_formula",
    "boundary",
    "wrong_sign",
    of=ELU,
    sample=lambda r: ((), (r.uniform(0.1, 2, size=(3, 4)),)),
)
class ELUNegativeSide(ELU):
    """Wrong for negative numbers, of which the sample has none."""

    def backward(self, dout):
        return dout * np.where(self.x > 0, 1, -self.negative - 1)


@mistake(
    "wrong_formula",
    "boundary",
    "wrong_scale",
    of=LeakyReLU,
    sample=lambda r: ((), (r.uniform(0.1, 2, size=(3, 4)),)),
)
class LeakyReluSlope(LeakyReLU):
    def backward(self, dout):
        return np.where(self.mask, dout, 0.01 * dout)


@mistake(
    "wrong_formula",
    "wrong_sign",
    "boundary",
    of=Cube,
    sample=lambda r: ((), (r.uniform(0.5, 2, size=(3, 4)),)),
)
class CubeOfMagnitude(Cube):
    """3 x |x|: right for positive numbers."""

    def backward(self, dout):
        return 3 * self.x * np.abs(self.x) * dout


@mistake("wrong_formula", "wrong_sign", "boundary", of=Divide)
class DivideByMagnitude(Divide):
    """Wrong for negative denominators, of which the sample has none."""

    def backward(self, dout):
        dx = dout / np.abs(self.y)
        return dx, -dout * self.x / self.y**2


@mistake("boundary", "wrong_formula", of=Sigmoid)
class SigmoidEverySeventh(Sigmoid):
    def backward(self, dout):
        dx = super().backward(dout)
        dx.flat[6::7] *= 1.2
        return dx


@mistake("wrong_formula", "boundary", of=Affine)
class AffineOneWeight(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dW[1, 0] *= 1.01
        return dx


@mistake("boundary", "wrong_formula", "missing_batch_sum", of=Affine)
class AffineBlocksOfTwo(Affine):
    """Works through the batch in blocks of two; the rest of an odd batch is lost."""

    def backward(self, dout):
        dx = super().backward(dout)
        n = len(dout) // 2 * 2
        self.dW = self.x[:n].T @ dout[:n]
        return dx


@mistake(
    "boundary",
    "wrong_formula",
    of=MatMul,
    sample=lambda r: ((), (r.normal(size=(2, 4)), r.normal(size=(4, 2)))),
)
class MatMulTiles(MatMul):
    """Tiles of two columns; an odd column is left at zero. The sample is even."""

    def backward(self, dout):
        da, db = super().backward(dout)
        n = db.shape[1] // 2 * 2
        db[:, n:] = 0
        return da, db


@mistake("boundary", "wrong_formula", "wrong_scale", of=Softmax)
class SoftmaxOddClasses(Softmax):
    """Wrong for an odd number of rows only."""

    def backward(self, dout):
        dx = super().backward(dout)
        return dx * 1.1 if len(dx) % 2 else dx


@mistake("broadcasting", "boundary", "wrong_scale", of=ScaleShift)
class ScaleShiftBatchOfOne(ScaleShift):
    """A batch of one is divided by zero samples, then repaired with a factor."""

    def backward(self, dout):
        dx = super().backward(dout)
        return dx * 2 if len(dout) == 1 else dx


@mistake("broadcasting", "boundary", "missing_batch_sum", "shape", of=Linear)
class LinearSqueezes(Linear):
    """np.squeeze takes the axis of a batch of one away."""

    def backward(self, dy):
        self.dW = dy.T @ self.x
        return np.squeeze(dy @ self.W)


@mistake("broadcasting", "boundary", "wrong_formula", of=Multiply)
class MultiplyBatchOfOne(Multiply):
    def backward(self, dout):
        dx, dy = super().backward(dout)
        return (dx, dy) if len(dout) > 1 else (dx, dy * 0)


@mistake("wrong_scale", of=Swish)
class SwishTenthOfPercent(Swish):
    def backward(self, dout):
        return 0.999 * super().backward(dout)


@mistake("wrong_formula", "wrong_scale", of=GELU)
class GELURoundedConstant(GELU):
    """0.797 for 0.7978845608 in backward."""

    def backward(self, dout):
        x, t = self.x, self.t
        slope = 0.797 * (1 + 3 * 0.044715 * x**2)
        return dout * (0.5 * (1 + t) + 0.5 * x * (1 - t**2) * slope)


@mistake("wrong_formula", of=LayerNorm)
class LayerNormOtherEpsilon(LayerNorm):
    """eps of 1e-2 in backward, 1e-5 in forward."""

    def forward(self, x):
        y = super().forward(x)
        self.std = np.sqrt(self.std**2 + 1e-2)
        return y


@mistake("boundary", "wrong_scale", "wrong_formula", of=Mean)
class MeanLargeBatch(Mean):
    """A factor is off for batches of more than four."""

    def backward(self, dout):
        dx = super().backward(dout)
        return dx * 0.5 if self.shape[0] > 4 else dx


@mistake("boundary", "wrong_scale", "wrong_formula", of=Variance)
class VarianceNegativeRows(Variance):
    """Rows with a negative first entry get twice the gradient."""

    def forward(self, x):
        self.flip = np.where(x[:, :1] - x.mean(axis=1, keepdims=True) < 0, 2, 1)
        return super().forward(x)

    def backward(self, dout):
        return super().backward(dout) * self.flip
