"""Pictures of networks and of their graphs with every number; a page of steps."""

from typing import TYPE_CHECKING

from handgrad.explain.draw import draw
from handgrad.explain.picture import Picture
from handgrad.naming import names_of

if TYPE_CHECKING:
    from handgrad.explain.algebra import Formulas, formulas
    from handgrad.explain.stepping.page import Page, step_page

__all__ = ["Formulas", "Page", "Picture", "draw", "formulas", "step_page"]

# Seldom used, and imported when first asked for. `draw_curves` was here before there was a room
# for pictures by matplotlib.
__getattr__, __dir__ = names_of(
    __name__,
    [*__all__, "draw_curves"],
    later={
        "handgrad.explain.algebra": ("Formulas", "formulas"),
        "handgrad.explain.stepping.page": ("Page", "step_page"),
        "handgrad.plots": ("draw_curves",),
    },
)
