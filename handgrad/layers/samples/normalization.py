"""Normalization, standardization and dropout."""

from __future__ import annotations

from handgrad import layers as all_layers
from handgrad.layers.samples.sample import N, Sample, real, row

ROWS: tuple[Sample, ...] = (
    row("BatchNorm", real(N, 3)),
    row("BatchNorm", real(N, 3, 4, 2), momentum=0.5, eps=1e-3),
    row("LayerNorm", real(N, 4)),
    row("LayerNorm", real(N, 2, 3, 2), axis=(1, 3), eps=1e-3),
    row("RMSNorm", real(N, 4)),
    row("RMSNorm", real(N, 3, 2), axis=1, eps=1e-3),
    row("GroupNorm", real(N, 4, 3, 2), groups=2),
    row("GroupNorm", real(N, 6), groups=2, eps=1e-3),
    row("InstanceNorm", real(N, 3, 4)),
    row("InstanceNorm", real(N, 2, 3, 2), eps=1e-3),
    row("SpectralNorm", real(N, 3), layer=all_layers.Affine(2, seed=1)),
    row("SpectralNorm", real(N, 2, 3, 3), layer=all_layers.Convolution(2, 2, init=0.5, seed=1)),
    row("Standardize", real(N, 3), mean=(1.0, -2.0, 0.5), scale=(2.0, 0.5, 3.0)),
    row("Dropout", real(N, 8), seed=1),
    row("Dropout", real(N, 8), ratio=0.2, seed=1),
    row("Dropout", real(N, 8), ratio=0.2, scaled=True, seed=1),
    row("SpatialDropout", real(N, 4, 3, 2), seed=1),
)  # fmt: skip
