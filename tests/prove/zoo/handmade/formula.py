"""Wrong derivatives, wrong factors, wrong signs, wrong order."""

import numpy as np

from ..right.activation import ELU, GELU, GLU, Exp, Log, Softplus, Sqrt, Swish, Tanh
from ..right.affine import Affine, Bilinear, Linear, TwoLayers
from ..right.arithmetic import Cube, Divide, MatMul, Subtract
from ..right.dropout import Dropout
from ..right.embedding import BagOfWords, Embedding, EmbeddingDot
from ..right.reduction import CumulativeSum, LogSumExp, Variance
from ..right.shape import Repeat, TakeRows, Transpose, Where
from .registry import mistake


def _square(*shapes):
    return lambda r: (tuple(r.normal(size=s) for s in shapes[:-1]), (r.normal(size=shapes[-1]),))


@mistake("wrong_formula", of=Tanh)
class TanhNoSquare(Tanh):
    def backward(self, dy):
        return dy * (1 - self.y)


@mistake("wrong_formula", of=ELU)
class ELUNoPlusOne(ELU):
    def backward(self, dout):
        return dout * np.where(self.x > 0, 1, self.negative)


@mistake("missing_term", of=GELU)
class GELUWithoutSlope(GELU):
    def backward(self, dout):
        return dout * 0.5 * (1 + self.t)


@mistake("wrong_formula", "wrong_scale", of=GELU)
class GELUConstantDigit(GELU):
    """0.044175 for 0.044715."""

    def backward(self, dout):
        x, t = self.x, self.t
        slope = 0.7978845608 * (1 + 3 * 0.044175 * x**2)
        return dout * (0.5 * (1 + t) + 0.5 * x * (1 - t**2) * slope)


@mistake("missing_term", of=Swish)
class SwishLikeMask(Swish):
    def backward(self, dout):
        return dout * self.s


@mistake("wrong_formula", of=Softplus)
class SoftplusTanh(Softplus):
    def backward(self, dout):
        return dout * np.tanh(self.x)


@mistake("wrong_formula", of=Exp)
class ExpOfExp(Exp):
    def backward(self, dout):
        return dout * np.exp(self.y)


@mistake("wrong_scale", of=Log)
class LogBaseTen(Log):
    def backward(self, dout):
        return dout / (self.x * np.log(10))


@mistake("wrong_scale", of=Sqrt)
class SqrtNoHalf(Sqrt):
    def backward(self, dout):
        return dout / self.y


@mistake("wrong_sign", of=Divide)
class DivideSign(Divide):
    def backward(self, dout):
        dx = dout / self.y
        return dx, dx * self.x / self.y


@mistake("wrong_sign", of=Subtract)
class SubtractSign(Subtract):
    def backward(self, dout):
        return dout * 1, dout * 1


@mistake("wrong_scale", of=Cube)
class CubeTwo(Cube):
    def backward(self, dout):
        return 2 * self.x**2 * dout


@mistake("wrong_formula", of=Cube)
class CubePower(Cube):
    def backward(self, dout):
        return 3 * self.x * dout


@mistake("transpose", "wrong_formula", of=Affine, sample=_square((3, 3), (3,), (4, 3)))
class AffineSquareNotTransposed(Affine):
    """W for W': the shapes agree because W is square."""

    def backward(self, dout):
        super().backward(dout)
        return dout @ self.W


@mistake("transpose", of=Affine, sample=_square((3, 3), (3,), (4, 3)))
class AffineSquareTransposedGradient(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = self.dW.T
        return dx


@mistake("transpose", "shape", of=Linear)
class LinearInputFirst(Linear):
    def backward(self, dy):
        self.dW = self.x.T @ dy
        return dy @ self.W


@mistake("transpose", of=Affine)
class AffineReshaped(Affine):
    """Reshaped where it should be transposed."""

    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = (dout.T @ self.x).reshape(self.W.shape)
        return dx


@mistake("transpose", of=Transpose)
class TransposeReshapes(Transpose):
    def backward(self, dout):
        n, d, t = dout.shape
        return dout.reshape(n, t, d)


@mistake(
    "swapped_outputs",
    of=MatMul,
    sample=lambda r: ((), (r.normal(size=(3, 3)), r.normal(size=(3, 3)))),
)
class MatMulSwapped(MatMul):
    def backward(self, dout):
        da, db = super().backward(dout)
        return db, da


@mistake("swapped_outputs", of=Bilinear)
class BilinearSwapped(Bilinear):
    def backward(self, dy):
        du, dv = super().backward(dy)
        return dv, du


@mistake(
    "swapped_outputs",
    of=TwoLayers,
    sample=lambda r: (
        (r.normal(size=(3, 3)), r.normal(size=3), r.normal(size=(3, 3)), r.normal(size=3)),
        (r.normal(size=(4, 3)),),
    ),
)
class TwoLayersSwappedBiases(TwoLayers):
    def backward(self, dout):
        dx = super().backward(dout)
        self.db1, self.db2 = self.db2, self.db1
        return dx


@mistake("swapped_outputs", of=Where)
class WhereSwapped(Where):
    def backward(self, dout):
        return None, np.where(self.mask, 0, dout), np.where(self.mask, dout, 0)


@mistake("shape", "missing_batch_sum", of=Affine)
class AffineBiasAsRow(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.db = dout.sum(axis=0, keepdims=True)
        return dx


@mistake("shape", of=LogSumExp)
class LogSumExpFlat(LogSumExp):
    def backward(self, dout):
        return super().backward(dout).ravel()


@mistake("shape", of=Repeat)
class RepeatDropsAxis(Repeat):
    def backward(self, dout):
        return super().backward(dout)[..., None]


@mistake("missing_term", of=TwoLayers)
class TwoLayersLinear(TwoLayers):
    """The mask of the hidden layer is left out."""

    def backward(self, dout):
        super().backward(dout)
        return dout @ self.W2.T @ self.W1.T


@mistake("wrong_formula", "wrong_scale", of=Dropout)
class DropoutUnscaled(Dropout):
    def backward(self, dout):
        return dout * (self.mask > 0)


@mistake("wrong_formula", of=Dropout)
class DropoutComplement(Dropout):
    def backward(self, dout):
        return dout * (self.mask == 0)


@mistake(
    "wrong_formula",
    "boundary",
    "missing_batch_sum",
    of=Embedding,
    sample=lambda r: ((r.normal(size=(5, 3)),), (np.array([1, 4, 2]),)),
)
class EmbeddingAssigns(Embedding):
    """The last one wins where an index occurs twice; the sample has no index twice."""

    def backward(self, dout):
        self.dW = np.zeros_like(self.W)
        self.dW[self.index] = dout


@mistake("wrong_formula", "boundary", "missing_batch_sum", of=EmbeddingDot)
class EmbeddingDotBuffered(EmbeddingDot):
    def backward(self, dout):
        dh = super().backward(dout)
        self.dW = np.zeros_like(self.W)
        self.dW[self.index] += dout[:, None] * self.h
        return dh


@mistake("wrong_scale", of=BagOfWords)
class BagOfWordsSum(BagOfWords):
    def backward(self, dout):
        super().backward(dout * self.index.shape[1])


@mistake("wrong_formula", "boundary", of=TakeRows)
class TakeRowsAssigns(TakeRows):
    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        dx[self.index] = dout
        return dx


@mistake("wrong_formula", "wrong_axis", of=CumulativeSum)
class CumulativeSumForwards(CumulativeSum):
    def backward(self, dout):
        return np.cumsum(dout, axis=1)


@mistake("wrong_scale", of=Variance)
class VarianceUnbiased(Variance):
    def backward(self, dout):
        return 2 * dout[:, None] * self.centred / (self.centred.shape[1] - 1)


@mistake("swapped_outputs", "wrong_formula", of=GLU)
class GLUHalves(GLU):
    """The two halves are put back in the wrong order."""

    def backward(self, dout):
        da, db = np.split(super().backward(dout), 2, axis=1)
        return np.concatenate([db, da], axis=1)


@mistake("upstream_ignored", "wrong_formula", of=Affine)
class AffineUpstreamOfOnes(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.db = np.full_like(self.b, len(dout))
        return dx


@mistake("upstream_ignored", of=Tanh)
class TanhSquaresUpstream(Tanh):
    def backward(self, dy):
        return dy * dy * (1 - self.y**2)


@mistake("upstream_ignored", of=Swish)
class SwishClipsUpstream(Swish):
    """Gradient clipping inside backward."""

    def backward(self, dout):
        return super().backward(np.clip(dout, -0.5, 0.5))


@mistake("upstream_ignored", of=MatMul)
class MatMulNormalizesUpstream(MatMul):
    def backward(self, dout):
        return super().backward(dout / np.abs(dout).max())


@mistake("upstream_ignored", of=LogSumExp)
class LogSumExpAddsDecay(LogSumExp):
    """A constant is added to the gradient: B(0) is not 0."""

    def backward(self, dout):
        return super().backward(dout) + 0.01
