"""Affine, and products of matrices."""

from __future__ import annotations

from handgrad.layers.samples.sample import N, Sample, real, row

ROWS: tuple[Sample, ...] = (
    row("Affine", real(N, 3), outputs=2, seed=1),
    row("Affine", real(N, 2, 3), outputs=4, inputs=3, seed=1),
    row("Affine", real(N, 3), outputs=2, bias=False, init=0.5, seed=1),
    row("MatMul", real(N, 3), real(3, 4)),
    row("MatMul", real(N, 2, 3), real(N, 3, 4)),
    row("Einsum", real(N, 3), real(3, 4), subscripts="ik,kj->ij"),
    row("Einsum", real(N, 3), real(3), real(N), subscripts="ij,j,i->i"),
    row("Einsum", real(3, 4, 3), subscripts="iji->i"),
    row("Einsum", real(N, 2, 3), real(3, 3), subscripts="...i,ii->..."),
    row("Einsum", real(3), real(4), subscripts="i,j->i"),
)  # fmt: skip
