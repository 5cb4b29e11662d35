"""Pictures of networks and of training."""

from handgrad.explain.curves import draw_curves

__all__ = ["draw_curves"]
