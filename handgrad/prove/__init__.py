"""Prove a backward pass: `check` says whether it is right, and which mistake it is when not.

`check_optimizer` does the same for update rules.
"""

from handgrad.prove.check import check
from handgrad.prove.measure.numeric import numerical_gradient
from handgrad.prove.optimizer import check_optimizer
from handgrad.prove.report import Report

__all__ = ["Report", "check", "check_optimizer", "numerical_gradient"]
