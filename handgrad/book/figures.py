"""Pictures of a script: on the screen where there is one, else in files."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def has_screen() -> bool:
    """Whether windows can open here."""
    named = os.environ.get("MPLBACKEND", "").lower()
    if named:
        return named not in ("agg", "cairo", "pdf", "pgf", "ps", "svg", "template")
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


@contextmanager
def pictures_into(folder: Path, name: str) -> Iterator[None]:
    """Inside: without a screen, what a script shows is written to `NAME-figure-1.png` and so on.

    `plt.show()` saves every open figure, and closes it; an image of Pillow is saved as it is.
    Nothing changes where there is a screen, or no matplotlib.
    """
    try:
        import matplotlib
        from matplotlib import pyplot as plt
        from PIL import Image
    except ModuleNotFoundError:
        yield
        return
    if has_screen():
        yield
        return
    count = 0

    def keep(save: Callable[[Path], Any]) -> None:
        nonlocal count
        count += 1
        path = folder / f"{name}-figure-{count}.png"
        save(path)
        print(f"saved {path}")

    def show(*_: Any, **__: Any) -> None:
        for number in plt.get_fignums():
            keep(plt.figure(number).savefig)
        plt.close("all")

    def show_image(self: Any, *_: Any, **__: Any) -> None:
        keep(self.save)

    image: Any = Image.Image
    before = plt.show, image.show, matplotlib.get_backend()
    matplotlib.use("Agg")
    plt.show, image.show = show, show_image
    try:
        yield
    finally:
        plt.close("all")
        plt.show, image.show = before[:2]
        matplotlib.use(before[2])
