"""Engines of predictions by name: rooms above enter theirs, networks ask for them here.

An engine is a function (network, x, batch, required) -> y of the predictions for x, or None where
it has none for this network; where it is required it then raises ValueError with the reason.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from handgrad.arrays import Array

Predict = Callable[[Any, Array, int, bool], Array | None]
NAMES = ("auto", "native", "numpy")  # auto: native where the network has such a form

_entered: dict[str, str] = {}
_loaded: dict[str, Predict] = {}


def enter(name: str, module: str) -> None:
    """Let a module's function `predict` be the engine of that name, imported once it is needed."""
    _entered[name] = module


def check_name(name: Any) -> str:
    """The name itself, if an engine has it. Raises ValueError with the names that there are."""
    if not isinstance(name, str) or name not in NAMES:
        raise ValueError(f"engine: one of {', '.join(map(repr, NAMES))} is needed, got {name!r}")
    return name


def predictions(name: str, network: Any, x: Array, batch: int, required: bool) -> Array | None:
    """What the engine of that name predicts, or None where it is for NumPy to do.

    Raises ValueError for another name.
    """
    name = "native" if check_name(name) == "auto" else name
    if name not in _entered:
        return None
    if name not in _loaded:
        _loaded[name] = import_module(_entered[name]).predict
    return _loaded[name](network, x, batch, required)
