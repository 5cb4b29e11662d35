"""Every layer of the table of samples that has a native form, beside itself in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import handgrad as hg
from handgrad.compile import NotNative
from handgrad.compile.lowering.registry import LOWERINGS, LossLowering
from handgrad.layers.samples import SAMPLES
from tests.compile.eager import require_equal

RANDOM = ("Dropout", "SpatialDropout", "VariationalDropout")  # tested to the bit in test_dropout


def single(sample) -> bool:
    """Whether the layer makes one array of one, real numbers, each with a batch axis first."""
    lowering = LOWERINGS.get(sample.cls)
    if lowering is None or isinstance(lowering, LossLowering) or sample.cls.__name__ in RANDOM:
        return False
    inputs = sample.inputs(np.random.default_rng(0), 7)
    if len(inputs) != 1 or inputs[0].dtype.kind != "f" or not sample.has_batch:
        return False
    y = sample.make().forward(*inputs)
    return isinstance(y, np.ndarray) and y.shape[:1] == (7,)


ROWS = [sample for sample in SAMPLES if single(sample)]


def test_the_table_has_rows_of_every_family():
    assert len({sample.cls for sample in ROWS}) >= 40


@pytest.mark.parametrize("sample", ROWS, ids=str)
@pytest.mark.parametrize("threads", [1, 2])
def test_a_layer_computes_what_numpy_does(sample, threads):
    x = sample.inputs(np.random.default_rng(1), 7)[0].astype(np.float32)
    network = hg.Sequential(sample.make(), seed=2)
    try:
        require_equal(network, x, threads=threads, rtol=1e-4)
    except NotNative as reason:
        pytest.skip(str(reason))
