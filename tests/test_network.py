"""Networks: by hand and recorded, flat buffers, modes, copies."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from handgrad import (
    SGD,
    Adam,
    Affine,
    Dropout,
    Network,
    Parallel,
    Parameter,
    ReLU,
    Residual,
    Sequential,
    ShapeError,
    SoftmaxCrossEntropy,
    Tanh,
    Tensor,
    accuracy,
)
from handgrad.layer import shallow_clone

from .test_layer import BookAffine, BookRelu


def small(**options) -> Sequential:
    return Sequential(Affine(4), ReLU(), Affine(3), dtype=np.float64, **options)


def differences(network, x, dy):
    """The gradient of Σ dy · y by every parameter, by central differences."""
    p, result = network.parameters, []
    for i in range(len(p)):
        kept, sides = p[i], []
        for h in (1e-6, -1e-6):
            p[i] = kept + h
            sides.append((network.forward(x) * dy).sum())
        p[i] = kept
        result.append((sides[0] - sides[1]) / 2e-6)
    return np.array(result)


class Skip(Network):
    """Any Python: a layer used twice, a branch, a parameter of its own."""

    dtype = np.float64

    def __init__(self):
        self.a, self.tanh, self.out = Affine(5), Tanh(), [Affine(5), Affine(2)]
        self.scale = Parameter(np.array([1.5, -0.5]))

    def __call__(self, x):
        h = self.tanh(self.a(x))
        h = self.tanh(self.out[0](h)) + self.out[0](h) * 0.5
        return self.out[1](h) * self.scale


NETWORKS = {
    "sequential": small,
    "subclass": Skip,
    "residual": lambda: Sequential(
        Affine(4), Residual(Affine(6), Tanh(), Affine(4)), Affine(3), dtype=np.float64
    ),
    "parallel": lambda: Sequential(
        Parallel(Affine(4), Sequential(Affine(2), ReLU())), Affine(3), dtype=np.float64
    ),
    "book": lambda: Sequential(
        BookAffine(np.random.default_rng(0).normal(size=(6, 4)), np.zeros(4)), BookRelu(),
        BookAffine(np.random.default_rng(1).normal(size=(4, 3)), np.zeros(3)), dtype=np.float64,
    ),
}  # fmt: skip


@pytest.fixture(params=NETWORKS)
def network(request):
    return NETWORKS[request.param]()


def test_gradients_against_differences(network, rng):
    x = rng.normal(size=(7, 6))
    dy = rng.normal(size=network.forward(x).shape)
    numeric = differences(network, x, dy)
    network.forward(x)
    dx = network.backward(dy)
    np.testing.assert_allclose(network.gradients, numeric, rtol=1e-6, atol=1e-7)
    assert dx.shape == x.shape


def test_by_hand_and_on_tensors_the_same_to_the_bit(network, rng):
    x = rng.normal(size=(7, 6))
    y = network.forward(x)
    dy = rng.normal(size=y.shape)
    dx = network.backward(dy)
    by_hand = network.gradients.copy()
    tensor = Tensor(x)
    output = network(tensor)
    np.testing.assert_array_equal(output.data, y)
    output.backward(dy)
    np.testing.assert_array_equal(tensor.grad, dx)
    np.testing.assert_array_equal(network.gradients, by_hand)


def test_a_layer_twice_in_a_sequential(rng):
    shared = Affine(4)
    network = Sequential(shared, Tanh(), shared, dtype=np.float64)
    x, dy = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    network.forward(x)
    assert len(network.parameters) == 20
    numeric = differences(network, x, dy)
    network.forward(x)
    network.backward(dy)
    np.testing.assert_allclose(network.gradients, numeric, rtol=1e-6, atol=1e-8)


def test_tied_weights_are_one_segment_with_the_sum_of_gradients(rng):
    W = rng.normal(size=(4, 4))
    network = Sequential(
        BookAffine(W, np.zeros(4)), BookRelu(), BookAffine(W, np.zeros(4)), dtype=np.float64
    )
    x, dy = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    network.forward(x)
    assert [path for path, *_ in network.layout] == ["0.W", "0.b", "2.b"]
    assert network[0].W is network[2].W
    numeric = differences(network, x, dy)
    network.forward(x)
    network.backward(dy)
    np.testing.assert_allclose(network.gradients, numeric, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_flat_arrays_begin_at_a_cache_line(dtype):
    for width in (1, 7, 300, 3000):
        network = Sequential(Affine(width), Affine(3)).build(np.ones((2, 50))).astype(dtype)
        optimizer = Adam(1e-3)
        optimizer.step(network)
        arrays = network.parameters, network.gradients, *optimizer.state.values()
        assert [a.dtype for a in arrays] == [dtype] * 4
        assert [a.ctypes.data % 64 for a in arrays] == [0] * 4


def test_parameters_are_views_of_one_buffer(rng):
    network = small().build(rng.normal(size=(2, 6)))
    network.parameters[...] = 1.0
    assert (network[0].W == 1).all()
    network[2].b[...] = 5.0
    assert (network.parameters[-3:] == 5).all()
    network[0].W = np.full((6, 4), 7.0)  # another array in its place is taken over
    assert (network.parameters[:24] == 7).all()
    assert np.shares_memory(network[0].W, network.parameters)
    network[0].W = np.ones((2, 2))
    with pytest.raises(ShapeError, match=r"0.W: the parameter has shape \(6, 4\)"):
        _ = network.parameters


def test_layout_and_names(rng):
    network = small().build(rng.normal(size=(2, 6)))
    assert network.layout == [
        ("0.W", 0, 24, (6, 4)), ("0.b", 24, 28, (4,)), ("2.W", 28, 40, (4, 3)),
        ("2.b", 40, 43, (3,)),
    ]  # fmt: skip
    assert list(network.named_parameters()) == ["0.W", "0.b", "2.W", "2.b"]
    assert list(Skip().build(rng.normal(size=(1, 6))).named_parameters())[:3] == [
        "scale", "a.W", "a.b",
    ]  # fmt: skip


def test_gradients_of_what_took_no_part_are_zero(rng):
    class Choice(Network):
        dtype = np.float64

        def __init__(self):
            self.left, self.right, self.go_left = Affine(2), Affine(2), True

        def __call__(self, x):
            return self.left(x) if self.go_left else self.right(x)

    network, x, dy = Choice(), rng.normal(size=(3, 4)), rng.normal(size=(3, 2))
    network.right.build(x)
    network.forward(x)
    network.backward(dy)
    assert network.named_gradients()["left.W"].any()
    network.go_left = False
    network.forward(x)
    network.backward(dy)
    assert not network.named_gradients()["left.W"].any()
    assert network.named_gradients()["right.W"].any()


def test_freezing(rng):
    network, x, t = small(), rng.normal(size=(5, 6)), rng.integers(0, 3, 5)
    network.build(x)
    network.freeze("0")
    assert network.frozen == {"0.W", "0.b"}
    before, loss = network.parameters.copy(), SoftmaxCrossEntropy()
    loss.forward(network.forward(x), t)
    network.backward(loss.backward()[0])
    SGD(0.5, l2=0.1).step(network)
    np.testing.assert_array_equal(network.parameters[:28], before[:28])
    assert (network.parameters[28:] != before[28:]).all()
    network.unfreeze()
    assert not network.frozen
    with pytest.raises(ValueError, match="no parameter is called 'nothing'; there are 0.W"):
        network.freeze("nothing")


def test_predict_and_evaluate_leave_everything_alone(rng):
    network = Sequential(Affine(8), Dropout(0.5), Affine(3), dtype=np.float64)
    x, t, dy = rng.normal(size=(6, 4)), rng.integers(0, 3, 6), rng.normal(size=(6, 3))
    network.forward(x)
    network.backward(dy)
    expected = network.gradients.copy()
    step = network[1].stream.step
    first = network.predict(rng.normal(size=(50, 4)), batch=7)
    assert first.shape == (50, 3)
    results = network.evaluate(x, t, metrics=[accuracy])
    assert set(results) == {"loss", "accuracy"}
    assert network[1].training
    assert network[1].stream.step == step
    network.backward(dy)  # of the forward before: the state is untouched
    np.testing.assert_array_equal(network.gradients, expected)
    again = network.predict(x)
    np.testing.assert_array_equal(network.predict(x), again)


def test_predict_by_rows_is_the_same_as_at_once(network, rng):
    x = rng.normal(size=(9, 6))
    network.build(x)
    np.testing.assert_allclose(network.predict(x, batch=2), network.predict(x), rtol=1e-12)
    assert network.predict(x[:0]).shape[0] == 0


def test_copies_are_whole_and_independent(network, rng):
    x = rng.normal(size=(3, 6))
    y = network.forward(x)
    other = copy.deepcopy(network)
    other.parameters[...] = 0
    np.testing.assert_array_equal(network.forward(x), y)
    assert not other.forward(x).any()
    single = network.astype(np.float32)
    assert single.parameters.dtype == np.float32
    assert single.forward(x).dtype == np.float32
    np.testing.assert_allclose(single.forward(x), y, rtol=1e-4, atol=1e-5)


def test_initial_weights_depend_on_seed_place_and_next_layer(rng):
    x = rng.normal(size=(2, 100)).astype(np.float32)
    wide = [
        Sequential(Affine(400), ReLU(), Affine(400), Tanh(), seed=s).build(x) for s in (1, 1, 2)
    ]
    np.testing.assert_array_equal(wide[0].parameters, wide[1].parameters)
    assert (wide[0][0].W != wide[2][0].W).all()
    assert wide[0][0].W.std() == pytest.approx(np.sqrt(2 / 100), rel=0.05)  # He
    assert wide[0][2].W.std() == pytest.approx(np.sqrt(2 / 800), rel=0.05)  # Xavier
    nested = Sequential(Sequential(Affine(100)), Sequential(Affine(100))).build(x)
    assert (nested[0][0].W != nested[1][0].W).all()


def test_summary_counts_what_is_there(rng):
    text = small().summary(rng.normal(size=(2, 6)))
    lines = [line.split() for line in text.splitlines()]
    assert lines[2][0] == "0"
    assert lines[2][-1] == "28"
    assert lines[-1] == ["total", "43"]
    shared = Affine(6)
    assert Sequential(shared, shared).summary(rng.normal(size=(2, 6))).split()[-1] == "42"
    assert "BookAffine" in NETWORKS["book"]().summary(rng.normal(size=(2, 6)))


def test_integers_enter_and_floats_are_converted(rng):
    network = Sequential(Affine(3))
    assert network.forward(np.arange(8).reshape(2, 4)).dtype == np.float32
    assert network.forward(rng.normal(size=(2, 4))).dtype == np.float32


def test_clear_errors(rng):
    with pytest.raises(ValueError, match="member 1 needs forward and backward.*make an instance"):
        Sequential(Affine(3), ReLU)
    with pytest.raises(ShapeError, match=r"last axis of x must be 4, got \(2, 5\) \(layer 0 of"):
        Sequential(Affine(3, inputs=4)).forward(np.ones((2, 5)))
    with pytest.raises(ValueError, match="0.W has no size yet"):
        _ = small().parameters
    with pytest.raises(ShapeError, match="Residual: its layers must keep the shape"):
        Residual(Affine(3)).forward(np.ones((2, 4)))
    with pytest.raises(RuntimeError, match="backward needs a forward"):
        Skip().backward(np.ones(2))
    with pytest.raises(NotImplementedError, match="needs a __call__"):
        Network()(np.ones(3))

    class Wrong(Sequential):
        def backward(self, dy):
            super().backward(dy)
            self[0].dW = self[0].dW.T

    network = Wrong(Affine(3, inputs=4))
    network.forward(np.ones((2, 4)))
    network.backward(np.ones((2, 3)))
    with pytest.raises(ShapeError, match=r"Affine: dW must have the shape of W, \(4, 3\), got"):
        _ = network.gradients


def test_a_twin_of_a_network_is_fully_apart(rng):
    network, x, dy = small(), rng.normal(size=(3, 6)), rng.normal(size=(3, 3))
    network.forward(x)
    network.backward(dy)
    gradients = network.gradients.copy()
    other = shallow_clone(network, training=False)
    other.forward(rng.normal(size=(8, 6)))
    network.backward(dy)
    np.testing.assert_array_equal(network.gradients, gradients)
    assert network[0].training


@pytest.mark.parametrize("make", [Sequential, Residual, Parallel])
def test_networks_refuse_a_dtype_of_no_floats_and_a_seed_of_text(make):
    for dtype in ("int32", "nonsense", complex):
        with pytest.raises(ValueError, match="^dtype: one of floats, .* is needed, got"):
            make(Affine(2), dtype=dtype)
    with pytest.raises(ValueError, match="^seed: an integer .* is needed, got 'a'"):
        make(Affine(2), seed="a")


def test_a_long_chain_of_layers_is_copied():
    network = Sequential(*[Affine(2) for _ in range(600)])
    x = np.ones((1, 2))
    y = network.predict(x)
    other = copy.deepcopy(network)
    assert np.array_equal(other.predict(x), y)
    assert other[0].followed_by is other[1]
    assert other[0].W is not network[0].W
