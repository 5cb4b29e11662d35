"""Layer, parameters, shallow clones: with and without the base class."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from handgrad import (
    Affine,
    Dropout,
    Network,
    Parallel,
    Residual,
    Sequential,
    SoftmaxCrossEntropy,
    Tanh,
    Tensor,
)
from handgrad.layer import (
    Layer,
    apply,
    is_layer,
    parameter_names,
    shallow_clone,
    slots,
    sublayers,
    walk,
)


class BookAffine:
    """As a reader of the book writes it: no base class, arrays in the constructor."""

    def __init__(self, W, b):
        self.W, self.b = W, b
        self.dW = self.db = None

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


class BookRelu:
    def forward(self, x):
        self.mask = x <= 0
        return np.where(self.mask, 0, x)

    def backward(self, dout):
        return np.where(self.mask, 0, dout)


def test_what_a_layer_is():
    assert is_layer(BookRelu())
    assert not is_layer(BookRelu)
    assert not is_layer(np.ones(3))
    assert not is_layer(Tensor(1.0))


def test_parameters_of_a_class_without_base(rng):
    layer = BookAffine(rng.normal(size=(3, 2)), np.zeros(2))
    assert parameter_names(layer) == ("W", "b")
    layer.forward(rng.normal(size=(4, 3)))
    assert parameter_names(layer) == ("W", "b")  # x, kept from forward, is none


def test_parameters_without_a_gradient_attribute_yet(rng):
    class Scale:
        def __init__(self, gamma):
            self.gamma = gamma

        def forward(self, x):
            self.x = x
            return self.gamma * x

        def backward(self, dout):
            self.dgamma = (dout * self.x).sum(axis=0)
            return dout * self.gamma

    assert parameter_names(Scale(rng.normal(size=3))) == ("gamma",)


class Cell:
    """y = c + x * w, whose state is in attributes with gradients of their own."""

    def __init__(self, w):
        self.w, self.dw = w, None
        self.c = self.h = self.t = self.dt = self.weights = self.step = np.ones(2)
        self.dc = self.dh = None
        self.size = np.float64(3)

    def forward(self, x):
        self.x = x
        self.remember(x)
        self.h *= 1.0
        return self.c + x * self.w

    def remember(self, x):
        self.c, (self.t, self.out) = x * 2.0, (x, x)
        self.mask = x > 0

    def backward(self, dout):
        self.dw = (dout * self.x).sum(axis=0)
        self.dx = self.dt = self.dmask = self.dout = dout
        self.send(dout)
        return dout * self.w + self.dc * 2.0

    def send(self, dout):
        self.dc = self.dh = dout


def test_what_forward_sets_is_state_whatever_its_name(rng):
    layer, x = Cell(rng.normal(size=2)), rng.normal(size=(4, 2))
    assert parameter_names(layer) == ("w",)
    layer.forward(x)
    layer.backward(x)
    assert parameter_names(layer) == ("w",)
    network = Sequential(layer, Affine(2), dtype=np.float64)
    network.forward(x)
    assert [path for path, *_ in network.layout] == ["0.w", "1.W", "1.b"]


def test_parameters_through_inheritance_decorators_and_names_that_look_like_state(rng):
    class Named:
        def __init__(self):
            self.c, self.h, self.x = np.ones(2), np.zeros(2), np.ones(2)

        def forward(self, inputs):
            self.inputs = inputs
            return inputs * self.c + self.h * self.x

        def backward(self, dout):
            self.dc, self.dh, self.dx = (dout * self.inputs).sum(0), dout.sum(0), dout.sum(0)
            return dout * self.c

    class Inherits(Named):
        def forward(self, inputs):
            return super().forward(inputs)

        def backward(self, dout):
            return super().backward(dout)

    assert parameter_names(Named()) == parameter_names(Inherits()) == ("c", "h", "x")
    layer = Inherits()
    layer.forward(np.ones((1, 2)))
    assert parameter_names(layer) == ("c", "h", "x")


def test_a_parameter_before_its_size_is_known():
    layer = Affine(2)
    with pytest.raises(AttributeError, match="Affine has no W yet: its size is found from"):
        layer.W.sum()
    assert Affine(2, inputs=3).W.shape == (3, 2)
    with pytest.raises(AttributeError, match="Affine has no attribute 'weight'"):
        layer.weight.sum()


def test_a_twin_has_its_own_state_and_shares_parameters(rng):
    layer = Affine(2, inputs=3)
    x, other = rng.normal(size=(4, 3)), rng.normal(size=(5, 3))
    layer.forward(x)
    second = shallow_clone(layer)
    second.forward(other)
    assert layer.x is x
    assert second.W is layer.W


def test_composite_layers_are_walked_twinned_and_differentiated(rng):
    class Block:
        """Two layers inside one that has no base class."""

        def __init__(self):
            self.first = BookAffine(rng.normal(size=(3, 3)), np.zeros(3))
            last = BookAffine(rng.normal(size=(3, 2)), np.ones(2))
            self.rest = {"relu": BookRelu(), "last": last}

        def forward(self, x):
            x = self.rest["relu"].forward(self.first.forward(x))
            return self.rest["last"].forward(x)

        def backward(self, dout):
            dout = self.rest["last"].backward(dout)
            return self.first.backward(self.rest["relu"].backward(dout))

    block = Block()
    assert [n for n, _ in sublayers(block)] == ["first", "rest.relu", "rest.last"]
    assert [p for p, _ in walk(block)] == ["", "first", "rest.relu", "rest.last"]
    assert [s.path for s in slots(block)] == ["first.W", "first.b", "rest.last.W", "rest.last.b"]
    x, dy = rng.normal(size=(4, 3)), rng.normal(size=(4, 2))
    block.forward(x)
    dx = block.backward(dy)
    by_hand = [s.grad for s in slots(block)]
    tensor = Tensor(x)
    apply(block, tensor).backward(dy)
    np.testing.assert_array_equal(tensor.grad, dx)
    for slot, grad in zip(slots(block), by_hand):
        np.testing.assert_array_equal(slot.grad, grad)


def test_on_arrays_a_layer_just_computes_and_on_tensors_it_records(rng):
    layer, x = Affine(2, inputs=3), rng.normal(size=(4, 3))
    y = layer(x)
    assert isinstance(y, np.ndarray)
    recorded = layer(Tensor(x))
    np.testing.assert_array_equal(recorded.data, y)
    assert recorded.creator.original is layer


def test_a_forgotten_parameter_gradient_is_named():
    class Forgets(Layer):
        params = ("W",)

        def __init__(self):
            self.W = np.ones(3)

        def forward(self, x):
            return x * self.W

        def backward(self, dy):
            return dy * self.W

    with pytest.raises(ValueError, match="Forgets: backward did not set dW"):
        Forgets()(Tensor(np.ones(3))).backward(np.ones(3))


def test_repr_shows_what_differs_from_the_default():
    assert repr(Dropout(0.3)) == "Dropout(0.3)"
    assert repr(Affine(5, bias=False)) == "Affine(5, bias=False)"
    loss = SoftmaxCrossEntropy(label_smoothing=0.1, class_weights=np.ones(2))
    assert repr(loss) == ("SoftmaxCrossEntropy(class_weights=array([1., 1.]), label_smoothing=0.1)")


class Unkept(Network):
    def __init__(self, width, *layers, scale=1.0, table=None):
        self.inner, self.table = Affine(width), table
        self._scale = scale

    @property
    def scale(self):
        raise RuntimeError("not now")


class Odd:
    def forward(self, x):
        return x

    def backward(self, dy):
        return dy

    def __repr__(self):
        raise ValueError("no repr")


class Keeps(Layer):
    def __init__(self, values, function=None):
        self.values, self.function = values, function


def test_repr_never_raises():
    assert repr(Unkept(3)) == "Unkept(?, scale=?)"
    assert repr(Keeps(np.zeros((50, 50)))) == "Keeps(array(shape=(50, 50), dtype=float64))"
    assert repr(Keeps(Odd())) == "Keeps(<Odd>)"
    assert "<Odd>" in repr(Sequential(Odd(), Affine(2)))
    assert repr(Residual(Affine(3), Tanh())) == "Residual(Affine(3), Tanh())"
    assert repr(Parallel(Tanh(), axis=1)) == "Parallel(Tanh(), axis=1)"
    round_about = Keeps(1)
    round_about.values = round_about
    assert repr(round_about) == "Keeps(...)"
    network = Sequential(Tanh())
    network.layers += (network,)
    assert "Sequential(...)" in repr(network)
    assert "Unkept" in Sequential(Unkept(3), Odd()).__repr__()


def test_modes_reach_everything_inside():
    network = Sequential(Dropout(0.5), Sequential(Dropout(0.5)))
    network.eval()
    assert not any(layer.training for _, layer in walk(network))
    network.train()
    assert all(layer.training for _, layer in walk(network))


def test_random_layers_repeat_from_a_copy_and_move_on_by_themselves(rng):
    layer, x = Dropout(0.5, seed=3), np.ones((20, 20))
    again = copy.deepcopy(layer)
    first, second = layer.forward(x), layer.forward(x)
    assert (first != second).any()
    np.testing.assert_array_equal(again.forward(x), first)
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    layer.forward(x)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
