"""The table of samples: for every layer, how to make one and valid inputs for it.

Tests, the prover and the documentation walk it. A layer without a row fails a test, so adding a
layer is two edits: the class, and a row here.
"""

from handgrad.layers.samples import (
    activation,
    affine,
    attention,
    convolution,
    distribution,
    elementwise,
    loss,
    normalization,
    recurrent,
    reduction,
    shape,
)
from handgrad.layers.samples.sample import N, Sample, labels, real, row

__all__ = ["SAMPLES", "WITHOUT_GRADIENT", "Sample"]

SAMPLES: tuple[Sample, ...] = (
    *elementwise.ROWS,
    *shape.ROWS,
    *reduction.ROWS,
    *activation.ROWS,
    *affine.ROWS,
    *convolution.ROWS,
    *normalization.ROWS,
    *recurrent.ROWS,
    *attention.ROWS,
    *loss.ROWS,
    *distribution.ROWS,
)

# Layers whose outputs are integers, or made of them: no gradient, so no proof.
WITHOUT_GRADIENT: tuple[Sample, ...] = (
    row("OneHot", labels(N, classes=4), classes=4),
    row("ArgMax", real(N, 3)),
    row("TopK", real(N, 5), k=2),
)
