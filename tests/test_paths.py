"""One gradient path: by hand, recorded, and numerical differentiation give the same numbers."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from handgrad import (
    GRU,
    LSTM,
    SGD,
    Affine,
    BatchNorm,
    Dropout,
    Embedding,
    Flatten,
    LayerNorm,
    Network,
    Parallel,
    Parameter,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    Tanh,
    Tensor,
)
from handgrad.layer import apply, walk
from handgrad.network.by_hand import ByHand
from handgrad.tensor import learning

from .test_layer import BookAffine

WIDTH = 3


class Pair:
    """Two layers in a class of the user's, without base class; they may be one."""

    def __init__(self, first, second):
        self.first, self.rest = first, {"second": second}

    def forward(self, x):
        return self.rest["second"].forward(self.first.forward(x))

    def backward(self, dout):
        return self.first.backward(self.rest["second"].backward(dout))


class InPlace:
    """y = x @ W, whose backward writes into the array that the constructor made."""

    def __init__(self, W):
        self.W, self.dW = W, np.zeros_like(W)

    def forward(self, x):
        self.x = x
        return x @ self.W

    def backward(self, dout):
        self.dW[...] = self.x.T @ dout
        return dout @ self.W.T


class Free(Network):
    """Any Python, with a list of layers and a tensor of its own."""

    dtype = np.float64

    def __init__(self, *layers):
        self.parts, self.scale = list(layers), Parameter(np.linspace(0.5, 1.5, WIDTH))

    def __call__(self, x):
        h = x
        for layer in self.parts:
            h = apply(layer, h) * self.scale
        return h + apply(self.parts[0], x)


class ByForward(Network):
    """A network that writes forward and backward itself, around a network."""

    def __init__(self, inner):
        self.inner = inner

    def forward(self, x):
        return self.inner.forward(x)

    def backward(self, dy):
        return self.inner.backward(dy)


class Composite:
    """A network inside a class without base class."""

    def __init__(self, inner):
        self.inner = inner

    def forward(self, x):
        return self.inner.forward(x) * 2

    def backward(self, dout):
        return self.inner.backward(dout * 2)


def verify(network, x, numeric=True):
    """Forward and backward of a network, of a recorded call, and differences, held together."""
    recorded = copy.deepcopy(network)
    y = network.forward(x)
    dy = np.random.default_rng(7).normal(size=y.shape)
    dx = network.backward(dy)
    gradients = network.gradients.copy()
    recorded.build(x)
    entry = Tensor(x) if x.dtype.kind == "f" else x
    with learning():
        output = recorded(entry)
    np.testing.assert_allclose(output.data, y, rtol=1e-12)
    output.backward(dy)
    np.testing.assert_allclose(recorded.gradients, gradients, rtol=1e-9, atol=1e-12)
    if x.dtype.kind == "f":
        np.testing.assert_allclose(entry.grad, dx, rtol=1e-9, atol=1e-12)
    for (_, a), (_, b) in zip(walk(network), walk(recorded)):
        for name in getattr(a, "buffers", ()):
            np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-12)
    if numeric:
        directional(network, x, dy, gradients)
    return gradients


def directional(network, x, dy, gradients):
    """The derivative of Σ dy · y along random directions of all parameters, and in a few alone."""
    rng, p = np.random.default_rng(11), network.parameters
    directions = rng.normal(size=(4, len(p)))
    alone = np.eye(len(p))[rng.integers(0, len(p), 6)]
    kept = p.copy()
    for v in (*directions, *alone):
        sides = []
        for h in (1e-6, -1e-6):
            p[...] = kept + h * v
            sides.append((network.forward(x) * dy).sum())
        p[...] = kept
        derivative = (sides[0] - sides[1]) / 2e-6
        assert gradients @ v == pytest.approx(derivative, rel=1e-5, abs=1e-5 * abs(gradients).max())


def affine(**options):
    return Affine(WIDTH, inputs=WIDTH, **options)


SHARED = {
    "nested": lambda a: Sequential(a, Tanh(), Sequential(a)),
    "deeply nested": lambda a: Sequential(Sequential(Sequential(a)), Sequential(Tanh(), a)),
    "residual": lambda a: Sequential(a, Residual(a)),
    "inside a residual": lambda a: Residual(a, Tanh(), a),
    "parallel": lambda a: Sequential(Parallel(a, Sequential(Tanh(), a)), Affine(2)),
    "network": lambda a: Sequential(a, Free(a, Tanh())),
    "network twice": lambda a: (lambda n: Sequential(n, Tanh(), Residual(n)))(Free(a, Tanh())),
    "sequential twice": lambda a: (lambda n: Sequential(n, Sequential(n)))(Sequential(a, Tanh())),
    "in a class": lambda a: Sequential(a, Pair(affine(), a)),
    "two classes": lambda a: Sequential(Pair(affine(), a), Pair(a, affine())),
    "list and dict": lambda a: Free(a, Pair(affine(), Sequential(Tanh(), a))),
    "own forward": lambda a: Sequential(a, ByForward(Sequential(Tanh(), a))),
    "own forward twice": lambda a: (lambda n: Sequential(n, n))(ByForward(Free(a, Tanh()))),
    "composite": lambda a: Sequential(a, Composite(Sequential(a, Tanh(), a))),
    "composite twice": lambda a: (lambda n: Sequential(n, Residual(n)))(Composite(Free(a, a))),
}


@pytest.mark.parametrize("name", SHARED)
@pytest.mark.parametrize("make", ["affine", "book", "in place"])
def test_a_layer_used_twice_however_deep(name, make, rng):
    W = 0.5 * rng.normal(size=(WIDTH, WIDTH))
    layer = {"affine": affine, "book": lambda: BookAffine(W, np.zeros(WIDTH)),
             "in place": lambda: InPlace(W)}[make]()  # fmt: skip
    network = SHARED[name](layer)
    network.dtype = np.dtype(np.float64)
    verify(network, rng.normal(size=(4, WIDTH)))


def test_a_layer_that_runs_once_runs_by_hand_and_any_other_is_recorded(rng):
    a, x = affine(), rng.normal(size=(2, WIDTH))
    network = Sequential(a, Sequential(Tanh()), dtype=np.float64)
    network.forward(x)
    assert a.x is not None
    assert isinstance(network._record, ByHand)
    mixed = Sequential(affine(), Residual(affine(), Tanh()), Pair(affine(), affine()))
    for _ in range(3):
        mixed.forward(x)
        assert isinstance(mixed._record, ByHand)
    other = Sequential(a, Sequential(a), dtype=np.float64)
    other.forward(x)
    assert isinstance(other._record, tuple)


def test_layers_added_and_replaced_later(rng):
    x, a = rng.normal(size=(4, WIDTH)), affine()
    network = Sequential(a, Tanh(), dtype=np.float64)
    verify(network, x)
    network.layers += (Sequential(a),)  # from now on it is shared
    verify(network, x)
    network.layers = (a, Tanh(), affine())  # a new head, and no longer shared
    assert len(verify(network, x)) == 24
    assert [path for path, *_ in network.layout] == ["0.W", "0.b", "2.W", "2.b"]
    network.layers = (a, affine(), a)
    assert len(verify(network, x)) == 24
    free = Free(a, Tanh())
    verify(free, x)
    free.parts.append(affine())
    assert len(verify(free, x)) == 27
    pair = Pair(affine(), affine())
    network = Sequential(pair, Sequential(), dtype=np.float64)
    verify(network, x)
    pair.rest["second"] = pair.first
    network.layers[1].layers = (pair.first,)
    assert len(verify(network, x)) == 12


def test_frozen_stays_frozen_when_the_head_is_replaced(rng):
    network = Sequential(affine(), Tanh(), affine()).build(rng.normal(size=(2, WIDTH)))
    network.freeze("0")
    network.layers = (*network.layers[:2], Affine(2, inputs=WIDTH))
    assert network.frozen == {"0.W", "0.b"}
    assert len(network.parameters) == 20


def test_new_layers_draw_numbers_of_their_own(rng):
    network = Sequential(affine(), Tanh()).build(rng.normal(size=(2, WIDTH)))
    network.layers = (affine(), affine(), *network.layers)
    network.build(rng.normal(size=(2, WIDTH)))
    weights = [network[i].W for i in range(3)]
    assert len({W.tobytes() for W in weights}) == 3


def test_a_layer_in_two_networks_whose_calls_interleave(rng):
    a, x = affine(), rng.normal(size=(4, WIDTH))
    networks = [Sequential(a, Tanh(), dtype=np.float64), Sequential(a, Sigmoid(), dtype=np.float64),
                Sequential(Residual(a), dtype=np.float64)]  # fmt: skip
    xs, dys = rng.normal(size=(3, 4, WIDTH)), rng.normal(size=(3, 4, WIDTH))
    alone = []
    for network, x, dy in zip(networks, xs, dys):
        network.forward(x)
        alone.append((network.backward(dy), a.dW.copy()))
    for order in [(0, 1, 2), (2, 0, 1)]:
        for i in order:
            networks[i].forward(xs[i])
        for i in order:
            dx = networks[i].backward(dys[i])
            np.testing.assert_allclose(dx, alone[i][0], rtol=1e-12)
            np.testing.assert_allclose(a.dW, alone[i][1], rtol=1e-12)


def test_a_network_in_another_and_alone(rng):
    encoder = Sequential(affine(), Tanh(), dtype=np.float64)
    xs, dy = rng.normal(size=(2, 4, WIDTH)), rng.normal(size=(4, WIDTH))
    encoder.forward(xs[0])
    expected = encoder.backward(dy)
    whole = Sequential(encoder, affine(), dtype=np.float64)
    encoder.forward(xs[0])
    whole.forward(xs[1])
    np.testing.assert_allclose(encoder.backward(dy), expected, rtol=1e-12)
    verify(whole, xs[1])
    verify(encoder, xs[0])
    before = encoder[0].W.copy()
    whole.forward(xs[1])
    whole.backward(dy)
    SGD(0.1).step(whole)
    assert (before != encoder[0].W).all()
    np.testing.assert_array_equal(encoder.named_parameters()["0.W"], encoder[0].W)


def test_a_branch_not_taken_has_no_gradient_of_an_earlier_step(rng):
    class Choice:
        def __init__(self):
            self.left, self.right, self.go_left = affine(), affine(), True

        def forward(self, x):
            return (self.left if self.go_left else self.right).forward(x)

        def backward(self, dout):
            return (self.left if self.go_left else self.right).backward(dout)

    for outer in (lambda c: Sequential(c, Tanh()), lambda c: Residual(c)):
        choice = Choice()
        network, x = outer(choice), rng.normal(size=(4, WIDTH))
        network.forward(x)
        network.backward(x)
        choice.go_left = False
        network.forward(x)
        network.backward(x)
        found = {path.split(".")[-2]: g.any() for path, g in network.named_gradients().items()}
        assert found == {"left": False, "right": True}


def test_a_forgotten_gradient_is_named_by_hand_too(rng):
    class Forgets(BookAffine):
        def backward(self, dout):
            self.db = dout.sum(axis=0)
            return dout @ self.W.T

    network = Sequential(Forgets(rng.normal(size=(3, 2)), np.zeros(2)))
    network.forward(rng.normal(size=(4, 3)))
    with pytest.raises(ValueError, match="Forgets: backward did not set dW"):
        network.backward(np.ones((4, 2)))


def test_a_tensor_owned_twice_counts_once(rng):
    class Twice(Network):
        dtype = np.float64

        def __init__(self):
            self.a = self.b = Parameter(np.array([2.0, 3.0]))
            self.inner = [Composite(Free(affine()))]
            self.inner[0].inner.other = self.a

        def __call__(self, x):
            return x * self.a * self.b

    network = Twice()
    network.build(rng.normal(size=(3, 2)))
    network.forward(x := rng.normal(size=(3, 2)))
    network.backward(dy := rng.normal(size=(3, 2)))
    gradient = network.named_gradients()["a"]
    np.testing.assert_allclose(gradient, 2 * network.a.data * (dy * x).sum(axis=0))


# -- random networks ----------------------------------------------------------------------------


def layers_of(rng, depth, shared, tied):
    """A few random layers that keep the width; some from `shared`, some with the array `tied`."""
    found = []
    for _ in range(rng.integers(1, 4)):
        kind = int(rng.integers(0, 13))
        if kind < 2 and shared:
            found.append(shared[int(rng.integers(len(shared)))])
            continue
        deeper = depth > 0 and kind > 7
        inner = layers_of(rng, depth - 1, shared, tied) if deeper else ()
        if deeper and kind == 8:
            new = Sequential(*inner)
        elif deeper and kind == 9:
            new = Residual(*inner)
        elif deeper and kind == 10:
            new = Sequential(Parallel(Sequential(*inner), Tanh()), Affine(WIDTH))
        elif deeper and kind == 11:
            new = Pair(Sequential(*inner), Sequential(Tanh()))
        elif deeper:
            new = Free(*inner)
        else:
            new = [
                Tanh, Sigmoid, affine, lambda: BookAffine(tied, np.zeros(WIDTH)),
                lambda: InPlace(tied), LayerNorm, lambda: Dropout(0.3), lambda: BatchNorm(),
            ][kind % 8]()  # fmt: skip
        found.append(new)
        shared.append(new)
    return found


@pytest.mark.parametrize("seed", range(60))
def test_random_networks(seed):
    rng = np.random.default_rng(seed)
    tied = 0.5 * rng.normal(size=(WIDTH, WIDTH))
    layers = layers_of(rng, 3, [], tied)
    network = Sequential(*layers, affine(), dtype=np.float64, seed=seed)
    random = any(isinstance(layer, Dropout) for _, layer in walk(network))
    shared_norm = any(isinstance(layer, BatchNorm) for _, layer in walk(network))
    x = rng.normal(size=(5, WIDTH))
    network.build(x)
    verify(network, x, numeric=not random and not shared_norm)
    if random or shared_norm:
        verify(network.eval(), x)


@pytest.mark.parametrize("seed", range(4))
def test_random_networks_on_indices_and_sequences(seed):
    rng = np.random.default_rng(seed)
    embedding, cell = Embedding(5, 3), [GRU, LSTM][seed % 2](3)
    network = Sequential(
        embedding, cell, Residual(cell), Sequential(Affine(3), Sequential(cell)), Flatten(),
        Affine(2), dtype=np.float64, seed=seed,
    )  # fmt: skip
    verify(network, rng.integers(0, 5, (2, 3)))
    plain = Sequential(Embedding(5, 3), cell, Flatten(), ReLU(), Affine(2), dtype=np.float64)
    verify(plain, rng.integers(0, 5, (2, 3)))
