"""The modules `common` and `dataset` of the books' scripts, served from handgrad."""

from __future__ import annotations

import importlib.abc
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from handgrad.book import original
from handgrad.book.common import trainer

ROOMS = ("common", "dataset")


class Shelf(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds `common`, `dataset` and what is in them, and no other module.

    A module is a copy of the names in handgrad's of the same name, some of them exchanged: where
    the two books use one name for two things, and where the original's mistakes are wanted.
    """

    def __init__(self, book: int, strict: bool):
        self.exchanged: dict[str, Any] = {}
        if book == 2:
            self.exchanged["Trainer"] = trainer.ModelTrainer
        if strict:
            self.exchanged |= original.MISTAKES[book]

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.split(".")[0] not in ROOMS:
            return None
        source = importlib.util.find_spec(f"handgrad.book.{name}")
        if source is None:
            return None
        return ModuleSpec(name, self, is_package=source.submodule_search_locations is not None)

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        source = vars(importlib.import_module(f"handgrad.book.{module.__name__}"))
        names = {n: v for n, v in source.items() if not n.startswith("_")}
        if hasattr(module, "__path__"):  # a package's modules come when they are imported
            names = {}
        exchanged = {n: v for n, v in self.exchanged.items() if n in names}
        vars(module).update(names | exchanged)


@contextmanager
def served(book: int, strict: bool, root: Path) -> Iterator[None]:
    """Inside, `common` and `dataset` come from handgrad, ahead of any folder of these names.

    Afterwards they, and the modules imported from the book's own folder `root`, are forgotten.
    """
    before = dict(sys.modules)
    shelf = Shelf(book, strict)
    for name in list(sys.modules):
        if name.split(".")[0] in ROOMS:
            del sys.modules[name]
    sys.meta_path.insert(0, shelf)
    try:
        yield
    finally:
        sys.meta_path.remove(shelf)
        for name, module in list(sys.modules.items()):
            if name.split(".")[0] in ROOMS or comes_from(module, root):
                del sys.modules[name]
        sys.modules.update({n: m for n, m in before.items() if n.split(".")[0] in ROOMS})


def comes_from(module: Any, root: Path) -> bool:
    """Whether a module's file, or the folder of a package without one, lies in `root`."""
    file = getattr(module, "__file__", None)
    folders = [file] if file else list(getattr(module, "__path__", []))
    return any(root in Path(folder).resolve().parents for folder in folders)
