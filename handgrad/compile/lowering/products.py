"""Rows for x @ W and its gradients."""

from __future__ import annotations

from handgrad.arrays import Array
from handgrad.compile.builder import Builder
from handgrad.compile.stages import small
from handgrad.compile.values import NO_EPILOGUE, Address, Epilogue, NotNative, Size, Value, at_most

_LONG, _PARTS = 512, 2  # terms of a sum from which on it is made in parts, and how many
_SAMPLES = 4  # so many times as long as the batch is large, where the matrix is large


def product(
    b: Builder, rows: Size, x: Value | Address, W: Array, bias: Array | None, y: Value, *,
    indexed: bool = False, epilogue: Epilogue = NO_EPILOGUE,
) -> None:  # fmt: skip
    """y = f(x @ W + bias) on so many rows; indexed: x is the data, whose rows the batch picks."""
    D, M = W.shape
    if D >= _LONG and _by_parts(b, rows, D, M, indexed):
        sums = b.value((_PARTS, *y.shape))
        b.row("partial", rows, M, D, x, D, 1, indexed, b.parameter(W), M, 1, sums, _PARTS)
        b.row(
            "sum_parts", rows, M, _PARTS, sums, y, *[None] * 7,
            None if bias is None else b.parameter(bias), epilogue.code, reals=epilogue.options,
        )  # fmt: skip
        return
    b.row(
        "product", rows, M, D, x, D, 1, indexed, b.parameter(W), M, 1, y, M,
        None if bias is None else b.parameter(bias), epilogue.code, None, False,
        reals=epilogue.options,
    )  # fmt: skip


def _by_parts(b: Builder, rows: Size, D: int, M: int, indexed: bool) -> bool:
    """Whether threads share out D, so that each reads the rows of W that it updated itself.

    Of a large matrix these must be more than what threads then read of each other's sums.
    """
    if small(D, M):
        return indexed
    return b.trains and at_most(rows, b.batch) * _SAMPLES <= D


def product_dx(
    b: Builder, rows: Size, dy: Value, W: Array, x: Value, dx: Value | None = None, *,
    through_epilogue: bool = False,
) -> Value:  # fmt: skip
    """dy @ Wᵀ, added to dx where there is one; through_epilogue: and back through that of x."""
    D, M = W.shape
    code, options, y = b.derivative(x) if through_epilogue else NO_EPILOGUE
    add = dx is not None
    dx = dx or b.value(x.shape)
    dx.through_epilogue = y is not None
    b.row(
        "product", rows, D, M, dy, M, 1, False, b.parameter(W), 1, M, dx, D, None, code, y, add,
        reals=options,
    )  # fmt: skip
    return dx


def product_dW(
    b: Builder, rows: Size, x: Value | Address, dy: Value, W: Array, bias: Array | None,
    x_step: int = 0, *, indexed: bool = False, later: bool = False,
) -> None:  # fmt: skip
    """dW = xᵀ @ dy and dbias = Σ dy; x_step: words from one row of x to the next.

    later: nothing writes to x and dy any more, so that the row may wait until the others are done.
    """
    D, M = W.shape
    dW, db, add = gradients(b, W, bias)
    if dW is not None:
        later = later and not add and small(D, M) and small(at_most(rows, b.batch), D + M)
        (b.later if later else b.row)(
            "weights", D, M, rows, x, 0, x_step or D, indexed, dy, M, 0, dW, M, db, 0, 0, add
        )  # fmt: skip


def gradients(
    b: Builder, W: Array, bias: Array | None
) -> tuple[Address | None, Address | None, bool]:
    """Where dW and dbias go, and whether to add to them."""
    dW, add = b.gradient(W)
    db, _ = (None, False) if bias is None else b.gradient(bias)
    if bias is not None and (dW is None) != (db is None):
        raise NotNative("only one of a matrix and its bias is frozen")
    return dW, db, add
