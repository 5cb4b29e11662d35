"""The prover's verdict on the layers of functions, shape, reduction, activation and loss."""

from __future__ import annotations

import numpy as np
import pytest

from handgrad import check
from handgrad.layers.samples import SAMPLES

ROOMS = (
    "activation",
    "elementwise",
    "shape",
    "reduction",
    "einsum",
    "loss",
    "similarity",
    "spectral_norm",
    "distribution",
)


def room(cls):
    """The family of a layer: the folder or file of handgrad/layers/ that holds it."""
    return cls.__module__.split(".")[2]


@pytest.mark.parametrize("sample", [s for s in SAMPLES if room(s.cls) in ROOMS], ids=str)
def test_the_prover_says_right(sample):
    report = check(sample.make(), *sample.inputs(np.random.default_rng(5), batch=4))
    assert report.verdict == "right", str(report)
