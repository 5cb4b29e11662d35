"""The pictures: each system's time as a multiple of handgrad's, and the curves of scaling."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.figures import in_units, ratio
from benchmarks.systems import CURVES, KINDS

INK, PALE = "#22252b", "#8a8f99"
COLORS = {
    "handgrad_system": "#c2185b", "torch_system": "#e8893a", "jax_system": "#3b8ea5",
    "sklearn_system": "#a5a15c", "numpy_plain": "#9aa3b2",
}  # fmt: skip
FAMILIES = {"handgrad_system": "handgrad", "torch_system": "PyTorch", "jax_system": "JAX",
            "sklearn_system": "scikit-learn", "numpy_plain": "NumPy"}  # fmt: skip
STYLE = {
    "font.family": "DejaVu Sans", "font.size": 9, "text.color": INK, "axes.labelcolor": INK,
    "axes.edgecolor": PALE, "xtick.color": PALE, "ytick.color": INK, "svg.fonttype": "none",
    "axes.spines.top": False, "axes.spines.right": False,
}  # fmt: skip


def draw_ratios(found: list[dict[str, Any]], about: str, folder: Path) -> None:
    """A panel of bars for each workload, two side by side."""
    import matplotlib.pyplot as plt
    from matplotlib.patches import Patch

    columns = min(2, len(found))
    starts = range(0, len(found), columns)
    heights = [0.7 + 0.26 * max(len(w["systems"]) for w in found[i : i + columns]) for i in starts]
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            len(heights), columns, figsize=(6.6 * columns, 1.2 + sum(heights)), squeeze=False,
            height_ratios=heights,
        )  # fmt: skip
        for ax, workload in zip(axes.flat, found):
            draw_workload(ax, workload)
        for ax in axes.flat[len(found) :]:
            ax.axis("off")
        families = {m: FAMILIES[m] for m in FAMILIES if any(
            KINDS[name].module == m for w in found for name in w["systems"])}  # fmt: skip
        handles = [Patch(color=COLORS[m], label=name) for m, name in families.items()]
        frame(figure, "Time of a training step, as a multiple of handgrad's", about, handles)
        save(figure, folder / "ratios")
        plt.close(figure)


def draw_workload(ax: Any, workload: dict[str, Any]) -> None:
    """The fastest system on top. Bars begin at handgrad's time: slower to the right of it."""
    ratios = {name: ratio(workload, name) for name in workload["systems"]}
    names = sorted(ratios, key=lambda name: -ratios[name])
    low, high = min(ratios.values()), max(ratios.values())
    for y, name in enumerate(names):
        value, ours = ratios[name], name == "handgrad"
        color = COLORS[KINDS[name].module]
        ax.barh(y, value - 1, 0.66, left=1, color=color,
                alpha=0.4 if name == "handgrad-eager" else 0.85)  # fmt: skip
        if ours:
            ax.plot(1, y, "o", color=color, markersize=8)
        ax.annotate(
            f"{value:.2f}×" if value < 10 else f"{value:.0f}×", (max(value, 1), y), (8, 0),
            textcoords="offset points", va="center", fontweight="bold" if ours else "normal",
        )  # fmt: skip
        time = in_units(median(workload["systems"][name]["times"]))
        ax.text(1, y, time, va="center", ha="right", color=PALE, transform=ax.get_yaxis_transform())
    ax.axvline(1, color=COLORS["handgrad_system"], linewidth=1, zorder=0)
    ax.set_xscale("log")
    span = max(high, 2) / min(low, 0.9)
    ax.set_xlim(min(low, 0.9) / span**0.05, max(high, 2) * span**0.55)
    ax.xaxis.set_visible(False)
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.set_yticks(range(len(names)), [KINDS[name].label for name in names])
    ax.get_yticklabels()[names.index("handgrad")].set_fontweight("bold")
    ax.tick_params(axis="y", length=0)
    head(ax, workload["name"], workload["title"])


def draw_curves(scaling: dict[str, Any], about: str, folder: Path) -> None:
    """A panel for each curve: the time of a step."""
    import matplotlib.pyplot as plt

    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            1, len(scaling), figsize=(4.6 * len(scaling), 4.8), squeeze=False
        )
        for ax, (name, curve) in zip(axes.flat, scaling.items()):
            draw_curve(ax, name, curve)
        handles = axes.flat[0].get_legend_handles_labels()[0]
        frame(figure, "How the time of a training step grows", about, handles)
        save(figure, folder / "scaling")
        plt.close(figure)


def draw_curve(ax: Any, name: str, curve: dict[str, Any]) -> None:
    """A line for each system over the points where it ran."""
    points = {int(size): systems for size, systems in curve["points"].items()}
    for kind in CURVES:
        sizes = [size for size, systems in points.items() if kind.name in systems]
        times = [1e3 * median(points[size][kind.name]) for size in sizes]
        ours = kind.name == "handgrad"
        ax.plot(
            sizes, times, label=kind.label, color=COLORS[kind.module], marker="o", markersize=4,
            linewidth=2.4 if ours else 1.4, zorder=3 if ours else 2,
            linestyle="--" if kind.options.get("scan") else "-",
        )  # fmt: skip
    if name == "cores":
        ax.set_ylim(bottom=0)
    else:
        ax.set_xscale("log", base=2)
        ax.set_yscale("log")
    ax.set_xticks(list(points), [str(size) for size in points])
    ax.minorticks_off()
    ax.yaxis.set_major_formatter(lambda ms, _: in_units(ms / 1e3))
    ax.tick_params(axis="y", labelcolor=PALE)
    ax.grid(axis="y", color="#e6e8ec", linewidth=0.8)
    head(ax, name, curve["title"])


def head(ax: Any, title: str, about: str) -> None:
    """What a panel shows, in two lines above it."""
    ax.annotate(title, (0, 1), (0, 16), xycoords="axes fraction", textcoords="offset points",
                fontsize=11, fontweight="bold")  # fmt: skip
    ax.annotate(about, (0, 1), (0, 4), xycoords="axes fraction", textcoords="offset points",
                fontsize=8.5, color=PALE)  # fmt: skip


def frame(figure: Any, title: str, about: str, handles: list[Any]) -> None:
    """Title, machine and legend above the panels, with room for them."""
    inch = 1 / figure.get_figheight()
    left = 0.12 / figure.get_figwidth()
    figure.text(left, 1 - 0.15 * inch, title, fontsize=16, fontweight="bold", va="top")
    figure.text(left, 1 - 0.48 * inch, about, fontsize=8, color=PALE, va="top")
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=(0, 1 - 0.6 * inch),
                  ncols=len(handles), frameon=False)  # fmt: skip
    figure.tight_layout(rect=(0, 0, 1, 1 - 0.95 * inch), h_pad=1.2, w_pad=2)


def save(figure: Any, path: Path) -> None:
    """As PNG and SVG."""
    figure.savefig(path.with_suffix(".png"), dpi=150)
    figure.savefig(path.with_suffix(".svg"))
