"""Wrong at ties, at zeros, at the first or last entry."""

import numpy as np

from ..right.activation import Abs, Clip, ReLU, Softplus
from ..right.attention import CausalAttention
from ..right.embedding import Embedding
from ..right.loss import Huber, SoftmaxWithLoss
from ..right.reduction import CumulativeSum, Max, Norm, Sum
from ..right.shape import Concat, Flatten, Pad, Slice
from .registry import mistake


@mistake("boundary", of=Max)
class MaxAllTies(Max):
    """Every tied entry gets the whole gradient: more goes back than came."""

    def forward(self, x):
        self.top = x == x.max(axis=1, keepdims=True)
        return super().forward(x)

    def backward(self, dout):
        return dout[:, None] * self.top


@mistake("boundary", of=ReLU)
class ReluTwoAtZero(ReLU):
    """Two masks that both contain zero."""

    def forward(self, x):
        self.positive, self.not_negative = x > 0, x >= 0
        return super().forward(x)

    def backward(self, dout):
        return np.where(self.positive, dout, 0) + dout * (self.not_negative & ~self.positive) * 2


@mistake("boundary", "numeric_instability", of=Abs)
class AbsAtZero(Abs):
    def backward(self, dout):
        with np.errstate(all="ignore"):
            return dout * self.x / np.abs(self.x)


@mistake("boundary", "numeric_instability", of=Softplus)
class SoftplusAtZero(Softplus):
    """0 / 0 at exactly zero."""

    def backward(self, dout):
        with np.errstate(all="ignore"):
            return super().backward(dout) * (self.x / self.x)


@mistake("boundary", "numeric_instability", of=Norm)
class NormOfZero(Norm):
    """The small number that keeps forward from zero is missing in backward."""

    def backward(self, dout):
        with np.errstate(all="ignore"):
            return (dout / np.sqrt(np.sum(self.x**2, axis=1)))[:, None] * self.x


@mistake("boundary", "wrong_formula", of=Clip)
class ClipOneSide(Clip):
    def forward(self, x):
        self.inside = x < 1
        return np.clip(x, -1, 1)


@mistake("boundary", "wrong_formula", of=CumulativeSum)
class CumulativeSumExclusive(CumulativeSum):
    def backward(self, dout):
        dx = super().backward(dout)
        return dx - dout


@mistake("boundary", "wrong_formula", of=Slice)
class SliceOffByOne(Slice):
    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        dx[:, 2:4] = dout
        return dx


@mistake("boundary", "wrong_formula", of=Concat)
class ConcatOffByOne(Concat):
    """The last column of the second part is lost."""

    def backward(self, dout):
        dx, dy = super().backward(dout)
        dy[:, -1] = 0
        return dx, dy


@mistake("boundary", "wrong_formula", of=Pad)
class PadCutsLeft(Pad):
    def backward(self, dout):
        return dout[:, :-2] * 1


@mistake("boundary", "wrong_formula", "missing_batch_sum", of=Sum)
class SumLastRow(Sum):
    def backward(self, dout):
        dx = super().backward(dout)
        dx[-1] = 0
        return dx


@mistake("boundary", "wrong_formula", of=Embedding)
class EmbeddingPadding(Embedding):
    """Row 0 is taken for padding in backward alone."""

    def backward(self, dout):
        super().backward(dout)
        self.dW[0] = 0


@mistake(
    "boundary",
    "wrong_formula",
    of=Embedding,
    sample=lambda r: ((r.normal(size=(5, 3)),), (np.array([1, 2, 3]),)),
)
class EmbeddingLastWord(Embedding):
    """The last word of the vocabulary, which the sample does not contain, is left out."""

    def backward(self, dout):
        super().backward(dout)
        self.dW[-1] = 0


@mistake("boundary", "wrong_formula", of=CausalAttention)
class AttentionFirstStep(CausalAttention):
    def backward(self, dout):
        dq, dk, dv = super().backward(dout)
        dv[:, 0] = 0
        return dq, dk, dv


@mistake(
    "boundary",
    "wrong_formula",
    of=Huber,
    sample=lambda r: ((), (r.uniform(-0.4, 0.4, size=(3, 2)), r.uniform(-0.4, 0.4, size=(3, 2)))),
)
class HuberOnlyNear(Huber):
    """Linear part forgotten; the sample lies within the quadratic part."""

    def backward(self, dout=1):
        dy = dout * self.diff / self.diff.size
        return dy, -dy


@mistake("boundary", "wrong_formula", of=SoftmaxWithLoss)
class LossLastRow(SoftmaxWithLoss):
    def backward(self, dout=1):
        dx = super().backward(dout)
        dx[-1] = 0
        return dx


@mistake("boundary", of=Flatten)
class FlattenLastEntry(Flatten):
    def backward(self, dout):
        dx = dout.reshape(self.shape).copy()
        dx.flat[-1] = 0
        return dx
