"""Is an optimizer right? `check_optimizer` says so, and which mistake it is when not."""

from handgrad.prove.optimizer.causes import OptimizerReport
from handgrad.prove.optimizer.check import check_optimizer
from handgrad.prove.optimizer.formulas import RULES

__all__ = ["RULES", "OptimizerReport", "check_optimizer"]
