"""Pictures of a script: on the screen where there is one, else in files."""

from __future__ import annotations

import importlib.abc
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
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
    Nothing changes where there is a screen, and nothing is imported that a script does not import.
    """
    count = 0

    def keep(save: Callable[[Path], Any]) -> None:
        nonlocal count
        count += 1
        path = folder / f"{name}-figure-{count}.png"
        save(path)
        print(f"saved {path}")

    def draw_into_files(plt: Any) -> None:
        def show(*_: Any, **__: Any) -> None:
            for number in plt.get_fignums():
                keep(plt.figure(number).savefig)
            plt.close("all")

        afterwards.callback(plt.switch_backend, plt.get_backend())
        afterwards.callback(setattr, plt, "show", plt.show)
        afterwards.callback(plt.close, "all")
        plt.switch_backend("agg")
        plt.show = show

    def keep_images(module: Any) -> None:
        afterwards.callback(setattr, module.Image, "show", module.Image.show)
        module.Image.show = lambda self, *_, **__: keep(self.save)

    with ExitStack() as afterwards:
        if not has_screen():
            afterwards.enter_context(on_import("matplotlib.pyplot", draw_into_files))
            afterwards.enter_context(on_import("PIL.Image", keep_images))
        yield


class OnImport(importlib.abc.MetaPathFinder):
    """Finds one module as Python would, and acts on it as soon as it has been imported."""

    def __init__(self, name: str, act: Callable[[ModuleType], None]):
        self.name, self.act = name, act

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != self.name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            loader: Any = spec.loader
            run = loader.exec_module

            def run_and_act(module: ModuleType) -> None:
                run(module)
                self.act(module)

            loader.exec_module = run_and_act
        return spec


@contextmanager
def on_import(name: str, act: Callable[[ModuleType], None]) -> Iterator[None]:
    """Inside: `act` on the module when it is imported, or at once if it is."""
    if name in sys.modules:
        act(sys.modules[name])
        yield
        return
    finder = OnImport(name, act)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)
