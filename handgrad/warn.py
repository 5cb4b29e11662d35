"""Warnings that point to the user's own line."""

from __future__ import annotations

import sys
import warnings


def warn_user(text: str, category: type[Warning] = UserWarning) -> None:
    """Warn of what the nearest caller outside this package does."""
    level, frame = 2, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == "handgrad":
        level, frame = level + 1, frame.f_back
    warnings.warn(text, category, stacklevel=level)
