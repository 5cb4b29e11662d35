"""The public names, each with its page: where it belongs, and its example."""

from __future__ import annotations

import importlib
import inspect
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent
EXAMPLES = HERE / "examples"
# Title of a group, and the module whose names stand in it; the first that has a name keeps it.
GROUPS = [
    ("Networks", "handgrad.network"),
    ("Layers", "handgrad.layers"),
    ("Optimizers and schedules", "handgrad.optim"),
    ("Metrics", "handgrad.metrics"),
    ("Data sets", "handgrad.datasets"),
    ("Text", "handgrad.train.text"),
    ("Training and data", "handgrad.train"),
    ("Proof", "handgrad.prove"),
    ("Checking optimizers", "handgrad.optimcheck"),
    ("Test suites", "handgrad.testing"),
    ("Pictures of graphs", "handgrad.explain"),
    ("Pictures with matplotlib", "handgrad.plots"),
    ("Attribution", "handgrad.attribution"),
    ("Runs in files", "handgrad.report"),
    ("Search", "handgrad.searching"),
    ("Online", "handgrad.stream"),
    ("Estimators", "handgrad.sklearn"),
    ("C", "handgrad.interop.c"),
    ("Files", "handgrad.interop.files"),
    ("Native programs", "handgrad.compile"),
    ("Tensors", "handgrad"),
]
NO_PAGE = {"lowering", "optim", "RULES"}  # modules and tables, told about in the guides


@dataclass(frozen=True)
class Name:
    """One public name: its group, the module to import it from, and what it is."""

    name: str
    group: str
    module: str
    value: Any

    @property
    def family(self) -> str:
        """The family of a layer: the folder or file that it stands in."""
        parts = getattr(self.value, "__module__", "").split(".")
        return parts[2] if self.group == "Layers" and len(parts) > 2 else ""

    @property
    def path(self) -> str:
        """Of the page, from the documentation's root."""
        folder = re.sub(r"\W+", "-", self.group.lower())
        return f"api/{folder}/{self.name}.md"


def public_names() -> list[Name]:
    """All of them, by group."""
    top = set(importlib.import_module("handgrad").__all__)
    found: dict[str, Name] = {}
    for group, module in GROUPS:
        home = importlib.import_module(module)
        for name in sorted(home.__all__, key=str.lower):
            if name not in found and name not in NO_PAGE:
                seen_from = "handgrad" if name in top else module
                found[name] = Name(name, group, seen_from, getattr(home, name))
    return list(found.values())


def examples() -> dict[str, str]:
    """The examples that are written by hand: `# %% A, B` begins that of A and B, {NAME}."""
    found: dict[str, str] = {}
    for path in sorted(EXAMPLES.glob("*.txt")):
        for names, code in re.findall(r"^# %% (.*)\n((?:(?!# %%).*\n?)*)", path.read_text(), re.M):
            for name in names.split(", "):
                found[name] = code.strip("\n").replace("{NAME}", name) + "\n"
    return found


def source_of(value: Any) -> tuple[str, str] | None:
    """Where in the repository something is defined, and its code."""
    try:
        path, code = inspect.getsourcefile(value), inspect.getsource(value)
    except (TypeError, OSError):
        return None
    if path is None or ROOT not in Path(path).resolve().parents:
        return None
    return Path(path).resolve().relative_to(ROOT).as_posix(), inspect.cleandoc(code)
