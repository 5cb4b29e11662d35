"""The learning curves of candidates side by side, the best first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from handgrad.plots.style import HELD_OUT, TRAINING


def draw_grid(rows: Sequence[Any], name: str, path: str | Path) -> Path:
    """A small picture for each row, with one scale: training dashed, held-out data in full.

    name: the score, such as "accuracy" for the curves accuracy and val_accuracy.
    Raises ModuleNotFoundError where matplotlib is missing, ValueError where there are no curves.
    Source: Saito, "Deep Learning from Scratch", section 6.5, figure 6-24.
    """
    rows = [row for row in rows if f"val_{name}" in row.curves]
    if not rows:
        raise ValueError(f"plot: no candidate has a learning curve of {name!r}")
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "pictures need matplotlib: pip install 'handgrad[plot]'"
        ) from None
    across = min(5, len(rows))
    down = math.ceil(len(rows) / across)
    figure = Figure(figsize=(2.4 * across, 2.1 * down), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
    for rank, (axes, row) in enumerate(zip(grid.flat, rows), 1):
        epochs = range(1, len(row.curves[f"val_{name}"]) + 1)
        if name in row.curves:
            axes.plot(epochs, row.curves[name], "--", color=TRAINING, linewidth=1.2)
        axes.plot(epochs, row.curves[f"val_{name}"], color=HELD_OUT, linewidth=1.6)
        said = ", ".join(
            f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.params.items()
        )
        axes.set_title(f"{rank}: {row.scores[name]:.4g}\n{said}", fontsize=7)
        axes.grid(alpha=0.25)
    for axes in list(grid.flat)[len(rows) :]:
        axes.axis("off")
    figure.supxlabel("epoch", fontsize=8)
    figure.supylabel(f"{name} (dashed: training)", fontsize=8)
    figure.savefig(path)
    return Path(path)
