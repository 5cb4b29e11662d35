"""Is an optimizer right? `check_optimizer` says so, and which mistake it is when not."""

from handgrad.optimcheck.causes import OptimizerReport
from handgrad.optimcheck.check import check_optimizer
from handgrad.optimcheck.formulas import RULES

__all__ = ["RULES", "OptimizerReport", "check_optimizer"]
