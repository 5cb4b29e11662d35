"""PolicyGradient: the loss whose gradient is that of the expected advantage."""

from __future__ import annotations

from math import inf

from handgrad.layers.loss.cross_entropy import SoftmaxCrossEntropy


class PolicyGradient(SoftmaxCrossEntropy):
    """loss = −Σ Aₙ · ln p(aₙ) / N, p = softmax(y): A are the weights, of any sign.

    a are the classes that were chosen and A their advantages, how much better than expected each
    was. It is always divided by the number of samples. With A · p(a) / p₀(a), where p₀ chose, the
    gradient is that of A · p / p₀; where PPO's ratio is cut off, A is 0.
    Shapes: y (N, …, C); a labels (N, …); A (N), by default ones; loss ().
    Gradient: dy = dloss · Aₙ · (p − 1ₐ) / N.
    Raises as `SoftmaxCrossEntropy` says, but for weights, which need only be finite.
    Source: Williams, "Simple statistical gradient-following algorithms for connectionist
    reinforcement learning", 1992; Schulman et al., "Proximal policy optimization algorithms",
    2017, equations 1 and 7.
    """

    signed = True

    def divisor(self, total: float, count: int) -> float:
        if self.normalizer is None:
            return super().divisor(count, count)
        self.denominator = float(count)  # advantages are no weights: their mean scales nothing
        return self.denominator or inf
