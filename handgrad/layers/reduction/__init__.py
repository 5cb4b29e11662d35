"""Reductions along axes: sums, products, the maximum, statistics."""

from handgrad.layers.reduction.maximum import LogSumExp, Max
from handgrad.layers.reduction.statistics import Norm, Std, Var
from handgrad.layers.reduction.sums import CumSum, Mean, Prod, Sum

__all__ = ["CumSum", "LogSumExp", "Max", "Mean", "Norm", "Prod", "Std", "Sum", "Var"]
