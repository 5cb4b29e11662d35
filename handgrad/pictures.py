"""Pictures of what lies below the room that draws them: that room is entered here by name."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_entered: list[str] = []


def enter(module: str) -> None:
    """Let a module's function `small_picture` draw, imported once it is needed."""
    _entered[:] = [module]


def small_picture(thing: Any) -> str | None:
    """A thing as SVG, or None where it is too large to be drawn unasked."""
    svg: str | None = import_module(_entered[0]).small_picture(thing) if _entered else None
    return svg
