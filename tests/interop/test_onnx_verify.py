"""verify against an ONNX file: the first layer that parts, in its values or its gradients."""

from __future__ import annotations

import numpy as np
import pytest

from handgrad import (
    GRU,
    LSTM,
    Adam,
    Affine,
    BatchNorm,
    Convolution,
    Embedding,
    Flatten,
    MaxPooling,
    MeanSquaredError,
    Network,
    ReLU,
    Sequential,
    SoftmaxCrossEntropy,
    Tanh,
    onnx,
)

RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, 3)).astype(np.float32)
IMAGE = RNG.normal(size=(2, 1, 8, 8)).astype(np.float32)


class Words(Network):
    def __init__(self):
        self.words, self.lstm, self.gru, self.out = Embedding(5, 3), LSTM(3), GRU(3), Affine(2)

    def __call__(self, ids):
        h = self.lstm(self.words(ids))
        return self.out(h + self.gru(h))


class Twice(Network):
    """A layer that is used twice."""

    def __init__(self):
        self.one, self.bend, self.out = Affine(3), Tanh(), Affine(2)

    def __call__(self, x):
        return self.out(self.one(self.bend(self.one(x))))


def dense():
    return Sequential(Affine(5), Tanh(), Sequential(Affine(3), ReLU()), Affine(2))


NETWORKS = {
    "dense": (dense, X),
    "image": (lambda: Sequential(Convolution(2, 3), BatchNorm(), ReLU(), MaxPooling(2), Flatten(),
                                 Affine(3)), IMAGE),
    "twice": (Twice, X),
    "words": (Words, RNG.integers(0, 5, (3, 4))),
}  # fmt: skip


def written(make, x, path, **options):
    network = make()
    network.build(x)
    onnx.save(network, path, example=x, **options)
    return network


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_of_what_was_written_and_of_what_was_loaded_is_held(name, tmp_path):
    make, x = NETWORKS[name]
    network = written(make, x, tmp_path / "m.onnx")
    for one in (network, onnx.load(tmp_path / "m.onnx")):
        found = onnx.verify(one, tmp_path / "m.onnx", x)
        assert found, str(found)
        layers = {row.layer for row in found.rows if row.what == "output"}
        assert len(layers) >= 4
        assert sum("gradient of the output" in row.what for row in found.rows) >= 3
    values = onnx.verify(network, tmp_path / "m.onnx", x, gradients=False)
    assert {row.what for row in values.rows} == {"output"}
    halves = written(make, x, tmp_path / "h.onnx", float16=True)
    assert onnx.verify(halves, tmp_path / "h.onnx", x)


def test_the_first_layer_whose_values_part_is_named_with_both_numbers(tmp_path):
    network = written(dense, X, tmp_path / "m.onnx")
    loaded = onnx.load(tmp_path / "m.onnx")
    network.layers[2].layers[0].b[1] += 0.25
    first = onnx.verify(network, tmp_path / "m.onnx", X).first
    assert (first.layer, first.what) == ("2.0 (Affine)", "output")
    assert first.ours - first.theirs == pytest.approx(0.25, rel=1e-4)
    loaded.layers[4].W[0, 0] += 1
    assert onnx.verify(loaded, tmp_path / "m.onnx", X).first.layer == "4 (Affine)"


class Steeper(Tanh):
    def backward(self, dy):
        return 1.1 * super().backward(dy)


def test_a_wrong_backward_is_found_by_central_differences_of_the_file(tmp_path):
    network = written(dense, X, tmp_path / "m.onnx")
    other = Sequential(Affine(5), Steeper(), Sequential(Affine(3), ReLU()), Affine(2))
    other.build(X)
    other.parameters[...] = network.parameters
    first = onnx.verify(other, tmp_path / "m.onnx", X).first
    assert first.layer == "0 (Affine)"
    assert "gradient of the output" in first.what
    assert first.ours == pytest.approx(1.1 * first.theirs, rel=1e-4)


def test_a_file_with_other_names_is_followed_by_order(tmp_path):
    network = written(dense, X, tmp_path / "m.onnx")
    loaded = onnx.load(tmp_path / "m.onnx")
    for layer in loaded.layers:
        del layer.onnx_values
    assert onnx.verify(loaded, tmp_path / "m.onnx", X)
    loaded.layers[2].W[0, 0] += 1
    assert onnx.verify(loaded, tmp_path / "m.onnx", X).first.layer == "2 (Affine)"
    assert onnx.verify(network, tmp_path / "m.onnx", X)


def test_gradients_of_a_training_graph_are_held_against_those_of_the_loss(tmp_path):
    network, t = Sequential(Affine(5), Tanh(), Affine(2)), RNG.integers(0, 2, 4)
    network.build(X)
    path = tmp_path / "t.onnx"
    onnx.save_training(network, path, loss=SoftmaxCrossEntropy(), optimizer=Adam(), example=(X, t))
    found = onnx.verify(network, path, (X, t), loss=SoftmaxCrossEntropy())
    assert found, str(found)
    assert sum("training graph" in row.what for row in found.rows) == 4
    other = onnx.verify(network, path, (X, t), loss=SoftmaxCrossEntropy(class_weights=[1.0, 3.0]))
    assert "in the training graph" in other.first.what
    written(dense, X, tmp_path / "m.onnx")
    with pytest.raises(ValueError, match="no training graph"):
        onnx.verify(dense().build(X), tmp_path / "m.onnx", (X, X[:, :2]), loss=MeanSquaredError())


def test_what_does_not_fit_is_told(tmp_path):
    network = written(dense, X, tmp_path / "m.onnx")
    with pytest.raises(ValueError, match="network must be a Network, got int"):
        onnx.verify(3, tmp_path / "m.onnx", X)
    with pytest.raises(ValueError, match="the file takes x, got 2 inputs"):
        onnx.verify(network, tmp_path / "m.onnx", (X, X))
    with pytest.raises(FileNotFoundError):
        onnx.verify(network, tmp_path / "none.onnx", X)
