"""Learning curves: a picture of what training recorded, by matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

# Colours that people with colour blindness tell apart (Okabe & Ito, 2008).
TRAINING, HELD_OUT = "#0072B2", "#D55E00"


def draw_curves(
    columns: Mapping[str, Sequence[float]], path: str | Path, *, held_out: str = "validation"
) -> Path:
    """Draw loss and scores by epoch into a .png, .svg or .pdf file.

    columns: numbers per epoch by name, such as `History.columns`; "val_…" stands for data that
    was held out, called `held_out` in the picture.
    Raises ModuleNotFoundError where matplotlib is missing, ValueError where nothing was recorded.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator, PercentFormatter
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "pictures need matplotlib: pip install 'handgrad[plot]'"
        ) from None
    names = [n for n in columns if not n.startswith("val_") and n not in ("lr", "seconds")]
    epochs = len(columns["loss"]) if "loss" in columns else 0
    if not epochs:
        raise ValueError("draw_curves: no epoch has been recorded yet")

    figure = Figure(figsize=(4.8 * len(names), 3.6), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names):
        lines = ((name, "training", TRAINING), (f"val_{name}", held_out, HELD_OUT))
        for key, label, colour in lines:
            if key in columns:
                marker = "o" if epochs == 1 else ""
                axes.plot(range(1, epochs + 1), columns[key], color=colour, label=label,
                          marker=marker, linewidth=1.8)  # fmt: skip
        axes.set_title(name.replace("_", " "), loc="left", fontweight="bold")
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        if "loss" in name:
            axes.set_ylim(bottom=0)
        elif "accuracy" in name:
            axes.yaxis.set_major_formatter(PercentFormatter(1.0))
        axes.legend(frameon=False)
    figure.savefig(path, dpi=150)
    return Path(path)
