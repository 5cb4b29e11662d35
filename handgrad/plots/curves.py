"""Curves: what a training recorded, and accuracies by depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.plots.style import finite, lines, matplotlib, one_panel, panels, style_of
from handgrad.train.history import History

Columns = Mapping[str, Sequence[float]]
ASIDE = ("lr", "seconds")  # columns that are no result


def smoothed(values: Any, amount: float) -> Array:
    """The running mean m ← a·m + (1 − a)·v, divided by what its weights add up to.

    What is not finite is passed over, and stays so in the result.
    Raises ValueError unless 0 ≤ a < 1.
    """
    if not 0 <= amount < 1:
        raise ValueError(f"smooth: a number from 0, below 1, is needed, got {amount!r}")
    out: Array = np.array(values, np.float64)
    mean = weight = 0.0
    for i, value in enumerate(out):
        if np.isfinite(value):
            mean, weight = amount * mean + (1 - amount) * value, amount * weight + 1 - amount
            out[i] = mean / weight
    return out


def draw_learning_curve(
    history: History | Columns, name: str = "loss", *, smooth: float = 0.0,
    held_out: str = "validation", axes: Any = None,
) -> Any:  # fmt: skip
    """One number by epoch, of the training and of the data held out; the axes.

    history: what `fit` returned, or numbers per epoch by name; "val_…" is of the data held out.
    smooth: as in `smoothed`; the numbers themselves then stand behind, thin.

        axes = draw_learning_curve(fit(network, x, t, validation=0.2), "accuracy")

    Raises ValueError for a name that was not recorded.
    """
    columns: Columns = history.columns if isinstance(history, History) else history
    if not len(columns.get(name, ())):
        recorded = ", ".join(columns) or "nothing"
        raise ValueError(f"draw_learning_curve: no epoch has {name!r}; recorded: {recorded}")
    given = {f"{name}": "training", f"val_{name}": held_out}
    given = {key: label for key, label in given.items() if key in columns}
    axes = lines(one_panel(axes), name.replace("_", " "), "epoch", name.replace("_", " "))
    shown = finite(axes, "draw_learning_curve", *(columns[key] for key in given))
    for number, (values, label) in enumerate(zip(shown, given.values())):
        epochs = np.arange(1, len(values) + 1)
        style = style_of(number) | {"marker": "o" if len(values) == 1 else ""}
        if smooth:
            axes.plot(epochs, values, color=style["color"], alpha=0.3, linewidth=0.9)
            values = np.ma.masked_invalid(smoothed(values.filled(np.nan), smooth))
        axes.plot(epochs, values, label=label, **style)
        broken = np.ma.getmaskarray(values)
        if broken.any():
            axes.plot(epochs[broken], np.zeros(broken.sum()), "x", color=style["color"],
                      transform=axes.get_xaxis_transform(), clip_on=False)  # fmt: skip
    _axes_of_number(axes, name)
    axes.legend()
    return axes


def _axes_of_number(axes: Any, name: str) -> None:
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if "loss" in name and axes.get_ylim()[0] > 0:
        axes.set_ylim(bottom=0)
    elif "accuracy" in name:
        axes.yaxis.set_major_formatter(PercentFormatter(1.0))


def draw_curves(
    columns: Columns, path: str | Path, *, held_out: str = "validation"
) -> Path:  # fmt: skip
    """Draw loss and scores by epoch, side by side, into a .png, .svg or .pdf file; its path.

    columns: numbers per epoch by name, such as `History.columns`; "val_…" stands for data that
    was held out, called `held_out` in the picture.

        draw_curves(history.columns, "curves.svg")

    Raises ModuleNotFoundError where matplotlib is missing, ValueError where nothing was recorded.
    """
    matplotlib()
    names = [n for n in columns if not n.startswith("val_") and n not in ASIDE]
    if not len(columns.get("loss", ())):
        raise ValueError("draw_curves: no epoch has been recorded yet")
    row = panels(1, len(names), (4.8, 3.6))[0]
    for axes, name in zip(row, names):
        draw_learning_curve(columns, name, held_out=held_out, axes=axes)
    row[0].figure.savefig(path, dpi=150)
    return Path(path)


def draw_depth(
    results: Mapping[str, Mapping[int, float]], *, name: str = "accuracy", axes: Any = None
) -> Any:
    """A score by the number of layers with weights, one line for each kind of network; the axes.

        axes = draw_depth({"plain": {1: 0.91, 2: 0.95}, "residual": {1: 0.91, 2: 0.96}})

    Raises ValueError for results that hold nothing.
    """
    if not results or not all(results.values()):
        raise ValueError("draw_depth: {kind of network: {depth: score}} is needed, got nothing")
    axes = lines(one_panel(axes), f"{name} by depth", "layers with weights", name)
    shown = finite(axes, "draw_depth", *(list(by.values()) for by in results.values()))
    for number, (label, by, values) in enumerate(zip(results, results.values(), shown)):
        order = np.argsort(list(by))
        axes.plot(np.array(list(by))[order], values[order], label=label, **style_of(number))
    _axes_of_number(axes, name)
    axes.legend()
    return axes
