"""Activations."""

from __future__ import annotations

from handgrad.layers.samples.sample import N, Sample, real, row

ROWS: tuple[Sample, ...] = (
    row("Step", real(N, 3)),
    row("Sigmoid", real(N, 3)),
    row("Tanh", real(N, 3)),
    row("ReLU", real(N, 3)),
    row("LeakyReLU", real(N, 3)),
    row("LeakyReLU", real(N, 3), alpha=0.3),
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
    row("GEGLU", real(N, 4)),
    row("GEGLU", real(N, 2, 3), axis=1),
    row("SwiGLU", real(N, 4)),
    row("SwiGLU", real(N, 2, 3), axis=1),
    row("Softmax", real(N, 4)),
    row("Softmax", real(N, 4, 2), axis=1),
    row("LogSoftmax", real(N, 4)),
    row("LogSoftmax", real(N, 4, 2), axis=1),
    row("Sparsemax", real(N, 4)),
    row("Sparsemax", real(N, 4, 2, scale=0.3), axis=1),
)  # fmt: skip
