"""Activations, and the layers that scale or drop their input."""

from __future__ import annotations

from handgrad.layers.samples.sample import N, Sample, real, row

ROWS: tuple[Sample, ...] = (
    # activation
    row("Step", real(N, 3)),
    row("Sigmoid", real(N, 3)),
    row("Tanh", real(N, 3)),
    row("ReLU", real(N, 3)),
    row("LeakyReLU", real(N, 3)),
    row("LeakyReLU", real(N, 3), slope=0.3),
    row("ELU", real(N, 3)),
    row("ELU", real(N, 3), alpha=0.5),
    row("SELU", real(N, 3)),
    row("Softplus", real(N, 3)),
    row("GELU", real(N, 3)),
    row("GELU", real(N, 3), approximate="tanh"),
    row("SiLU", real(N, 3)),
    row("ReLU6", real(N, 3, scale=5)),
    row("PReLU", real(N, 3)),
    row("PReLU", real(N, 3, 2), per_channel=True, init=0.1),
    row("HardSigmoid", real(N, 3, scale=3)),
    row("HardSwish", real(N, 3, scale=3)),
    row("CELU", real(N, 3)),
    row("CELU", real(N, 3), alpha=0.5),
    row("Softsign", real(N, 3)),
    row("Mish", real(N, 3)),
    row("GLU", real(N, 6)),
    row("GLU", real(N, 4, 3), axis=1),
    row("Softmax", real(N, 4)),
    row("Softmax", real(N, 4, 2), axis=1),
    row("LogSoftmax", real(N, 4)),
    row("LogSoftmax", real(N, 4, 2), axis=1),
    # standardize
    row("Standardize", real(N, 3), mean=(1.0, -2.0, 0.5), scale=(2.0, 0.5, 3.0)),
    # normalization
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
    # dropout
    row("Dropout", real(N, 8), seed=1),
    row("Dropout", real(N, 8), ratio=0.2, seed=1),
    row("Dropout", real(N, 8), ratio=0.2, scaled=True, seed=1),
    row("SpatialDropout", real(N, 4, 3, 2), seed=1),
)  # fmt: skip
