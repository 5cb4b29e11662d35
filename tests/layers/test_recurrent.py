"""Recurrent layers: their formulas, masks, states, dropout, combinations and errors."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from handgrad.arrays import ShapeError
from handgrad.layer import slots
from handgrad.layers import (
    GRU,
    LSTM,
    RNN,
    Affine,
    Bidirectional,
    GRUCell,
    LSTMCell,
    RNNCell,
    SoftmaxCrossEntropy,
    Stacked,
    VariationalDropout,
    length_mask,
)
from handgrad.network import Network, Sequential
from handgrad.prove import check
from handgrad.tensor import Tensor
from tests.reference import sequences

KINDS = [
    (RNN, RNNCell, {}, sequences.rnn_step, 1),
    (LSTM, LSTMCell, {}, sequences.lstm_step, 2),
    (GRU, GRUCell, {}, sequences.gru_step, 1),
    (GRU, GRUCell, {"reset": "before"}, sequences.gru_step, 1),
]
LAYERS = pytest.mark.parametrize(("cls", "cell", "options", "step", "states"), KINDS)
EACH = pytest.mark.parametrize("cls", [RNN, LSTM, GRU])


def made(cls, rng, *, inputs=3, outputs=4, **options):
    """A layer whose every parameter, biases too, is random."""
    layer = cls(outputs, inputs=inputs, **options)
    layer.build(np.zeros((0, inputs)))
    for slot in slots(layer):
        slot.set(0.5 * rng.standard_normal(slot.value.shape))
    return layer


def weights(layer):
    return [slot.value for slot in slots(layer)]


def close(a, b, tolerance=1e-12):
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@LAYERS
@pytest.mark.parametrize(("batch", "steps"), [(3, 5), (1, 4), (2, 1)])
def test_the_same_numbers_as_written_out(cls, cell, options, step, states, batch, steps, rng):
    layer = made(cls, rng, return_state=True, **options)
    x = rng.standard_normal((batch, steps, 3))
    first = [rng.standard_normal((batch, 4)) for _ in range(states)]
    mask = length_mask(rng.integers(1, steps + 1, batch), steps)
    for m in (None, mask, mask[:, ::-1]):
        y, *last = layer(x, m, *first)
        expected, end = sequences.over_time(step, x, m, first, *weights(layer))
        close(y, expected)
        for a, b in zip(last, end):
            close(a, b)
        close(y[:, -1], last[0])  # the state stands still where the mask is False


@LAYERS
def test_over_time_is_the_cell_step_by_step(cls, cell, options, step, states, rng):
    layer, x = made(cls, rng, **options), rng.standard_normal((2, 4, 3))
    one = cell(4, inputs=3, **options)
    for slot, value in zip(slots(one), weights(layer)):
        slot.set(value)
    cells, state = [copy.deepcopy(one) for _ in range(4)], [np.zeros((2, 4))] * states
    dy, y = rng.standard_normal((2, 4, 4)), layer(x)
    for t, c in enumerate(cells):
        state = c(x[:, t], *state)
        state = state if states > 1 else [state]
        close(y[:, t], state[0])
    dx, back = layer.backward(dy), [np.zeros((2, 4))] * states
    totals = [np.zeros_like(w) for w in weights(layer)]
    for t in reversed(range(4)):
        dxt, *back = cells[t].backward(dy[:, t] + back[0], *back[1:])
        close(dx[:, t], dxt)
        totals = [a + s.grad for a, s in zip(totals, slots(cells[t]))]
    for a, b in zip(layer.dstate, back):
        close(a, b)
    for slot, total in zip(slots(layer), totals):
        close(slot.grad, total)


@LAYERS
@pytest.mark.parametrize(("batch", "steps", "inputs", "hidden"), [(3, 4, 2, 5), (1, 1, 3, 4)])
def test_proved(cls, cell, options, step, states, batch, steps, inputs, hidden, rng):
    x = 2 * rng.standard_normal((batch, steps, inputs))
    state = [2 * rng.standard_normal((batch, hidden)) - 1 for _ in range(states)]
    mask = length_mask(rng.integers(1, steps + 1, batch), steps)
    assert check(cls(hidden, seed=1, **options), x)
    assert check(cls(hidden, seed=1, return_state=True, **options), x, mask, *state)
    assert check(cell(hidden, seed=1, **options), x[:, 0], *state)
    if batch * hidden > 8:
        assert check(cls(hidden, seed=1, recurrent_dropout=0.4, **options), x)


def test_proved_combinations(rng):
    x, mask = rng.standard_normal((3, 4, 2)), length_mask([1, 4, 2], 4)
    assert check(Stacked([LSTM(3, seed=1), GRU(2, seed=2)]), x)
    assert check(Stacked([LSTM(3, seed=1), GRU(4, seed=2)], dropout=0.5, seed=4), x, mask)
    assert check(Bidirectional(LSTM(3, seed=1), RNN(2, seed=2)), x, mask)
    assert check(VariationalDropout(0.5, seed=1), x)


@EACH
def test_stateful_in_pieces_is_like_the_whole(cls, rng):
    whole = made(cls, rng)
    pieces = cls(4, stateful=True)
    for slot, value in zip(slots(pieces), weights(whole)):
        slot.set(value)
    x = rng.standard_normal((2, 6, 3))
    y = whole(x)
    close(np.concatenate([pieces(x[:, :2]), pieces(x[:, 2:5]), pieces(x[:, 5:])], axis=1), y)
    pieces.reset_state()
    close(pieces(x), y)
    pieces.set_state(*(rng.standard_normal((2, 4)) for _ in whole.states))
    assert not np.allclose(pieces(x), y)


@EACH
def test_a_remembered_state_is_a_constant_for_backward(cls, rng):
    layer = made(cls, rng, stateful=True)
    x, dy = rng.standard_normal((2, 6, 3)), rng.standard_normal((2, 3, 4))
    layer(x[:, :3])
    state = layer.memory.state
    layer(x[:, 3:])
    dx = layer.backward(dy)
    given = made(cls, rng)
    for slot, value in zip(slots(given), weights(layer)):
        slot.set(value)
    given(x[:, 3:], None, *state)
    expected, _, *dstate = given.backward(dy)
    np.testing.assert_array_equal(dx, expected)
    for a, b in zip(layer.dstate, dstate):
        np.testing.assert_array_equal(a, b)


@EACH
def test_the_state_survives_uses_on_tensors(cls, rng):
    by_hand = made(cls, rng, stateful=True)
    on_tensors = copy.deepcopy(by_hand)
    for _ in range(2):
        x = rng.standard_normal((2, 3, 3))
        np.testing.assert_array_equal(on_tensors(Tensor(x)).data, by_hand(x))


def test_predicting_and_building_leave_the_state_alone(rng):
    network = Sequential(LSTM(4, stateful=True), Affine(2), dtype=np.float64)
    x = rng.standard_normal((2, 3, 3))
    network.build(x)
    assert network[0].memory.state is None
    first = network.forward(x)
    state = network[0].memory.state
    np.testing.assert_array_equal(network.predict(x), first)
    close(network.predict(np.concatenate([x, x, x[:1]]), batch=2), [*first, *first, first[0]])
    assert network[0].memory.state is state


def test_copies_of_a_layer_have_a_memory_of_their_own(rng):
    layer = made(RNN, rng, stateful=True)
    other = copy.deepcopy(layer)
    layer(rng.standard_normal((2, 3, 3)))
    assert other.memory.state is None


class Translator(Network):
    """An encoder whose last state is the decoder's first."""

    dtype = np.float64

    def __init__(self):
        self.encoder, self.decoder = LSTM(4, return_state=True), LSTM(4)

    def __call__(self, x, z):
        _, h, c = self.encoder(x)
        return self.decoder(z, None, h, c)


def test_gradients_flow_through_a_state_that_is_handed_on(rng):
    assert check(Translator(), rng.standard_normal((2, 3, 3)), rng.standard_normal((2, 2, 3)))


def test_a_sequence_of_masked_steps_needs_a_state(rng):
    x, mask = rng.standard_normal((2, 3, 3)), np.array([[True] * 3, [False] * 3])
    with pytest.raises(ValueError, match="LSTM: .* all positions are masked for sample 1; leave"):
        made(LSTM, rng)(x, mask)
    state = rng.standard_normal((2, 2, 4))
    np.testing.assert_array_equal(made(LSTM, rng)(x, mask, *state)[1, -1], state[0, 1])


def test_masked_steps_have_no_say(rng):
    x, mask = rng.standard_normal((3, 5, 3)), length_mask([2, 5, 1], 5)
    layer = made(LSTM, rng)
    y = layer(x, mask)
    dx, none = layer.backward(rng.standard_normal(y.shape))
    assert none is None
    assert not dx[~mask].any()
    assert dx[mask].all()
    x[~mask] = 1e3
    np.testing.assert_array_equal(layer(x, mask), y)


def test_both_directions(rng):
    ahead, back = made(GRU, rng), made(RNN, rng, outputs=2)
    x = rng.standard_normal((2, 5, 3))
    y = Bidirectional(ahead, back)(x)
    close(y[..., :4], ahead(x))
    close(y[..., 4:], back(x[:, ::-1])[:, ::-1])
    short = Bidirectional(ahead, back)(x, length_mask([2, 5], 5))
    close(short[0, :2, 4:], back(x[:1, 1::-1])[0, ::-1])


@pytest.mark.parametrize("ratio", [0.0, 0.4])
def test_dropout_has_one_mask_for_a_sequence(ratio):
    y = VariationalDropout(ratio, seed=2)(np.ones((3, 5, 8)))
    np.testing.assert_array_equal(y, np.broadcast_to(y[:, :1], y.shape))
    assert set(np.unique(y)) == ({1.0} if ratio == 0 else {0.0, 1 / 0.6})
    np.testing.assert_array_equal(VariationalDropout(ratio).eval()(y), y)


def test_recurrent_dropout_draws_once_in_training_and_never_in_evaluation(rng):
    x = rng.standard_normal((2, 5, 3))
    layer = made(LSTM, rng, recurrent_dropout=0.5, seed=3)
    before = layer.stream.step
    layer(x)
    assert layer.stream.step == before + 1
    plain = made(LSTM, rng)
    for slot, value in zip(slots(plain), weights(layer)):
        slot.set(value)
    layer.eval()
    np.testing.assert_array_equal(layer(x), plain(x))
    assert layer.stream.step == before + 1


def test_layers_of_sequences_replace_copies_for_every_step(rng):
    x, t = rng.standard_normal((3, 4, 5)), rng.integers(0, 6, (3, 4))
    affine, loss = Affine(6, seed=0), SoftmaxCrossEntropy(ignore_index=2)
    y = affine(x)
    value, (dy, _) = loss(y, t), loss.backward()
    dx = affine.backward(dy)
    total, count = np.zeros_like(affine.W), 0
    expected = 0.0
    for n, s in np.ndindex(3, 4):
        close(y[n, s], x[n, s] @ affine.W)
        p = np.exp(y[n, s]) / np.exp(y[n, s]).sum()
        if t[n, s] == 2:
            assert not dx[n, s].any()
            continue
        count += 1
        expected -= np.log(p[t[n, s]])
        total += np.outer(x[n, s], p - np.eye(6)[t[n, s]])
    close(value, expected / count)
    close(affine.dW, total / count)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@EACH
def test_the_memory_keeps_the_dtype(cls, dtype, rng):
    layer = cls(4, stateful=True, return_state=True)
    y, *state = layer(rng.standard_normal((2, 3, 3)).astype(dtype))
    assert {y.dtype, *(s.dtype for s in (*state, *layer.memory.state))} == {np.dtype(dtype)}


def test_the_forget_gate_starts_open():
    layer = LSTM(3, inputs=2)
    np.testing.assert_array_equal(layer.b, [1] * 3 + [0] * 9)


@EACH
def test_errors(cls, rng):
    name, x = cls.__name__, rng.standard_normal((2, 3, 4))
    layer = cls(5, stateful=True)
    layer(x)
    with pytest.raises(ShapeError, match=rf"{name}: a sequence needs at least one step"):
        cls(5)(x[:, :0])
    with pytest.raises(ShapeError, match=rf"{name}: x must be \(N, T, D\) with D = 4, got \(2, 4"):
        layer(x[:, 0])
    with pytest.raises(ShapeError, match=r"with D = 4, got \(2, 3, 3\)"):
        layer(x[..., :3])
    with pytest.raises(ShapeError, match=rf"{name}: h must be \(N, H\) = \(1, 5\), got \(2, 5\)"):
        layer(x[:1])
    with pytest.raises(ShapeError, match=rf"{name}: the mask must be \(N, T\) = \(2, 3\)"):
        layer(x, np.ones((2, 4), bool))
    with pytest.raises(ValueError, match=rf"{name}: the mask must be of booleans"):
        layer(x, np.ones((2, 3)))
    with pytest.raises(ValueError, match=rf"{name}: x is float32 but the parameters are float64"):
        layer(x.astype(np.float32))
    with pytest.raises(ValueError, match=rf"{name}: h is float32"):
        layer(x, None, *[np.zeros((2, 5), np.float32)] * len(layer.states))
    with pytest.raises(ValueError, match=rf"{name}: the state is h"):
        layer(x, None, *[np.zeros((2, 5))] * 3)
    with pytest.raises(ValueError, match=rf"{name}: outputs must be a positive integer, got 0"):
        cls(0)
    with pytest.raises(ValueError, match=rf"{name}: recurrent_dropout must lie in \[0, 1\), got 1"):
        cls(5, recurrent_dropout=1)


def test_errors_of_options_and_combinations():
    with pytest.raises(ValueError, match=r'GRU: reset must be "after" .* got \'now\''):
        GRU(3, reset="now")
    with pytest.raises(ValueError, match="Stacked: at least one layer is needed"):
        Stacked([])
    with pytest.raises(ValueError, match="Bidirectional: its layers need return_state=False"):
        Bidirectional(RNN(2), RNN(2, return_state=True))
    both = RNN(2)
    with pytest.raises(ValueError, match="Bidirectional: its layers must be different objects"):
        Bidirectional(both, both)
    with pytest.raises(ValueError, match=r"VariationalDropout: ratio must lie in \[0, 1\), got 1"):
        VariationalDropout(1)
    with pytest.raises(ShapeError, match=r"VariationalDropout: x must be \(N, T, D\)"):
        VariationalDropout()(np.ones((2, 3)))
    with pytest.raises(ValueError, match="length_mask: lengths must lie from 1 to 3, got 0 to 2"):
        length_mask([2, 0], 3)
    with pytest.raises(ShapeError, match=r"length_mask: lengths must be integers \(N,\)"):
        length_mask([1.5], 3)
