"""Small workloads, one with each kind of layer."""

from __future__ import annotations

from benchmarks.workloads import (
    LSTM,
    Affine,
    Convolution,
    Dropout,
    Embedding,
    Flatten,
    MaxPooling,
    ReLU,
    Workload,
    mlp,
)

IMAGES = Workload(
    "images", "", (Convolution(2, 3, 3, 1), ReLU(), MaxPooling(), Flatten(),
                   Affine(3 * 4 * 5, 4), Dropout(0.5)),
    (2, 8, 10), 4, 8, "adam", 0.01,
)  # fmt: skip
WORDS = Workload(
    "words", "", (Embedding(30, 5), LSTM(5, 6), Affine(6, 30)),
    (7,), 30, 4, "sgd", 1.0, clip=0.1,
)  # fmt: skip
SMALL = [mlp("sgd", (6, 5, 3), 4, "sgd", 0.1), mlp("adam", (6, 5, 5, 3), 4, "adam", 0.01),
         IMAGES, WORDS]  # fmt: skip
