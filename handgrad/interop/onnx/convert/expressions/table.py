"""The table of expressions by the names of operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.tensor import Tensor

EXPRESSIONS: dict[str, Callable[..., Any]] = {}


class NoExpression(Exception):
    """With these attributes or shapes the operator is none: it is interpreted."""


def expression(*names: str) -> Callable[..., Any]:
    """Enter an expression under these operators' names."""

    def enter(function: Callable[..., Any]) -> Callable[..., Any]:
        EXPRESSIONS.update(dict.fromkeys(names, function))
        return function

    return enter


def dtype_of(*xs: Any) -> Any:
    """That of the first tensor."""
    return next(x.dtype for x in xs if isinstance(x, Tensor))


def number(x: Any) -> Any:
    """An array of one element as a number."""
    return x if x is None or isinstance(x, Tensor) else float(np.asarray(x).reshape(()))
