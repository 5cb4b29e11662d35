"""Learners in both engines."""

from __future__ import annotations

import numpy as np
import pytest

import handgrad as hg
from handgrad.compile import why_not

ENGINES = ("numpy", *(() if why_not() else ("native",)))


@pytest.fixture(params=ENGINES)
def engine(request):
    return request.param


@pytest.fixture
def data():
    """A stream of three classes that five columns tell apart."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(240, 5)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(int) + (x[:, 1] + x[:, 2] > 0)


@pytest.fixture
def network():
    """A maker of networks with the same initial weights."""
    return lambda *more, outputs=3: hg.Sequential(
        hg.Affine(16), hg.ReLU(), *more, hg.Affine(outputs), seed=3
    )
