"""Recurrent layers as native rows, beside the layers themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handgrad import Network, Sequential
from handgrad.compile import NotNative
from handgrad.layers import GRU, LSTM, RNN, Affine, Bidirectional, Stacked, VariationalDropout
from tests.compile.eager import Compiled, require_equal

RECURRENT = [RNN, LSTM, GRU, lambda H, **options: GRU(H, reset="before", **options)]


def sequences(N, T, D, seed=0):
    return np.random.default_rng(seed).standard_normal((N, T, D)).astype(np.float32)


def stir(network, x):
    """Biases that are not zero."""
    network.build(x)
    random = np.random.default_rng(1).standard_normal(network.parameters.shape)
    network.parameters[...] += 0.1 * random
    return network


@pytest.mark.parametrize("kind", RECURRENT)
@settings(max_examples=12, deadline=None)
@given(N=st.integers(1, 14), T=st.integers(1, 5), D=st.integers(1, 5), H=st.integers(1, 33))
def test_over_time(kind, N, T, D, H):
    x = sequences(N, T, D)
    require_equal(stir(Sequential(Affine(D), kind(H)), x), x)


@pytest.mark.parametrize("kind", RECURRENT)
@pytest.mark.parametrize("H", [8, 16, 17, 50])
def test_many_samples_in_units_of_several(kind, H):
    x = sequences(210, 2, 3)
    require_equal(stir(Sequential(kind(H)), x), x, threads=2)


def test_a_frozen_matrix_gets_no_gradient():
    x = sequences(5, 3, 2)
    network = stir(Sequential(LSTM(4), GRU(3)), x)
    network.freeze("0")
    program = Compiled(network, x, sequences(5, 3, 3), batch=5)
    _, gradients = program.run(np.arange(5))
    frozen = sum(stop - start for path, start, stop, _ in network.layout if path.startswith("0."))
    assert not gradients[:frozen].any()
    assert gradients[frozen:].any()


@pytest.mark.parametrize(("ahead", "back"), [(LSTM, LSTM), (GRU, RNN)])
def test_two_directions(ahead, back):
    x = sequences(7, 4, 3)
    require_equal(stir(Sequential(Affine(3), Bidirectional(ahead(5), back(9))), x), x)


def test_one_above_the_other():
    x = sequences(7, 4, 3)
    layers = LSTM(5), Bidirectional(RNN(2), RNN(3)), GRU(4, reset="before")
    require_equal(stir(Sequential(Affine(3), Stacked(layers)), x), x)


@pytest.mark.parametrize("D", [5, 16, 33])
def test_one_mask_for_all_steps(D):
    x = sequences(9, 4, D)
    layers = Affine(D), VariationalDropout(0.3), Stacked([GRU(4), RNN(6), LSTM(3)], dropout=0.5)
    network = stir(Sequential(*layers, seed=7), x)
    reference, dy = network.astype(np.float64), sequences(9, 4, 3, seed=2)
    program = Compiled(network, x, dy, batch=9, threads=2)
    for rows in [np.arange(9), np.arange(9)[::-1], np.arange(4)]:
        y, gradients = program.run(rows)
        np.testing.assert_allclose(y, reference.forward(x[rows]), atol=1e-5)
        reference.backward(dy[: len(rows)].astype(np.float64))
        np.testing.assert_allclose(gradients, reference.gradients, atol=1e-4)


class Translator(Network):
    """One recurrent layer starts from the last state of another."""

    def __init__(self, kind):
        self.reader, self.writer = kind(6, return_state=True), kind(6, return_state=True)

    def __call__(self, x):
        _, *state = self.reader(x)
        y, *_ = self.writer(x, None, *state)
        return y


@pytest.mark.parametrize("kind", RECURRENT)
def test_a_given_state_gets_its_gradient(kind):
    x = sequences(9, 3, 4)
    require_equal(stir(Translator(kind), x), x)


def test_same_bits_on_any_number_of_threads():
    x, dy = sequences(40, 6, 5), sequences(40, 6, 7)
    network = stir(Sequential(LSTM(11), GRU(7)), x)
    runs = [Compiled(network, x, dy, batch=40, threads=k).run(np.arange(40)) for k in (1, 2, 3)]
    for y, gradients in runs[1:]:
        assert np.array_equal(y, runs[0][0])
        assert np.array_equal(gradients, runs[0][1])


@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_a_state_that_is_carried_on(kind):
    x, dy = sequences(12, 3, 2), sequences(12, 3, 4)
    network = stir(Sequential(kind(4, stateful=True)), x)
    reference = network.astype(np.float64)
    program = Compiled(network, x, dy, batch=4)
    for rows in np.arange(12).reshape(3, 4):
        y, _ = program.run(rows)
        np.testing.assert_allclose(y, reference.forward(x[rows]), atol=1e-5)
    remembered = network.layers[0].memory.state
    for got, expected in zip(remembered, reference.layers[0].memory.state, strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-5)
    network.layers[0].reset_state()
    reference.layers[0].reset_state()
    np.testing.assert_allclose(program.run(rows)[0], reference.forward(x[rows]), atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "what"),
    [
        (LSTM(3, recurrent_dropout=0.5), "recurrent_dropout"),
        (GRU(3, stateful=True), "incomplete batch"),
    ],
)
def test_what_has_no_native_form_says_so(layer, what):
    x = sequences(7, 3, 2)
    with pytest.raises(NotNative, match=what):
        Compiled(Sequential(layer), x, sequences(7, 3, 3), batch=5)
