"""What a model file holds beside architecture and weights: lists, modes, buffers, seeds."""

from __future__ import annotations

import numpy as np
import pytest

from handgrad import (
    Affine,
    BatchNorm,
    Dropout,
    Index,
    Sequential,
    Tanh,
    load,
    save,
)
from handgrad.train import InputSpec
from handgrad.train.checkpoint import pack

from ..test_layer import BookRelu
from .mutate import pack as packed
from .mutate import unpack


def test_lists_come_back_as_lists(rng, tmp_path):
    x = rng.normal(size=(6, 4)).astype(np.float32)
    network = Sequential(Index([0, 2]), Affine(3))
    network.build(x)
    again = load(save(network, tmp_path / "m"))
    np.testing.assert_array_equal(again.predict(x), network.predict(x))
    assert repr(again) == repr(network)


def test_frozen_parameters_and_modes_come_back(rng, tmp_path):
    x = rng.normal(size=(6, 4)).astype(np.float32)
    network = Sequential(Affine(3), Dropout(0.5), Affine(2)).build(x).freeze("0.W")
    network.layers[1].eval()
    again = load(save(network, tmp_path / "m"))
    assert again.frozen == {"0.W"}
    assert [again.training, again[1].training, again[2].training] == [True, False, True]
    for entry in ({"frozen": ["9.W"]}, {"evaluating": ["9"]}, {"evaluating": 3}):
        tensors, document, format = unpack((tmp_path / "m").read_bytes())
        (tmp_path / "n").write_bytes(packed(tensors, document | entry, format))
        with pytest.raises(ValueError, match=r"9|list"):
            load(tmp_path / "n")


@pytest.mark.parametrize("change", [lambda a: a[:, None], lambda a: a.astype(np.int64),
                                    lambda a: a.astype(np.float64)])  # fmt: skip
def test_buffers_must_fit_their_layer(change, rng, tmp_path):
    network = Sequential(BatchNorm()).build(rng.normal(size=(6, 4)))
    tensors, document, format = unpack(pack(network))
    tensors["buffers/0.running_var"] = change(tensors["buffers/0.running_var"])
    (tmp_path / "m").write_bytes(packed(tensors, document, format))
    with pytest.raises(ValueError, match=r"buffers/0.running_var must have the shape \(4,\)"):
        load(tmp_path / "m")


def test_what_holds_itself_is_refused(rng, tmp_path):
    class Holds(Tanh):
        def __init__(self, extra):
            self.extra = extra

    loop: list = []
    loop.append(loop)
    network = Sequential(Affine(3)).build(rng.normal(size=(6, 4)))
    with pytest.raises(ValueError, match=r"info.* nested more than"):
        save(network, tmp_path / "m", info={"a": loop})
    with pytest.raises(ValueError, match="holds itself"):
        save(Sequential(Holds(loop)), tmp_path / "m")


def test_a_seed_may_be_a_number_of_numpys(rng, tmp_path):
    network = Sequential(Affine(3, seed=np.int32(4))).build(rng.normal(size=(6, 4)))
    assert load(save(network, tmp_path / "m"))[0].seed == 4


def test_a_single_class_may_be_handed_over(tmp_path):
    path = save(Sequential(BookRelu()), tmp_path / "m")
    assert isinstance(load(path, classes=BookRelu)[0], BookRelu)
    with pytest.raises(ValueError, match="classes: a list of layer classes"):
        load(path, classes=3)


def test_the_target_is_none_of_the_columns():
    with pytest.raises(ValueError, match="target 'a' is one of the columns"):
        InputSpec((2,), columns=("a", "b"), target="a")
