"""A page on which a network is stepped through: forward, backward, and a training step."""

from handgrad.explain.stepping.page import Page, step_page

__all__ = ["Page", "step_page"]
