"""Losses, by what they measure: regression, cross entropy, likelihood, margins."""

from handgrad.layers.loss.base import ElementwiseLoss, Loss
from handgrad.layers.loss.cross_entropy import SigmoidCrossEntropy, SoftmaxCrossEntropy
from handgrad.layers.loss.likelihood import (
    BinaryCrossEntropy,
    GaussianKL,
    KLDivergence,
    NegativeLogLikelihood,
)
from handgrad.layers.loss.margin import CosineEmbedding, Hinge
from handgrad.layers.loss.meaning import meant, value_of
from handgrad.layers.loss.negative_sampling import NegativeSampling, UnigramSampler
from handgrad.layers.loss.policy import PolicyGradient
from handgrad.layers.loss.regression import (
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    SumSquaredError,
)
from handgrad.layers.loss.targets import check_scores, counted, loss_for

__all__ = [
    "BinaryCrossEntropy", "CosineEmbedding", "ElementwiseLoss", "GaussianKL", "Hinge", "Huber",
    "KLDivergence", "Loss", "MeanAbsoluteError", "MeanSquaredError", "NegativeLogLikelihood",
    "NegativeSampling", "PolicyGradient", "SigmoidCrossEntropy", "SoftmaxCrossEntropy",
    "SumSquaredError", "UnigramSampler", "check_scores", "counted", "loss_for", "meant", "value_of",
]  # fmt: skip
