"""Distributions of policies."""

from __future__ import annotations

from handgrad.layers.samples.sample import N, Sample, labels, real, row

ROWS: tuple[Sample, ...] = (
    row("CategoricalLogProb", real(N, 4), labels(N, classes=4)),
    row("CategoricalLogProb", real(N, 3, 4), labels(N, 3, classes=4)),
    row("CategoricalEntropy", real(N, 4)),
    row("CategoricalEntropy", real(N, 3, 4)),
    row("CategoricalKL", real(N, 4), real(N, 4)),
    row("CategoricalKL", real(N, 3, 4), real(N, 3, 4)),
    row("NormalLogProb", real(N, 3), real(N, 3, scale=0.5), real(N, 3)),
    row("NormalLogProb", real(N), real(N, scale=0.5), real(N)),
    row("NormalEntropy", real(N, 3)),
    row("NormalEntropy", real(N)),
    row("NormalKL", real(N, 3), real(N, 3, scale=0.5), real(N, 3), real(N, 3, scale=0.5)),
    row("NormalKL", real(N), real(N, scale=0.5), real(N), real(N, scale=0.5)),
    row("PolicyGradient", real(N, 4), labels(N, classes=4), real(N)),
    row("PolicyGradient", real(N, 3, 4), labels(N, 3, classes=4)),
)  # fmt: skip
