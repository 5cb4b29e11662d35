"""Networks: layers that are used together, with all their parameters in one flat array."""

from handgrad.network.lsuv import lsuv
from handgrad.network.network import Network, Parallel, Residual, Sequential

__all__ = ["Network", "Parallel", "Residual", "Sequential", "lsuv"]
