"""Right layers. Each module ends in SAMPLES: {class: generator -> (constructor args, inputs)}."""

from . import (
    activation,
    affine,
    arithmetic,
    attention,
    convolution,
    dropout,
    embedding,
    loss,
    normalization,
    pooling,
    recurrent,
    reduction,
    shape,
)

FAMILIES = (
    arithmetic,
    affine,
    activation,
    reduction,
    shape,
    loss,
    convolution,
    pooling,
    normalization,
    dropout,
    embedding,
    recurrent,
    attention,
)

SAMPLES = {cls: sample for family in FAMILIES for cls, sample in family.SAMPLES.items()}
