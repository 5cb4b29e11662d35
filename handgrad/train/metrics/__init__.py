"""Metrics: plain functions from what a network gave, y, and what was right, t, to a number.

Classes: y are scores (N, …, K), of which the highest wins (the first of equals), or class indices
(N,); t are class indices (N, …) or one-hot (N, …, K). Labels that a loss ignores are left out
first: `handgrad.layers.counted`, as training and evaluate do. Probabilities and ranks: y (N,) or
(N, 1) of the class 1, or (N, …, K). Values: y and t are (N,) or (N, M), and a column (N, 1) is the
same as (N,). All raise ShapeError where y and t do not fit.

sample_weights: one per sample, or per label; a sample of weight 2 is two samples.

Two attributes say how training treats a metric, one of your own too. `takes = "probabilities"`:
y becomes probabilities first, where the loss is one on scores. `whole = True`: it is no mean over
samples, so no mean over batches either, and is measured on all the data at the end of an epoch.
"""

from handgrad.train.metrics.classes import (
    accuracy,
    balanced_accuracy,
    confusion_matrix,
    f1,
    precision,
    recall,
    top_k_accuracy,
    usual_metrics,
)
from handgrad.train.metrics.probabilities import (
    Calibration,
    brier_loss,
    calibration_curve,
    log_loss,
)
from handgrad.train.metrics.ranking import average_precision, ndcg, roc_auc
from handgrad.train.metrics.values import (
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    r2,
    root_mean_squared_error,
)

__all__ = [
    "Calibration", "accuracy", "average_precision", "balanced_accuracy", "brier_loss",
    "calibration_curve", "confusion_matrix", "f1", "log_loss", "mean_absolute_error",
    "mean_absolute_percentage_error", "mean_squared_error", "ndcg", "precision", "r2", "recall",
    "roc_auc", "root_mean_squared_error", "top_k_accuracy", "usual_metrics",
]  # fmt: skip
