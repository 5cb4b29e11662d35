"""Names of modules: parts that are imported when first asked for, and answers to unknown names."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from importlib import import_module
from opcode import opmap
from typing import Any

from handgrad.foreign import ARGUMENTS, FOREIGN

PUBLIC: dict[str, list[str]] = {}  # the public names of each module that has been imported


def names_of(
    module: str,
    public: Iterable[str],
    *,
    later: Mapping[str, Iterable[str]] | None = None,
    modules: Mapping[str, str] | None = None,
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a module: they show and find all its public names.

    public:  the names in `__all__`, which need not be imported yet.
    later:   names by the module that they are imported from when first asked for.
    modules: modules by the name that they have here, imported when first asked for.

    Raises AttributeError for any other name, with the name that handgrad has for it.
    """
    modules = modules or {}
    public = PUBLIC[module] = [*public, *modules]
    source = {name: path for path, names in (later or {}).items() for name in names}

    def find(name: str) -> Any:
        if name in modules:
            return import_module(modules[name])
        if name in source:
            return getattr(import_module(source[name]), name)
        raise unknown(module, name)

    def show() -> list[str]:
        special = [name for name in vars(sys.modules[module]) if name.startswith("__")]
        return sorted({*public, *special})

    return find, show


def unknown(module: str, name: str) -> AttributeError | ImportError:
    """The error for a name that a module lacks, saying which name was meant.

    In `from module import name` it is an ImportError: Python drops the text of another one.
    """
    text = f"module {module!r} has no attribute {name!r}"
    called, _, note = ours(module, name).partition(": ")
    if called:
        last = called.rpartition(".")[2]
        full = last if last in PUBLIC[module] else f"handgrad.{called}"
        text += f"; handgrad calls it {full}" + (f": {note}" if note else "")
    caller = sys._getframe(2)  # beyond __getattr__
    if caller.f_code.co_code[caller.f_lasti] == opmap["IMPORT_FROM"]:
        return ImportError(text, name=module)
    return AttributeError(text, name=name, obj=sys.modules.get(module))


def explain_arguments(cls: type, named: Iterable[str]) -> None:
    """TypeError for a constructor's keyword arguments that have another name in handgrad."""
    for name in ARGUMENTS.keys() & named:
        taken = inspect.signature(cls.__init__).parameters  # type: ignore[misc]
        if name in taken or any(p.kind is p.VAR_KEYWORD for p in taken.values()):
            continue
        for called in ARGUMENTS[name]:
            if called in taken:
                raise TypeError(
                    f"{cls.__name__} has no argument {name!r}; handgrad calls it {called!r}"
                )


def ours(module: str, name: str) -> str:
    """What handgrad calls something, from `handgrad.` on; "" where nothing comes close.

    By the table, else the same name in another module, else the closest name of this module.
    """
    if name in FOREIGN:
        return FOREIGN[name]
    elsewhere = [f"{path}.{name}" for path, names in PUBLIC.items() if name in names]
    if elsewhere:
        return min(elsewhere, key=len).removeprefix("handgrad.")
    known = {_plain(word): word for word in (*FOREIGN, *PUBLIC[module])}
    close = get_close_matches(_plain(name), known, n=1, cutoff=0.8)
    found = known[close[0]] if close and not name.startswith("_") else ""
    return FOREIGN.get(found, found)


def _plain(name: str) -> str:
    """A name without case and underscores: most near misses are then the same."""
    return name.replace("_", "").lower()
