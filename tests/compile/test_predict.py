"""Predictions: one engine for a network's life, the same bits however they are asked for."""

from __future__ import annotations

import copy
import os
import sys
import threading
import warnings

import numpy as np
import pytest

import handgrad as hg
from handgrad.compile import predict as module
from handgrad.compile.key import Key
from handgrad.compile.values import NotNative

RNG = np.random.default_rng(5)
X = RNG.normal(size=(150, 12)).astype(np.float32)
IMAGES = RNG.normal(size=(70, 3, 9, 8)).astype(np.float32)
IDS = RNG.integers(0, 30, (90, 6))
SEQUENCES = RNG.normal(size=(60, 6, 8)).astype(np.float32)


def mlp(**options):
    return hg.Sequential(hg.Affine(70), hg.ReLU(), hg.Dropout(0.3), hg.Affine(5), **options)


NETWORKS = {
    "mlp": (mlp, X),
    "deep": (lambda: hg.Sequential(*[layer for _ in range(4) for layer in
                                     (hg.Affine(100), hg.Tanh())], hg.Affine(10)), X),
    "convolution": (lambda: hg.Sequential(
        hg.Convolution(8, 3, pad=1), hg.BatchNorm(), hg.ReLU(), hg.MaxPooling(2),
        hg.Convolution(5, 3), hg.ReLU(), hg.Flatten(), hg.Affine(4)), IMAGES),
    "lstm": (lambda: hg.Sequential(hg.Embedding(30, 7), hg.LSTM(9), hg.Affine(30)), IDS),
    "gru": (lambda: hg.Sequential(hg.Bidirectional(hg.GRU(5), hg.GRU(5)), hg.Affine(3)), SEQUENCES),
    "attention": (lambda: hg.Sequential(
        hg.Residual(hg.MultiHeadAttention(2)), hg.LayerNorm(), hg.Affine(3)), SEQUENCES),
    "softmax": (lambda: hg.Sequential(hg.Affine(9), hg.GELU(), hg.Affine(6), hg.Softmax()), X),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_the_same_bits_each_time_and_whatever_is_beside_a_sample(name):
    make, x = NETWORKS[name]
    network = make()
    y = network.predict(x)
    assert {type(p).__name__ for p in network._programs.made.values()} == {"Prediction"}
    np.testing.assert_array_equal(network.predict(x), y)
    for batch in (1, 7, 32):
        np.testing.assert_array_equal(network.predict(x, batch=batch), y)
    for i in (0, 3, 41):
        for n in (1, 2, 3, 5, 8, 13, 17):
            np.testing.assert_array_equal(network.predict(x[i : i + n]), y[i : i + n])
    np.testing.assert_array_equal(network.predict(x[::-1])[::-1], y)
    np.testing.assert_array_equal(copy.deepcopy(network).predict(x), y)
    plain = network.predict(x, engine="numpy")
    np.testing.assert_allclose(y, plain, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(network.predict(x, engine="numpy"), plain)


def test_the_same_bits_in_any_thread_while_others_predict():
    network = mlp()
    right = {n: network.predict(X[:n]) for n in (1, 60, 150)}
    wrong, threads = [], []

    def ask(n: int) -> None:
        wrong.extend(1 for _ in range(40) if (network.predict(X[:n]) != right[n]).any())

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=ask, args=(n,)) for n in (1, 60, 150, 150)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not wrong


def test_a_thread_waits_for_the_one_inside():
    network = mlp()
    right, found = network.predict(X), []
    held = network._programs
    held.lock.acquire()
    thread = threading.Thread(target=lambda: found.append(network.predict(X)))
    thread.start()
    thread.join(0.1)
    assert thread.is_alive()
    held.lock.release()
    thread.join()
    np.testing.assert_array_equal(found[0], right)


def test_a_forked_process_does_not_wait_for_a_thread_that_it_has_not():
    network = mlp()
    right = network.predict(X)
    network._programs.lock.acquire()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        child = os.fork()
    if child == 0:
        os._exit(0 if (network.predict(X) == right).all() else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_an_engine_can_be_asked_for():
    network = mlp()
    native, plain = network.predict(X), network.predict(X, engine="numpy")
    assert (native != plain).any()
    network.engine = "numpy"
    np.testing.assert_array_equal(network.predict(X), plain)
    np.testing.assert_array_equal(network.predict(X, engine="auto"), native)
    with pytest.raises(ValueError, match="engine: one of 'auto', 'native', 'numpy' .* got 'fast'"):
        network.predict(X, engine="fast")
    with pytest.raises(ValueError, match="engine: the network's dtype is float64"):
        mlp(dtype=np.float64).predict(X, engine="native")
    assert mlp(dtype=np.float64).predict(X).dtype == np.float64


def test_training_and_predictions_agree_on_the_engine():
    t = RNG.integers(0, 5, len(X))
    for engine in ("numpy", "native"):
        network = mlp()
        hg.fit(network, X, t, epochs=1, engine=engine, validation=(X, t), progress=False)
        assert network.engine == engine
        np.testing.assert_array_equal(network.predict(X), network.predict(X, engine=engine))
    network = mlp()
    before = network.predict(X[:1])
    hg.fit(network, X, t, epochs=1, progress=False)
    assert network.engine == "auto"
    network.parameters[...] = mlp().build(X).parameters
    np.testing.assert_array_equal(network.predict(X[:1]), before)


@pytest.fixture
def made(monkeypatch):
    """How many programs were made."""
    count = []

    class Counting(module.Prediction):
        def __init__(self, *args, **options):
            count.append(1)
            super().__init__(*args, **options)

    monkeypatch.setattr(module, "Prediction", Counting)
    return count


def test_a_program_is_made_once_and_again_when_what_it_depends_on_has_changed(made):
    scale = hg.layers.Standardize(np.zeros(12), np.ones(12))
    network = hg.Sequential(scale, hg.Affine(7), hg.LeakyReLU(0.1), hg.BatchNorm(), hg.Affine(5))
    network.build(X)

    def predicts(programs: int) -> None:
        """What NumPy does, and so many programs so far."""
        y, plain = network.predict(X), network.predict(X, engine="numpy")
        np.testing.assert_allclose(y, plain, rtol=1e-4, atol=1e-5)
        assert len(made) == programs

    for _ in range(3):
        predicts(1)
    network[2].alpha = 0.1 + 0.0  # another number of the same value
    network.parameters[...] *= 1.5
    network[1].W[...] *= 2
    network.forward(X)  # running statistics, in the same arrays
    network.train()
    predicts(1)
    changed = [name for name in vars(network[2]) if name in ("alpha", "ratio")]
    setattr(network[2], changed[0], 0.4)
    predicts(2)
    network[3].running_mean = network[3].running_mean + 1
    predicts(3)
    network.layers = network.layers[:3]
    predicts(4)
    network.layers = (*network.layers, network.layers[2])  # the same layer once more
    predicts(5)


def test_a_network_of_ones_own_is_made_again_when_its_attributes_change(made):
    class Mine(hg.Network):
        def __init__(self):
            self.layers, self._times = {"a": hg.Affine(4), "b": hg.Affine(4)}, 2

        def __call__(self, x):
            return sum((layer(x) for layer in self.layers.values()), start=self._times)

    network = Mine()
    for times, programs in ((2, 1), (2, 1), (3, 2)):
        network._times = times
        np.testing.assert_allclose(network.predict(X), network.predict(X, engine="numpy"), 1e-4)
        assert len(made) == programs
    del network.layers["b"]
    np.testing.assert_allclose(network.predict(X), network.predict(X, engine="numpy"), 1e-4)


def test_keys_compare_by_value_and_know_sharing():
    def key(*layers):
        network = hg.Sequential(*layers).build(X)
        one = Key(network)
        one.memory = []  # another network's flat arrays are others
        return one

    a = hg.Affine(12, inputs=12)
    assert key(hg.Affine(12), hg.Tanh()) == key(hg.Affine(12), hg.Tanh())
    assert key(hg.Affine(12), hg.Tanh()) != key(hg.Affine(12), hg.Sigmoid())
    assert key(a, hg.Tanh(), a) != key(hg.Affine(12), hg.Tanh(), hg.Affine(12))
    assert key(hg.Affine(12)) != key(hg.Affine(12, bias=False))


def test_large_integers_and_wrong_ones_are_numpys_matter():
    network = hg.Sequential(hg.Embedding(30, 7), hg.Affine(3))
    y = network.predict(IDS)
    for wrong in (30, 2**40):
        ids = IDS.copy()
        ids[7, 2] = wrong
        with pytest.raises(ValueError, match="Embedding"):
            network.predict(ids)
    np.testing.assert_array_equal(network.predict(IDS), y)


def test_a_layer_without_native_form_is_numpys_or_a_row_of_python():
    class Squared(hg.Layer):
        def forward(self, x):
            return x * x

        def backward(self, dy):
            raise NotNative

    network = hg.Sequential(hg.Affine(6), Squared(), hg.Affine(5))
    plain = network.predict(X)
    np.testing.assert_array_equal(plain, network.predict(X, engine="numpy"))
    mixed = network.predict(X, engine="native")
    np.testing.assert_allclose(mixed, plain, rtol=1e-4, atol=1e-5)
    assert network.predict(X[:0]).shape == (0, 5)


class Deciding(hg.Network):
    """Its Python looks at the numbers."""

    def __init__(self, how):
        self.inner, self.how = hg.Affine(3), how

    def __call__(self, x):
        y = self.inner(x)
        if self.how == "mask":
            return y * (y > -1e3)
        total = {"item": x.sum().item, "float": lambda: float(x.sum()), "compare": x.sum}[self.how]
        return y * 2.0 if total() > 0 else y


@pytest.mark.parametrize("how", ["mask", "item", "float", "compare"])
def test_what_python_decides_by_the_numbers_is_decided_anew(how):
    network = Deciding(how)
    for x in (abs(X), -abs(X), abs(X) * np.float32(1e6), -abs(X) * np.float32(1e6)):
        np.testing.assert_array_equal(network.predict(x), network.predict(x, engine="numpy"))
    assert hg.Trainer(network, X, X[:, :3]).engine.startswith("NumPy")
