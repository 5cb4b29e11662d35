"""Embedding, attention and positions."""

from __future__ import annotations

from handgrad.layers.samples.sample import N, Sample, coded, labels, mask, real, row

ROWS: tuple[Sample, ...] = (
    row("Embedding", labels(N, classes=6), vocabulary=6, outputs=3, seed=1),
    row("Embedding", labels(N, 4, classes=6), vocabulary=6, outputs=2, init=0.5, seed=1),
    row("ColumnEmbedding", coded(4, {2: 5, 0: 3}), columns=(2, 0), vocabulary=(5, 3),
        hidden=2, seed=1),
    row("ColumnEmbedding", coded(1, {0: 4}), columns=(0,), vocabulary=(4,), hidden=3, init=0.5),
    row("EmbeddingDot", real(N, 3), labels(N, classes=6), vocabulary=6, init=1.0, seed=1),
    row("EmbeddingDot", real(N, 3), labels(N, 4, classes=6), vocabulary=6, init=1.0, seed=1),
    row("DotProductAttention", real(N, 4, 3), real(N, 5, 3), real(N, 5, 2)),
    row("DotProductAttention", real(N, 4, 3), real(N, 5, 3), real(N, 5, 2), mask(N, 5),
        scaled=False),
    row("DotProductAttention", real(N, 2, 4, 3), real(N, 2, 4, 3), real(N, 2, 4, 2), mask(N, 4),
        causal=True),
    row("AdditiveAttention", real(N, 4, 3), real(N, 5, 2), real(N, 5, 2), hidden=3, seed=1),
    row("AdditiveAttention", real(N, 4, 3), real(N, 5, 2), real(N, 5, 2), mask(N, 5), hidden=3,
        seed=1),
    row("MultiHeadAttention", real(N, 4, 6), heads=2, seed=1),
    row("MultiHeadAttention", real(N, 4, 6), heads=3, causal=True, seed=1),
    row("MultiHeadAttention", real(N, 4, 6), real(N, 5, 3), heads=2, seed=1),
    row("MultiHeadAttention", real(N, 4, 3), real(N, 5, 2), real(N, 5, 3), mask(N, 5), heads=2,
        outputs=4, seed=1),
    row("SinePosition", real(N, 4, 3)),
    row("LearnedPosition", real(N, 4, 3), length=6, init=1.0, seed=1),
)  # fmt: skip
