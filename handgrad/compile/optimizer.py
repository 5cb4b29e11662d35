"""Optimizers as rows over the flat buffers."""

from __future__ import annotations

from typing import Any

from handgrad.compile.builder import Builder
from handgrad.compile.values import NotNative
from handgrad.network import Network


def lower_optimizer(b: Builder, optimizer: Any, network: Network) -> None:
    """Append the rows of one update of all parameters."""
    raise NotNative(f"{type(optimizer).__name__} has no native form")
