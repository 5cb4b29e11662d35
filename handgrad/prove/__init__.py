"""Prove a backward pass: `check` says whether it is right, and which mistake it is when not."""

from handgrad.differences.numeric import numerical_gradient
from handgrad.findings.report import Report
from handgrad.prove.check import check

__all__ = ["Report", "check", "numerical_gradient"]
