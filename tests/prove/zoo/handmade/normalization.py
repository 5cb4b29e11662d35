"""Batch, layer and root-mean-square normalization: what depends on what is forgotten."""

import numpy as np

from ..right.normalization import BatchNorm, BatchNormShort, LayerNorm, RMSNorm, UnitLength
from .registry import mistake


@mistake("missing_term", of=BatchNorm)
class BatchNormConstantStatistics(BatchNorm):
    """Mean and deviation are taken for constants."""

    def backward(self, dout):
        super().backward(dout)
        return self.gamma * dout / self.std


@mistake("missing_term", of=BatchNormShort)
class BatchNormConstantDeviation(BatchNormShort):
    def backward(self, dout):
        super().backward(dout)
        g = self.gamma * dout
        return (g - g.mean(axis=0)) / self.std


@mistake("missing_term", of=BatchNormShort)
class BatchNormConstantMean(BatchNormShort):
    def backward(self, dout):
        super().backward(dout)
        g = self.gamma * dout
        return (g - self.xn * (g * self.xn).mean(axis=0)) / self.std


@mistake("wrong_formula", "wrong_scale", of=BatchNormShort)
class BatchNormWithoutGamma(BatchNormShort):
    def backward(self, dout):
        super().backward(dout)
        g = dout
        return (g - g.mean(axis=0) - self.xn * (g * self.xn).mean(axis=0)) / self.std


@mistake("wrong_formula", of=BatchNorm)
class BatchNormGammaOfInput(BatchNorm):
    """dgamma uses the centred x instead of the normalized one."""

    def backward(self, dout):
        dx = super().backward(dout)
        self.dgamma = np.sum(self.xc * dout, axis=0)
        return dx


@mistake("swapped_outputs", of=BatchNorm)
class BatchNormSwapped(BatchNorm):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dgamma, self.dbeta = self.dbeta, self.dgamma
        return dx


@mistake("wrong_formula", "wrong_scale", of=BatchNormShort)
class BatchNormVariance(BatchNormShort):
    """Divided by the variance instead of the deviation."""

    def backward(self, dout):
        return super().backward(dout) / self.std


@mistake("wrong_axis", "wrong_formula", of=LayerNorm)
class LayerNormOverBatch(LayerNorm):
    def backward(self, dout):
        super().backward(dout)
        g = dout * self.gamma
        g = g - g.mean(axis=0) - self.xn * np.mean(g * self.xn, axis=0)
        return g / self.std


@mistake("missing_term", of=LayerNorm)
class LayerNormNoMean(LayerNorm):
    def backward(self, dout):
        super().backward(dout)
        g = dout * self.gamma
        return (g - self.xn * np.mean(g * self.xn, -1, keepdims=True)) / self.std


@mistake("wrong_formula", "wrong_scale", of=LayerNorm)
class LayerNormSumForMean(LayerNorm):
    def backward(self, dout):
        super().backward(dout)
        g = dout * self.gamma
        g = g - g.mean(-1, keepdims=True) - self.xn * np.sum(g * self.xn, -1, keepdims=True)
        return g / self.std


@mistake("missing_term", of=RMSNorm)
class RMSNormConstant(RMSNorm):
    def backward(self, dout):
        super().backward(dout)
        return dout * self.gamma / self.rms


@mistake("wrong_formula", "wrong_sign", of=RMSNorm)
class RMSNormPlus(RMSNorm):
    def backward(self, dout):
        super().backward(dout)
        g = dout * self.gamma
        inner = np.mean(g * self.x, axis=-1, keepdims=True)
        return g / self.rms + self.x * inner / self.rms**3


@mistake("missing_term", of=UnitLength)
class UnitLengthConstant(UnitLength):
    def backward(self, dout):
        return dout / self.length


@mistake("wrong_formula", "wrong_axis", of=UnitLength)
class UnitLengthOneInner(UnitLength):
    """One inner product for the whole batch."""

    def backward(self, dout):
        return (dout - self.y * np.sum(dout * self.y)) / self.length


@mistake("boundary", "wrong_formula", of=BatchNormShort)
class BatchNormSmallBatch(BatchNormShort):
    """For a batch of one the statistics are skipped in backward alone."""

    def backward(self, dout):
        dx = super().backward(dout)
        return self.gamma * dout if len(dout) == 1 else dx


@mistake("broadcasting", "boundary", "wrong_formula", of=LayerNorm)
class LayerNormSqueezed(LayerNorm):
    """A batch of one is squeezed and its statistics are lost."""

    def backward(self, dout):
        dx = super().backward(dout)
        return dx if len(dout) > 1 else dout * self.gamma / self.std
