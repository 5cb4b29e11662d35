"""The prover's verdict on the layers of functions, shape, reduction, activation and loss."""

from __future__ import annotations

import numpy as np
import pytest

from handgrad import check
from handgrad.layers import (
    accumulate,
    choose,
    einsum,
    hyperbolic,
    join,
    likelihood,
    margin,
    piecewise,
    select,
    smooth,
    special,
    statistics,
    trigonometry,
)
from handgrad.layers.samples import SAMPLES

FILES = (accumulate, choose, einsum, hyperbolic, join, likelihood, margin, piecewise, select,
         smooth, special, statistics, trigonometry)  # fmt: skip
HERE = {m.__name__ for m in FILES}


@pytest.mark.parametrize("sample", [s for s in SAMPLES if s.cls.__module__ in HERE], ids=str)
def test_the_prover_says_right(sample):
    report = check(sample.make(), *sample.inputs(np.random.default_rng(5), batch=4))
    assert report.verdict == "right", str(report)
