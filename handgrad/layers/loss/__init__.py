"""Losses, by what they measure: regression, cross entropy, likelihood, margins, rankings."""

from handgrad.layers.loss.base import ElementwiseLoss, Loss
from handgrad.layers.loss.cross_entropy import SigmoidCrossEntropy, SoftmaxCrossEntropy
from handgrad.layers.loss.imbalance import Dice, Focal
from handgrad.layers.loss.likelihood import (
    BinaryCrossEntropy,
    GaussianKL,
    GaussianLikelihood,
    KLDivergence,
    NegativeLogLikelihood,
    PoissonLikelihood,
)
from handgrad.layers.loss.margin import CosineEmbedding, Hinge, Triplet, Wasserstein
from handgrad.layers.loss.meaning import meant, value_of
from handgrad.layers.loss.negative_sampling import NegativeSampling, UnigramSampler
from handgrad.layers.loss.policy import PolicyGradient
from handgrad.layers.loss.ranking import ListNet, RankNet
from handgrad.layers.loss.regression import (
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    Quantile,
    SumSquaredError,
)
from handgrad.layers.loss.targets import check_scores, counted, loss_for

__all__ = [
    "BinaryCrossEntropy", "CosineEmbedding", "Dice", "ElementwiseLoss", "Focal", "GaussianKL",
    "GaussianLikelihood", "Hinge", "Huber", "KLDivergence", "ListNet", "Loss", "MeanAbsoluteError",
    "MeanSquaredError", "NegativeLogLikelihood", "NegativeSampling", "PoissonLikelihood",
    "PolicyGradient", "Quantile", "RankNet", "SigmoidCrossEntropy", "SoftmaxCrossEntropy",
    "SumSquaredError", "Triplet", "UnigramSampler", "Wasserstein", "check_scores", "counted",
    "loss_for", "meant", "value_of",
]  # fmt: skip
