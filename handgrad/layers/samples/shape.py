"""Shapes and indices."""

from __future__ import annotations

from handgrad.layers.samples.sample import N, Sample, labels, real, row

ROWS: tuple[Sample, ...] = (
    row("Broadcast", real(3, 1), shape=(2, 3, 4)),
    row("Broadcast", real(3), shape=(2, 3)),
    row("Reshape", real(N, 2, 3), shape=(-1, 3)),
    row("Flatten", real(N, 2, 3)),
    row("Transpose", real(N, 2, 3)),
    row("Transpose", real(N, 2, 3), axes=(1, 2, 0)),
    row("Concat", real(N, 2), real(N, 3)),
    row("Concat", real(N, 2), real(3, 2), real(N, 2), axis=0),
    row("Index", real(4, 3), key=1),
    row("Index", real(N, 3), key=(slice(None), [0, 2, 0])),
    row("Stack", real(N, 3), real(N, 3)),
    row("Stack", real(N, 3), real(N, 3), real(N, 3), axis=-1),
    row("Split", real(N, 6), parts=3),
    row("Split", real(N, 3, 4), parts=(1, 1, 3), axis=1),
    row("Pad", real(N, 3), pad=1),
    row("Pad", real(N, 3), pad=((0, 0), (2, 1)), value=1.5),
    row("Pad", real(2, 4), pad=2, mode="edge"),
    row("Pad", real(3, 4), pad=2, mode="reflect"),
    row("Pad", real(2, 4), pad=((1, 3), (2, 0)), mode="wrap"),
    row("Tile", real(N, 3), times=2),
    row("Tile", real(N, 3), times=(2, 1, 3)),
    row("Flip", real(N, 3)),
    row("Flip", real(N, 3, 2), axis=(0, -1)),
    row("Gather", real(N, 4), labels(N, 6, classes=4)),
    row("Gather", real(4, 3), labels(2, 3, classes=4), axis=0),
    row("ScatterAdd", real(N, 6), labels(N, 6, classes=4), length=4),
    row("ScatterAdd", real(5, 3), labels(5, 3, classes=4), length=4, axis=0),
    row("Resize", real(N, 2, 2, 3), times=2),
    row("Resize", real(N, 1, 3, 4), times=(1.5, 0.5), mode="linear"),
    row("Resize", real(N, 2, 3), sizes=(5,), mode="linear"),
    row("Resize", real(N, 1, 2, 1), sizes=(3, 2)),
    row("PixelShuffle", real(N, 8, 2, 1), times=2),
    row("PixelShuffle", real(N, 3, 2), times=3),
)  # fmt: skip
