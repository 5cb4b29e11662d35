"""Pictures of networks, of their graphs with every number, and of training."""

from handgrad.explain.curves import draw_curves
from handgrad.explain.draw import draw
from handgrad.explain.picture import Picture

__all__ = ["Picture", "draw", "draw_curves"]
