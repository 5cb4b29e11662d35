"""Attention: scale, mask, and which gradient is whose."""

import numpy as np

from ..right.attention import Attention, CausalAttention, WeightedSum
from .registry import mistake


@mistake("wrong_scale", of=Attention)
class AttentionUnscaled(Attention):
    def backward(self, dout):
        dq, dk, dv = super().backward(dout)
        return dq / self.scale, dk / self.scale, dv


@mistake("missing_term", of=Attention)
class AttentionNoNormalizer(Attention):
    def backward(self, dout):
        _, _, dv = super().backward(dout)
        ds = self.p * (dout @ self.v.transpose(0, 2, 1)) * self.scale
        return ds @ self.k, ds.transpose(0, 2, 1) @ self.q, dv


@mistake("swapped_outputs", of=CausalAttention)
class AttentionSwapped(CausalAttention):
    def backward(self, dout):
        dq, dk, dv = super().backward(dout)
        return dk, dq, dv


@mistake("swapped_outputs", of=CausalAttention)
class AttentionValuesFirst(CausalAttention):
    def backward(self, dout):
        dq, dk, dv = super().backward(dout)
        return dv, dq, dk


@mistake("transpose", "wrong_formula", of=CausalAttention)
class AttentionWeightsNotTransposed(CausalAttention):
    def backward(self, dout):
        dq, dk, _ = super().backward(dout)
        return dq, dk, self.p @ dout


@mistake("wrong_formula", of=CausalAttention)
class AttentionKeysForQueries(CausalAttention):
    def backward(self, dout):
        _, dk, dv = super().backward(dout)
        kept, self.k = self.k, self.q
        dq = super().backward(dout)[0]
        self.k = kept
        return dq, dk, dv


@mistake("upstream_ignored", "wrong_formula", of=Attention)
class AttentionSquaredUpstream(Attention):
    def backward(self, dout):
        dq, dk, dv = super().backward(dout)
        return dq * np.mean(np.abs(dout)), dk, dv


@mistake(
    "wrong_axis",
    "wrong_formula",
    of=Attention,
    sample=lambda r: ((), tuple(r.normal(size=(2, 3, 2)) for _ in range(3))),
)
class AttentionNormalizesQueries(Attention):
    def backward(self, dout):
        _, _, dv = super().backward(dout)
        dp = dout @ self.v.transpose(0, 2, 1)
        ds = self.p * (dp - np.sum(dp * self.p, axis=1, keepdims=True)) * self.scale
        return ds @ self.k, ds.transpose(0, 2, 1) @ self.q, dv


@mistake("missing_batch_sum", "wrong_axis", "shape", "broadcasting", of=WeightedSum)
class WeightedSumKeepsWidth(WeightedSum):
    """da is not summed over D."""

    def backward(self, dout):
        _, dh = super().backward(dout)
        return self.h * dout[:, None, :], dh


@mistake("wrong_axis", "wrong_scale", of=WeightedSum)
class WeightedSumMean(WeightedSum):
    def backward(self, dout):
        _, dh = super().backward(dout)
        return np.mean(self.h * dout[:, None, :], axis=2), dh
