"""Rows for x @ W and its gradients."""

from __future__ import annotations

from typing import Any

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
    epilogues = {"bias": None if bias is None else b.parameter(bias), **epilogue.arguments}
    if D >= _LONG and _by_parts(b, rows, D, M, indexed):
        sums = b.value((_PARTS, *y.shape))
        b.row(
            "partial", **factors(rows, x, (D, M), b.parameter(W), indexed), parts=_PARTS, sums=sums
        )
        b.row("sum_parts", M=rows, N=M, parts=_PARTS, sums=sums, C=y, **epilogues)
        return
    b.row("product", **factors(rows, x, (D, M), b.parameter(W), indexed), C=y, C_row=M, **epilogues)


def factors(
    rows: Size, x: Value | Address, sizes: tuple[Any, ...], W: Value | Address,
    indexed: bool = False, *, transposed: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """The arguments of a kernel for x @ W, whose sizes are those of W as it lies, or x @ Wᵀ."""
    D, M = sizes
    K, N = (M, D) if transposed else (D, M)
    row, column = (1, M) if transposed else (M, 1)
    return {
        "M": rows, "N": N, "K": K, "A": x, "A_row": K, "A_column": 1, "indexed": indexed,
        "B": W, "B_row": row, "B_column": column,
    }  # fmt: skip


def _by_parts(b: Builder, rows: Size, D: int, M: int, indexed: bool) -> bool:
    """Whether threads share out D, so that each reads the rows of W that it updated itself.

    Of a large matrix these must be more than what threads then read of each other's sums.
    """
    if small(D, M):
        return indexed
    return b.trains and at_most(rows, b.whole) * _SAMPLES <= D


def product_dx(
    b: Builder, rows: Size, dy: Value, W: Array, x: Value, dx: Value | None = None, *,
    through_epilogue: bool = False,
) -> Value:  # fmt: skip
    """dy @ Wᵀ, added to dx where there is one; through_epilogue: and back through that of x."""
    D, M = W.shape
    epilogue = b.derivative(x) if through_epilogue else NO_EPILOGUE
    add = dx is not None
    dx = dx or b.value(x.shape)
    dx.through_epilogue = epilogue.applies
    b.row(
        "product", **factors(rows, dy, (D, M), b.parameter(W), transposed=True), C=dx, C_row=D,
        add=add, **epilogue.arguments,
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
        later = later and not add and small(D, M) and small(at_most(rows, b.whole), D + M)
        (b.later if later else b.row)(
            "weights", M=D, N=M, K=rows, x=x, x_row=x_step or D, indexed=indexed, dy=dy, dy_row=M,
            dW=dW, dW_row=M, db=db, add=add,
        )  # fmt: skip


def gradients(
    b: Builder, W: Array, bias: Array | None
) -> tuple[Address | None, Address | None, bool]:
    """Where dW and dbias go, and whether to add to them."""
    dW, db, add = b.gradients(W, bias)
    if bias is not None and (dW is None) != (db is None):
        raise NotNative("only one of a matrix and its bias is frozen")
    return dW, db, add
