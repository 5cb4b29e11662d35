"""Products of matrices, and the determinant."""

from __future__ import annotations

import numpy as np

from handgrad.interop.onnx.operators.registry import operator


@operator("MatMul")
def matmul(a, b):
    return np.matmul(a, b)


@operator("Gemm")
def gemm_before_7(a, b, c, *, alpha=1.0, beta=1.0, transA=0, transB=0, broadcast=0):
    return gemm(a, b, c, alpha=alpha, beta=beta, transA=transA, transB=transB)


@operator("Gemm", since=7)
def gemm(a, b, c=None, *, alpha=1.0, beta=1.0, transA=0, transB=0):
    """alpha · a·b + beta · c, either matrix transposed on request."""
    y = (a.T if transA else a) @ (b.T if transB else b)
    y = y if alpha == 1 else (alpha * y).astype(a.dtype)
    if c is not None:
        y = y + (c if beta == 1 else (beta * c).astype(a.dtype))
    return y


@operator("Einsum", since=12)
def einsum(*xs, equation):
    return np.einsum(equation.replace(" ", ""), *xs)


@operator("Det", since=11)
def det(x):
    return np.asarray(np.linalg.det(x.astype(np.float64)), x.dtype)
