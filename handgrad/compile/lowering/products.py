"""Rows for x @ W and its gradients, for layers that hold several matrices."""

from __future__ import annotations

from handgrad.arrays import Array
from handgrad.compile.builder import Builder
from handgrad.compile.values import NotNative, Place, Size, Value


def product(b: Builder, rows: Size, x: Value, W: Array, bias: Array | None, y: Value) -> None:
    """y = x @ W + bias on so many rows."""
    D, M = W.shape
    b.row(
        "product", rows, M, D, x, D, 1, False, b.parameter(W), M, 1, y, M,
        None if bias is None else b.parameter(bias), 0, None, False,
    )  # fmt: skip


def product_dx(b: Builder, rows: Size, dy: Value, W: Array, x: Value, dx: Value | None) -> Value:
    """dy @ Wᵀ, added to dx where there is one already."""
    D, M = W.shape
    add = dx is not None
    dx = dx or b.value(x.shape)
    b.row("product", rows, D, M, dy, M, 1, False, b.parameter(W), 1, M, dx, D, None, 0, None, add)
    return dx


def product_dW(
    b: Builder, rows: Size, x: Value, dy: Value, W: Array, bias: Array | None, x_step: int = 0
) -> None:
    """dW = xᵀ @ dy and dbias = Σ dy; x_step: words from one row of x to the next."""
    D, M = W.shape
    dW, db, add = gradients(b, W, bias)
    if dW is not None:
        b.row(
            "weights", D, M, rows, x, 0, x_step or D, False, dy, M, 0, dW, M, db, 0, 0, add
        )  # fmt: skip


def gradients(b: Builder, W: Array, bias: Array | None) -> tuple[Place | None, Place | None, bool]:
    """Where dW and dbias go, and whether to add to them."""
    dW, add = b.gradient(W)
    db, _ = (None, False) if bias is None else b.gradient(bias)
    if bias is not None and (dW is None) != (db is None):
        raise NotNative("only one of a matrix and its bias is frozen")
    return dW, db, add
