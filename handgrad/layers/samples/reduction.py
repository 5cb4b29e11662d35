"""Reductions."""

from __future__ import annotations

from handgrad.layers.samples.sample import N, Sample, real, row

ROWS: tuple[Sample, ...] = (
    row("Sum", real(N, 3)),
    row("Sum", real(N, 3, 4), axis=1),
    row("Sum", real(N, 3, 4), axis=(0, -1), keepdims=True),
    row("Mean", real(N, 3)),
    row("Mean", real(N, 3, 4), axis=-1, keepdims=True),
    row("Mean", real(N, 3, 4), axis=(1, 2)),
    row("Max", real(N, 3)),
    row("Max", real(N, 3, 4), axis=1),
    row("Max", real(N, 3, 4), axis=(-1, 0), keepdims=True),
    row("CumSum", real(N, 3)),
    row("CumSum", real(N, 3, 4), axis=1),
    row("Prod", real(N, 3)),
    row("Prod", real(N, 3, 4), axis=(0, 2), keepdims=True),
    row("Var", real(N, 3)),
    row("Var", real(N, 3, 4), axis=(1, -1), ddof=1),
    row("Std", real(N, 4), axis=1, keepdims=True),
    row("Std", real(N, 4), axis=-1, ddof=1),
    row("LogSumExp", real(N, 3)),
    row("LogSumExp", real(N, 3, 4), axis=1, keepdims=True),
    row("Norm", real(N, 3)),
    row("Norm", real(N, 3), p=1, axis=-1),
    row("Norm", real(N, 3, 4), p=3, axis=(1, 2), keepdims=True),
)  # fmt: skip
