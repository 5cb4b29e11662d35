"""What the scripts of the gallery share: the short form, pictures, and where results are kept.

A script runs by itself, `python examples/gallery/gates.py`, and writes its picture and its result
into docs/gallery/; with --short it runs for a few seconds, and writes nothing. `python
examples/gallery` runs all of them. Data sets that do not come with handgrad are looked for in the
folder that the environment variable HANDGRAD_DATA names.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

try:
    import matplotlib as mpl
except ImportError:
    raise SystemExit(
        "the gallery draws with matplotlib, which is missing: pip install matplotlib"
    ) from None
mpl.use("Agg")
mpl.rcParams.update({"font.size": 8, "figure.constrained_layout.use": True, "axes.grid": False})
import matplotlib.pyplot as plt  # noqa: E402 - after the backend is chosen

SHORT = "--short" in sys.argv or bool(os.environ.get("HANDGRAD_SHORT"))
ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "gallery"
sys.path.append(str(ROOT / "examples"))  # the examples beside the gallery
warnings.filterwarnings("error")
clock = [time.perf_counter()]


def of(long: Any, short: Any) -> Any:
    """The first, or in the short form the second."""
    return short if SHORT else long


def panels(columns: int, rows: int = 1, width: float = 2.6, height: float = 2.2) -> Any:
    """A figure, and its axes in a row."""
    figure, axes = plt.subplots(rows, columns, figsize=(width * columns, height * rows))
    return figure, np.ravel(axes)


def curves(axes: Any, title: str, x: str = "", y: str = "", **lines: Any) -> None:
    """Lines with their names; a line is the values, or (xs, values)."""
    for name, line in lines.items():
        axes.plot(*(line if isinstance(line, tuple) else (line,)), label=name.replace("_", " "))
    axes.set(title=title, xlabel=x, ylabel=y)
    if len(lines) > 1:
        axes.legend(frameon=False)


def images(axes: Any, title: str, x: Any, columns: int = 8, **options: Any) -> None:
    """Pictures (N, H, W), or (N, 3, H, W) in colour, as a grid."""
    x = np.asarray(x)
    x = x[: len(x) // columns * columns or len(x)]
    columns = min(columns, len(x))
    edges = [(0, 0)] * (x.ndim - 2) + [(1, 1), (1, 1)]
    x = np.pad(x, edges, constant_values=x.max())
    rows = [np.concatenate(list(x[i : i + columns]), axis=-1) for i in range(0, len(x), columns)]
    grid = np.concatenate(rows, axis=-2)
    if grid.ndim == 3:
        axes.imshow(np.clip(grid.transpose(1, 2, 0), 0, 1), **options)
    else:
        axes.imshow(grid, **{"cmap": "gray", **options})
    axes.set(title=title, xticks=[], yticks=[])


def done(script: str, picture: Any, result: str) -> None:
    """Say the result; in the long form, keep it and the picture: a figure, or SVG as text."""
    seconds, name = time.perf_counter() - clock[0], Path(script).stem
    clock[0] = time.perf_counter()
    print(f"{name}: {result} ({seconds:.0f} s)", flush=True)
    if not SHORT:
        PAGES.mkdir(exist_ok=True)
        if isinstance(picture, str):
            (PAGES / f"{name}.svg").write_text(picture, encoding="utf-8")
        else:
            picture.savefig(PAGES / f"{name}.png", dpi=80, metadata={"Software": None})
        (PAGES / f"{name}.txt").write_text(f"{seconds:.0f}\n{result}\n", encoding="utf-8")
    plt.close("all")


def handwritten(*, images: bool = False) -> tuple[str, Any, Any, Any, Any]:
    """MNIST where its folder is known, else the small digits that come with handgrad, divided."""
    from handgrad.datasets import digits, mnist
    from handgrad.train import split

    try:
        (x, t), (x_test, t_test) = mnist(images=images)
    except FileNotFoundError:
        return ("digits", *split(*digits(images=images)))
    return "MNIST", x, t, x_test, t_test


def english() -> str:
    """A text that comes with Python: its language reference, as help() shows it."""
    from pydoc_data.topics import topics

    return " ".join(topics[name] for name in sorted(topics))


def judge() -> Any:
    """From pictures of digits (N, 1, 8, 8) to probabilities, by a network that knows them."""
    from handgrad import Adam, Affine, Convolution, Flatten, ReLU, Sequential, Softmax, fit
    from handgrad.datasets import digits

    network = Sequential(Convolution(32, 3), ReLU(), Flatten(), Affine(10), seed=9)
    fit(network, *digits(images=True), optimizer=Adam(0.003), epochs=of(30, 2), batch=64)
    return lambda x: Softmax().forward(network.predict(x))


def quality(p: Any) -> str:
    """Of pictures by their probabilities: how many are clear, and how many different digits."""
    clear, kinds = np.mean(p.max(axis=1) > 0.9), p.mean(axis=0)
    different = np.exp(-np.sum(kinds * np.log(kinds + 1e-12)))
    return f"{clear:.0%} clear digits, as varied as {different:.1f} of 10 classes"
