"""Right layers on which any alarm is a false one. Importing this fills `registry.FAIR`."""

from . import integers, kinks, memory, params, precision, random, state, style
from .registry import FAIR

__all__ = [
    "FAIR",
    "integers",
    "kinks",
    "memory",
    "params",
    "precision",
    "random",
    "state",
    "style",
]
