"""Elementwise functions."""

from __future__ import annotations

from handgrad.layers.samples.sample import N, Sample, above_one, inside, labels, positive, real, row

ROWS: tuple[Sample, ...] = (
    row("Add", real(N, 3), real(N, 3)),
    row("Sub", real(N, 3), real(N, 3)),
    row("Mul", real(N, 3), real(N, 3)),
    row("Div", real(N, 3), positive(N, 3)),
    row("Neg", real(N, 3)),
    row("Pow", positive(N, 3), real(N, 3)),
    row("Exp", real(N, 3)),
    row("Log", positive(N, 3)),
    row("Sqrt", positive(N, 3)),
    row("Log1p", positive(N, 3)),
    row("Expm1", real(N, 3)),
    row("Erf", real(N, 3)),
    *(row(name, real(N, 3)) for name in ("Sin", "Cos", "Tan", "Arctan")),
    *(row(name, real(N, 3)) for name in ("Sinh", "Cosh", "Arcsinh")),
    *(row(name, inside(N, 3)) for name in ("Arcsin", "Arccos", "Arctanh")),
    row("Arccosh", above_one(N, 3)),
    row("Abs", real(N, 3)),
    row("Maximum", real(N, 3), real(N, 3)),
    row("Minimum", real(N, 3), real(N, 3)),
    row("Where", labels(N, 3, classes=2), real(N, 3), real(N, 3)),
    row("Clip", real(N, 3), low=-0.5, high=0.7),
    row("Clip", real(N, 3), low=None, high=0.1),
)  # fmt: skip
