"""The layer classes that a model file may name: handgrad's own, and those handed over.

A name in a file is looked up in these tables and nowhere else: nothing is imported, and nothing
but a layer class can be found.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import handgrad.layers
from handgrad import network
from handgrad.layer import Layer
from handgrad.layers.init import RULES

CONTAINERS = (network.Sequential, network.Residual, network.Parallel)

LAYERS: dict[str, type] = {cls.__name__: cls for cls in CONTAINERS} | {
    name: thing
    for name in handgrad.layers.__all__
    if isinstance(thing := getattr(handgrad.layers, name), type) and issubclass(thing, Layer)
}


def is_layer_class(thing: Any) -> bool:
    """Whether thing is a class with forward and backward."""
    return isinstance(thing, type) and all(
        callable(getattr(thing, method, None)) for method in ("forward", "backward")
    )


def is_own(cls: type) -> bool:
    """Whether a class is handgrad's, and not another of the same name."""
    return LAYERS.get(cls.__name__) is cls


def users(classes: Iterable[type] | type) -> dict[str, type]:
    """The classes handed over, or the one, by name. ValueError for what is no layer class."""
    if isinstance(classes, type):
        classes = (classes,)
    if not isinstance(classes, Iterable):
        raise ValueError(f"classes: a list of layer classes is needed, got {classes!r}")
    found: dict[str, type] = {}
    for cls in classes:
        if not is_layer_class(cls):
            raise ValueError(f"classes: layer classes are needed, with forward and backward; "
                             f"got {cls!r}")  # fmt: skip
        if found.setdefault(cls.__name__, cls) is not cls:
            raise ValueError(f"classes: two classes are called {cls.__name__}")
    return found


def rule_name(function: Any) -> str | None:
    """The name of a rule for initial weights; None for any other function."""
    return next((name for name, rule in RULES.items() if rule is function), None)
