"""Sizes in a model file: what reads it costs what the file holds, whatever it says."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest

from handgrad import (
    LSTM,
    Affine,
    Convolution,
    Embedding,
    Sequential,
    Tile,
    load,
)
from handgrad.layers import (
    LearnedPosition,
    MultiHeadAttention,
    NegativeSampling,
    OneHot,
    Pad,
)
from handgrad.train import InputSpec
from handgrad.train.checkpoint import pack

from .mutate import pack as packed
from .mutate import spots, unpack

BOMBS = [
    lambda: Sequential(Affine(3, inputs=2)),
    lambda: Sequential(Convolution(3, 3, inputs=1)),
    lambda: Sequential(Embedding(9, 4)),
    lambda: Sequential(LSTM(3, inputs=4)),
    lambda: Sequential(MultiHeadAttention(2, outputs=4)),
    lambda: Sequential(LearnedPosition(5, inputs=4)),
    lambda: Sequential(NegativeSampling([1, 2, 3], inputs=4)),
]


@pytest.mark.parametrize("make", BOMBS)
@pytest.mark.parametrize("factor", [10**4, 10**6, 10**15])
def test_sizes_in_a_file_cost_nothing(make, factor, tmp_path):
    network = make()
    for layer in network.layers:
        layer.build(*[np.zeros((1, 2, 4))] * isinstance(layer, MultiHeadAttention))
    tensors, document, format = unpack(pack(network))
    for holder, key in spots(document["architecture"]):
        if isinstance(holder[key], int) and not isinstance(holder[key], bool):
            holder[key] *= factor
    (tmp_path / "m").write_bytes(packed(tensors, document, format))
    tracemalloc.start()
    began = time.thread_time()
    try:
        load(tmp_path / "m")
    except ValueError as error:
        assert str(error).startswith(str(tmp_path))  # noqa: PT017
    assert time.thread_time() - began < 5  # a collection of all garbage may be in it
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


@pytest.mark.parametrize(
    "layers",
    [
        [Tile((1, 2))],
        [Tile((1, 2))] * 30,
        [Pad(((0, 0), (1, 1)))],
        [OneHot(3)],
    ],
    ids=["tile", "tiles", "pad", "onehot"],
)
def test_a_network_that_unfolds_a_sample_is_refused(layers, tmp_path):
    integers = isinstance(layers[0], OneHot)
    takes = InputSpec((4,), "int64" if integers else "float32")
    small = [type(layers[0])(*layers[0].config().values())]
    tensors, document, format = unpack(pack(Sequential(*small), input=takes))
    node = document["architecture"]["members"][0]
    factor = 1 if len(layers) > 1 else 10**7
    for holder, key in spots(node["config"]):
        if isinstance(holder[key], int) and holder[key] > 1 - (type(layers[0]) is Pad):
            holder[key] *= factor
    document["architecture"]["members"] = [node] * len(layers)
    (tmp_path / "m").write_bytes(packed(tensors, document, format))
    with pytest.raises(ValueError, match=r"far beyond what the file holds|does not take samples"):
        load(tmp_path / "m")
