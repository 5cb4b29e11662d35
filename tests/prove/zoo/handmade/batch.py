"""Right for one batch size, or summed, averaged and indexed along the wrong axis."""

import numpy as np

from ..right.activation import PReLU
from ..right.affine import Affine, AffineFlatten, Bilinear, Linear, TwoLayers
from ..right.arithmetic import ScaleShift
from ..right.convolution import Convolution, Convolution1D, Depthwise
from ..right.loss import SoftmaxWithLoss
from ..right.normalization import BatchNormShort, LayerNorm, RMSNorm
from ..right.recurrent import GRUCell, RNNCell
from ..right.reduction import Mean, Norm, Sum
from .registry import mistake


def _one_row(cls):
    """The sample of `cls` cut to a batch of one, as an author had it at hand."""
    from ..right import SAMPLES

    def sample(r):
        arguments, inputs = SAMPLES[cls](r)
        return arguments, tuple(x[:1] for x in inputs)

    return sample


@mistake("missing_batch_sum", of=Affine, sample=_one_row(Affine))
class AffineFirstRow(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.db = dout[0]
        return dx


@mistake("missing_batch_sum", of=Affine)
class AffineLastRow(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.db = dout[-1]
        return dx


@mistake("missing_batch_sum", of=ScaleShift, sample=_one_row(ScaleShift))
class ScaleShiftFirstRow(ScaleShift):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dgamma = (dout * self.x)[0]
        return dx


@mistake("missing_batch_sum", of=Linear, sample=_one_row(Linear))
class LinearOuterOfFirst(Linear):
    def backward(self, dy):
        self.dW = np.outer(dy[0], self.x[0])
        return dy @ self.W


@mistake("missing_batch_sum", of=Bilinear)
class BilinearOuterOfFirst(Bilinear):
    def backward(self, dy):
        gradients = super().backward(dy)
        self.dW = dy[0] * np.outer(self.u[0], self.v[0])
        return gradients


@mistake("wrong_axis", "wrong_scale", of=Affine)
class AffineMean(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.db = dout.mean(axis=0)
        return dx


@mistake("wrong_scale", "wrong_axis", of=Affine)
class AffineDividesAll(Affine):
    """Parameters' gradients divided by N though the loss has done so already."""

    def backward(self, dout):
        dx = super().backward(dout)
        self.dW /= len(dout)
        self.db /= len(dout)
        return dx


@mistake(
    "wrong_axis",
    "shape",
    of=Affine,
    sample=lambda r: ((r.normal(size=(3, 4)), r.normal(size=4)), (r.normal(size=(4, 3)),)),
)
class AffineSquareWrongAxis(Affine):
    """With N equal to H the wrong sum even has the right shape."""

    def backward(self, dout):
        dx = super().backward(dout)
        self.db = dout.sum(axis=1)
        return dx


@mistake("wrong_axis", "wrong_scale", of=AffineFlatten)
class AffineFlattenTotal(AffineFlatten):
    """Every entry of db is the sum of the whole dout."""

    def backward(self, dout):
        dx = super().backward(dout)
        self.db = np.full_like(self.b, dout.sum())
        return dx


@mistake("missing_batch_sum", "wrong_axis", of=Convolution)
class ConvolutionBiasOnePosition(Convolution):
    """db is summed over the batch and not over positions."""

    def backward(self, dout):
        dx = super().backward(dout)
        self.db = dout[:, :, 0, 0].sum(axis=0)
        return dx


@mistake("missing_batch_sum", "wrong_axis", of=Convolution)
class ConvolutionBiasFirstImage(Convolution):
    def backward(self, dout):
        dx = super().backward(dout)
        self.db = dout[0].sum(axis=(1, 2))
        return dx


@mistake("wrong_scale", of=Convolution)
class ConvolutionMeanOfPositions(Convolution):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = self.dW / (dout.shape[2] * dout.shape[3])
        return dx


@mistake("missing_batch_sum", of=Convolution1D, sample=_one_row(Convolution1D))
class Convolution1DFirst(Convolution1D):
    def backward(self, dout):
        dx = super().backward(dout)
        steps = dout.shape[1]
        for k in range(len(self.W)):
            self.dW[k] = self.x[0, k : k + steps].T @ dout[0]
        return dx


@mistake("missing_batch_sum", of=Depthwise)
class DepthwiseLastImage(Depthwise):
    def backward(self, dout):
        dx = super().backward(dout)
        h, w = dout.shape[2:]
        for i in range(2):
            for j in range(2):
                self.dW[:, i, j] = (dout * self.x[:, :, i : i + h, j : j + w])[-1].sum(axis=(1, 2))
        return dx


@mistake("missing_batch_sum", of=PReLU, sample=_one_row(PReLU))
class PReLUSqueezed(PReLU):
    def backward(self, dout):
        dx = super().backward(dout)
        self.da = (dout * np.minimum(self.x, 0))[0]
        return dx


@mistake("missing_batch_sum", "shape", of=RMSNorm)
class RMSNormNoSum(RMSNorm):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dgamma = dout * self.x / self.rms
        return dx


@mistake("missing_batch_sum", of=LayerNorm)
class LayerNormFirstRow(LayerNorm):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dbeta = dout[0]
        return dx


@mistake("wrong_axis", "wrong_formula", of=BatchNormShort)
class BatchNormOverFeatures(BatchNormShort):
    """The mean that is taken off is over features instead of over the batch."""

    def backward(self, dout):
        super().backward(dout)
        g = self.gamma * dout
        inner = (g * self.xn).mean(axis=0)
        return (g - g.mean(axis=1, keepdims=True) - self.xn * inner) / self.std


@mistake("missing_batch_sum", of=GRUCell)
class GRUCellFirstRow(GRUCell):
    def backward(self, dy):
        gradients = super().backward(dy)
        z, r, n = self.z[0], self.r[0], self.n[0]
        dn = dy[0] * z * (1 - n**2)
        H = len(n)
        dr = dn @ self.Wh[:, 2 * H :].T * self.h[0] * r * (1 - r)
        self.db = np.hstack([dy[0] * (n - self.h[0]) * z * (1 - z), dr, dn])
        return gradients


@mistake("missing_batch_sum", "upstream_ignored", of=RNNCell)
class RNNCellMaximum(RNNCell):
    """max over the batch where a sum belongs."""

    def backward(self, dy):
        gradients = super().backward(dy)
        self.db = (dy * (1 - self.y**2)).max(axis=0)
        return gradients


@mistake("missing_batch_sum", "wrong_scale", "wrong_axis", "boundary", of=TwoLayers)
class TwoLayersHalfBatch(TwoLayers):
    """The last row of the batch is left out of the sum."""

    def backward(self, dout):
        dx = super().backward(dout)
        self.dW2 = self.h[:-1].T @ dout[:-1]
        return dx


@mistake(
    "wrong_axis",
    "wrong_formula",
    "broadcasting",
    "transpose",
    of=Sum,
    sample=lambda r: ((), (r.normal(size=(4, 4)),)),
)
class SumSpreadsDown(Sum):
    """Right shape for a square x, wrong axis."""

    def backward(self, dout):
        return np.ones(self.shape, dout.dtype) * dout


@mistake("wrong_scale", "boundary", of=Mean)
class MeanOfFixedBatch(Mean):
    """Divides by 3, the batch size at hand, whatever the batch is."""

    def backward(self, dout):
        return np.ones(self.shape, dout.dtype) * dout / 3


@mistake("wrong_scale", "boundary", of=SoftmaxWithLoss, sample=_one_row(SoftmaxWithLoss))
class LossWithoutBatchSize(SoftmaxWithLoss):
    """Not divided by N; checked with a single row."""

    def backward(self, dout=1):
        return super().backward(dout) * len(self.t)


@mistake("wrong_axis", "wrong_formula", of=Norm)
class NormOfWholeBatch(Norm):
    def backward(self, dout):
        return dout[:, None] * self.x / np.sqrt(np.sum(self.x**2))
