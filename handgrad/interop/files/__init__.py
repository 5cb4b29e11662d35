"""Weights in the files of others, and golden vectors for ports."""

from handgrad.interop.files.golden import check_golden, write_golden
from handgrad.interop.files.weights import load_weights, save_weights

__all__ = ["check_golden", "load_weights", "save_weights", "write_golden"]
