"""What all pictures share: figures, colours and lines, and a word where a value is not finite."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from handgrad.arrays import Array

# Colours that people with colour blindness tell apart (Okabe & Ito, 2008); each comes with its own
# kind of line and marker, so that a print in black and white is read as well.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#8A6D00", "#000000")
LINES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (6, 2)), (0, (3, 1, 1, 1, 1, 1)), (0, (1, 1)))
TRAINING, HELD_OUT = COLOURS[:2]
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
SIGNED = "cividis"  # from dark to light without a turn: signs are seen in grey, too
STYLE = {
    "font.size": 9.5, "axes.spines.top": False, "axes.spines.right": False,
    "axes.axisbelow": True, "axes.edgecolor": "#5f6670", "grid.color": "#d5d9df",
    "grid.linewidth": 0.7,
}  # fmt: skip


def matplotlib() -> Any:
    """The module. Raises ModuleNotFoundError, in one line, where it is missing."""
    try:
        import matplotlib
        import matplotlib.figure
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "pictures need matplotlib: pip install 'handgrad[plot]'"
        ) from None
    return matplotlib


def panels(rows: int, columns: int, size: tuple[float, float], **options: Any) -> Array:
    """New axes (rows, columns), each of this size in inches, in a figure of their own.

    Where a program has imported pyplot, it is pyplot's figure, which `plt.show()` shows.
    """
    module = matplotlib()
    pyplot = sys.modules.get("matplotlib.pyplot")
    make = module.figure.Figure if pyplot is None else pyplot.figure
    with module.rc_context(STYLE):
        figure = make(figsize=(columns * size[0], rows * size[1]), layout="constrained")
        made: Array = figure.subplots(rows, columns, squeeze=False, **options)
    return made


def one_panel(axes: Any, size: tuple[float, float] = (4.8, 3.6)) -> Any:
    """The axes that were given, or new ones."""
    return panels(1, 1, size)[0, 0] if axes is None else axes


def plain(axes: Any) -> Any:
    """Axes for a picture: no ticks, no frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    return axes


def titled(axes: Any, title: str) -> Any:
    """Axes with a title above their left end."""
    axes.set_title(title, loc="left", fontsize=10.5, fontweight="bold")
    return axes


def lines(axes: Any, title: str, x: str, y: str) -> Any:
    """Axes for lines: a title, what the axes are, and a grid."""
    titled(axes, title)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(True)
    return axes


def style_of(number: int) -> dict[str, Any]:
    """Colour, line and marker of the lines in one picture, by number."""
    return {"color": COLOURS[number % len(COLOURS)], "linestyle": LINES[number % len(LINES)],
            "marker": MARKERS[number % len(MARKERS)], "linewidth": 1.8}  # fmt: skip


def finite(axes: Any, what: str, *arrays: Any) -> list[Any]:
    """The arrays as real numbers with what is not finite masked; then the picture says how much.

    Raises ValueError for arrays that hold nothing, or no real numbers.
    """
    made = [_real(what, a) for a in arrays]
    wrong = np.concatenate([a[~np.isfinite(a)].ravel() for a in made])
    if wrong.size:
        kinds = {"NaN": np.isnan(wrong), "∞": wrong == np.inf, "−∞": wrong == -np.inf}
        counts = ", ".join(f"{count:,} {kind}" for kind, of in kinds.items() if (count := of.sum()))
        say(axes, f"not finite: {counts} of {sum(a.size for a in made):,} values",
            middle=wrong.size == sum(a.size for a in made))  # fmt: skip
    return [np.ma.masked_invalid(a) for a in made]


def _real(what: str, values: Any) -> Array:
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{what}: real numbers are needed, got {_brief(values)}") from None
    if not array.size:
        raise ValueError(f"{what}: there is nothing to draw, an array of shape {array.shape}")
    return array


def _brief(values: Any) -> str:
    text = " ".join(repr(values).split())
    return text if len(text) <= 60 else f"{text[:57]}…"


def say(axes: Any, text: str, *, middle: bool = False) -> None:
    """A word inside the picture: below the top, or in the middle of one that shows nothing."""
    where = {"x": 0.5, "y": 0.5 if middle else 0.97, "va": "center" if middle else "top"}
    axes.text(s=text, ha="center", transform=axes.transAxes, fontsize=8, style="italic", wrap=True,
              zorder=9, bbox={"facecolor": "white", "edgecolor": "#5f6670", "pad": 2.5},
              **where)  # fmt: skip


def show(axes: Any, what: str, picture: Any, **options: Any) -> Any:
    """A matrix (H, W) or picture (H, W, 3) as an image; crosses where a value is not finite."""
    (masked,) = finite(axes, what, picture)
    hidden: Array = np.ma.getmaskarray(masked)
    if hidden.ndim == 3:
        hidden = np.any(hidden, axis=2)
    shown = axes.imshow(masked.filled(0.5) if masked.ndim == 3 else masked,
                        interpolation="nearest", **options)  # fmt: skip
    if hidden.size > 1 and not np.ma.asarray(masked).any() and not hidden.all():
        say(axes, "0 everywhere", middle=True)
    if 0 < hidden.sum() <= 400:
        down, across = np.nonzero(hidden)
        axes.plot(across, down, "x", color="#D55E00", markersize=4, linestyle="none")
    return shown


def names_for(count: int, names: Sequence[Any] | None, what: str) -> list[str]:
    """The names as text, or numbers. Raises ValueError where there are too few of them."""
    if names is None:
        return [str(i) for i in range(count)]
    if len(names) < count:
        raise ValueError(f"{what}: {count} names are needed, got {len(names)}")
    return [str(name) for name in names]
