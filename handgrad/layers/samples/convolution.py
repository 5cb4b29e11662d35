"""Convolution and pooling."""

from __future__ import annotations

from handgrad.layers.samples.sample import N, Sample, real, row

ROWS: tuple[Sample, ...] = (
    row("Convolution", real(N, 2, 5, 4), outputs=3, kernel=3, seed=1),
    row("Convolution", real(N, 4, 6, 7), outputs=2, kernel=(2, 3), stride=(2, 3), pad=((1, 0), 2),
        dilation=(2, 1), groups=2, bias=False, init=0.5, seed=1),
    row("Convolution", real(N, 2, 6), outputs=3, kernel=(3,), pad="same", inputs=2, seed=1),
    row("TransposedConvolution", real(N, 2, 3, 2), outputs=3, kernel=3, seed=1),
    row("TransposedConvolution", real(N, 2, 3, 2), outputs=4, kernel=3, stride=2, pad=1,
        output_pad=1, groups=2, seed=1),
    row("TransposedConvolution", real(N, 2, 5), outputs=3, kernel=(4,), stride=3, pad="same",
        bias=False, init=0.5, seed=1),
    row("MaxPooling", real(N, 2, 4, 5), kernel=2),
    row("MaxPooling", real(N, 2, 6), kernel=(3,), stride=2, pad=1, ceil_mode=True),
    row("AveragePooling", real(N, 2, 4, 5), kernel=2),
    row("AveragePooling", real(N, 2, 5, 4), kernel=(3, 2), stride=2, pad=1, ceil_mode=True,
        count_padding=False),
    row("GlobalMaxPooling", real(N, 2, 3, 4)),
    row("GlobalAveragePooling", real(N, 2, 3, 4)),
)  # fmt: skip
