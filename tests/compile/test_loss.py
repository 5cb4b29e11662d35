"""Losses as native rows, beside the layers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handgrad import SGD, Sequential
from handgrad.compile import NotNative, compile_training
from handgrad.compile.program import BAD_INDEX, NOT_FINITE
from handgrad.layers import (
    Affine,
    BinaryCrossEntropy,
    Hinge,
    Huber,
    MeanAbsoluteError,
    MeanSquaredError,
    ReLU,
    Sigmoid,
    SigmoidCrossEntropy,
    SoftmaxCrossEntropy,
    SumSquaredError,
    counted,
)
from tests.compile.rows import run


def require_equal_steps(network, loss, x, t, rows, *, weights=None, threads=1, rtol=1e-5):
    """One step on each of the given batches: loss, denominator, counted elements, right answers
    and gradients are NumPy's. Returns the gradients."""
    rate = 2.0**-20  # the parameters hardly move, so that each step is compared by itself
    network.build(x)
    program = compile_training(
        network, loss, SGD(rate), x, t, weights=weights, batch=max(map(len, rows)), threads=threads
    )
    order = np.concatenate(rows)
    start, gradients = 0, []
    for r in rows:
        reference = network.astype(np.float64)
        y = reference.forward(x[r])
        expected = loss.forward(y, t[r], None if weights is None else weights[r])
        reference.backward(loss.backward()[0])
        assert program.run(order, np.array([start]), np.array([len(r)])) == 1
        assert program.losses[0] == pytest.approx(float(expected), rel=rtol, abs=1e-6)
        assert program.denominators[0] == pytest.approx(loss.denominator, rel=1e-6)
        scores, labels = counted(loss, y, t[r])
        assert program.counted[0] == labels.size
        if t.dtype.kind == "i":
            assert program.right[0] == (scores.argmax(axis=-1) == labels).sum()
        got, want = network.flat.gradients, reference.gradients
        np.testing.assert_allclose(got, want, rtol=0, atol=rtol * (np.abs(want).max() + 0.01))
        start += len(r)
        gradients.append(got.copy())
    return np.array(gradients)


def require_equal_weighted(network, loss, x, t, rows, rng):
    """The same for each way to weight the samples and to divide, with one thread and with two,
    which give the same bits."""
    start = network.build(x).parameters.copy()
    for weights in (None, rng.random(len(x)) * (rng.random(len(x)) < 0.8) + 0.01):
        for normalizer in (None, loss.mean_weight(t, weights, (*t.shape, 2)), 0.3):
            loss.normalizer = normalizer
            found = []
            for threads in (1, 2):
                network.parameters[...] = start
                found.append(
                    require_equal_steps(
                        network, loss, x, t, rows, weights=weights, threads=threads, rtol=2e-5
                    )
                )
            np.testing.assert_array_equal(*found)


def case(N, C, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((N, 4)).astype(np.float32)
    return Sequential(Affine(C), seed=seed), x, rng.integers(0, C, N), rng


@settings(max_examples=40, deadline=None)
@given(N=st.integers(1, 70), C=st.integers(1, 40), seed=st.integers(0, 9))
def test_labels(N, C, seed):
    network, x, t, rng = case(N, C, seed)
    rows = [np.arange(N), rng.permutation(N)[: max(1, N // 2)]]
    require_equal_steps(network, SoftmaxCrossEntropy(), x, t, rows)


@pytest.mark.parametrize("C", [3, 16, 300])
@pytest.mark.parametrize("options", [
    {"label_smoothing": 0.2}, {"ignore_index": 1}, {"class_weights": True},
    {"label_smoothing": 1.0}, {"ignore_index": -100, "class_weights": True},
    {"ignore_index": 1, "label_smoothing": 0.1}, {"class_weights": True, "label_smoothing": 0.3},
], ids=repr)  # fmt: skip
def test_options_of_softmax_cross_entropy(C, options):
    network, x, t, rng = case(33, C)
    t[:5], t[5] = 1, 0
    options = dict(options)
    if options.get("ignore_index") == -100:
        t[:4] = -100
    if "class_weights" in options:
        options["class_weights"] = rng.random(C) * (np.arange(C) != 1)
    rows = [np.arange(33), np.arange(20, 5, -1), np.array([5])]
    require_equal_weighted(network, SoftmaxCrossEntropy(**options), x, t, rows, rng)


@pytest.mark.parametrize("C", [17, 63, 64, 65, 79, 80, 144])
def test_the_max_of_many_scores_is_found_at_every_index(C):
    scores, labels = 200 * np.eye(C, dtype=np.float32), np.arange(C, dtype=np.int32)
    dy, terms, right = (np.full(s, np.nan, np.float32) for s in ((C, C), C, C))
    assert run(
        "softmax_loss", samples=C, each=1, classes=C, labels=labels, scores=scores, dy=dy,
        terms=terms, right=right,
    ) == 0  # fmt: skip
    assert (right == 1).all()
    assert not terms.any()
    assert not dy.any()


@pytest.mark.parametrize("options", [
    {}, {"ignore_index": 3}, {"ignore_index": -1, "label_smoothing": 0.1},
    {"ignore_index": 3, "class_weights": np.linspace(0, 2, 20), "label_smoothing": 0.2},
], ids=repr)  # fmt: skip
def test_labels_of_sequences(options):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((11, 5, 4)).astype(np.float32)
    t = rng.integers(0, 20, (11, 5))
    t[:8, 2:] = options.get("ignore_index", 0)
    rows = [np.arange(11), np.array([7, 2]), np.array([3])]
    require_equal_weighted(Sequential(Affine(20)), SoftmaxCrossEntropy(**options), x, t, rows, rng)


def test_where_all_labels_are_ignored():
    """With a normalizer loss, gradient and denominator are 0; without, the program stops."""
    network, x, t, _ = case(12, 5)
    t[:8] = 2
    loss = SoftmaxCrossEntropy(ignore_index=2)
    loss.normalizer = 1.0
    require_equal_steps(network, loss, x, t, [np.arange(8), np.arange(12), np.array([0])])
    loss.normalizer = None
    program = compile_training(network, loss, SGD(0.1), x, t, batch=8, threads=1)
    before = network.parameters.copy()
    program.start(np.arange(8), np.zeros(1), np.array([8]))
    assert program.go(1) == BAD_INDEX
    np.testing.assert_array_equal(network.parameters, before)


def test_a_rare_class_moves_the_parameters_by_its_weight_in_a_batch_of_one():
    network, x, t, _ = case(8, 2)
    t[:], t[3] = 0, 1
    norms = []
    for class_weights in ([1, 1], [1, 5]):
        loss = SoftmaxCrossEntropy(class_weights=class_weights)
        loss.normalizer = loss.mean_weight(t)
        norms.append(np.abs(require_equal_steps(network, loss, x, t, [np.array([3])])).max())
    assert norms[1] == pytest.approx(norms[0] * 5 * 8 / 12, rel=1e-5)


def test_scores_that_are_needed_later_are_not_written_over():
    network, x, t, _ = case(20, 6)
    require_equal_steps(Sequential(Affine(6), ReLU()), SoftmaxCrossEntropy(), x, t, [np.arange(20)])
    seen = []
    program = compile_training(
        network, SoftmaxCrossEntropy(), SGD(0.0), x, t, batch=20, threads=1,
        watch=lambda y, step: seen.append(y.copy()),
    )  # fmt: skip
    assert program.run(np.arange(20), np.zeros(1), np.array([20])) == 1
    np.testing.assert_allclose(seen[0], network.forward(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [1, 7, 33, 9000])
@pytest.mark.parametrize("make", [
    MeanSquaredError, SumSquaredError, MeanAbsoluteError, lambda: Huber(0.5), SigmoidCrossEntropy,
    Hinge, BinaryCrossEntropy,
])  # fmt: skip
def test_losses_of_elements(make, size):
    loss = make()
    network, x, _, rng = case(6, size)
    t = rng.standard_normal((6, size)).astype(np.float32)
    if isinstance(loss, SigmoidCrossEntropy | BinaryCrossEntropy):
        t = rng.random((6, size)).astype(np.float32)
    if isinstance(loss, Hinge):
        t = np.sign(t)
    if isinstance(loss, BinaryCrossEntropy):
        network = Sequential(Affine(size), Sigmoid())
    require_equal_weighted(
        network, loss, x, t, [np.arange(6), np.array([4, 1]), np.array([3])], rng
    )


def run_once(loss, t, *, scale=1.0):
    network, x, _, _ = case(6, 3)
    program = compile_training(
        network.build(x), loss, SGD(0.1), x * np.float32(scale), t, batch=6, threads=1
    )
    program.start(np.arange(6), np.zeros(1), np.array([6]))
    return program.go(0)


@pytest.mark.parametrize("label", [3, -1, 2**31 - 1])
def test_a_label_that_is_no_class_stops_the_program(label):
    t = np.array([0, 1, 2, label, 0, 1])
    assert run_once(SoftmaxCrossEntropy(), t) == BAD_INDEX
    assert run_once(SoftmaxCrossEntropy(ignore_index=label), t) == 0


@pytest.mark.parametrize("loss", [SigmoidCrossEntropy(), Hinge()], ids=repr)
def test_targets_that_the_loss_does_not_take_stop_the_program(loss):
    assert run_once(loss, np.full((6, 3), 1.5, np.float32)) == BAD_INDEX


@pytest.mark.parametrize("loss", [SoftmaxCrossEntropy(), MeanSquaredError()], ids=repr)
def test_a_loss_that_is_not_finite_stops_the_program(loss):
    softmax = isinstance(loss, SoftmaxCrossEntropy)
    t = np.arange(6) % 3 if softmax else np.zeros((6, 3), np.float32)
    assert run_once(loss, t) == 0
    assert run_once(loss, t, scale=np.inf) == NOT_FINITE
    assert run_once(loss, t, scale=np.nan) == NOT_FINITE


@pytest.mark.parametrize("loss", [SoftmaxCrossEntropy(), MeanSquaredError()], ids=repr)
def test_the_usual_loss_needs_no_row_for_weights(loss):
    network, x, t, _ = case(6, 3)
    t = t if isinstance(loss, SoftmaxCrossEntropy) else np.eye(3, dtype=np.float32)[t]
    tables = []
    for normalizer, weights in ((None, None), (1.0, None), (0.5, None), (None, np.ones(6))):
        loss.normalizer = normalizer
        program = compile_training(network, loss, SGD(0.1), x, t, weights=weights, batch=6)
        tables.append(str(program))
    assert tables[0] == tables[1]
    assert ["shares" in table for table in tables] == [False, False, True, True]


def test_what_has_no_native_form():
    network, x, t, _ = case(6, 3)
    for loss, targets in [
        (SoftmaxCrossEntropy(), np.eye(3, dtype=np.float32)[t]),
        (MeanSquaredError(), np.zeros((6, 4), np.float32)),
    ]:
        with pytest.raises(NotNative, match=type(loss).__name__):
            compile_training(network, loss, SGD(0.1), x, targets, batch=6)


@pytest.mark.parametrize("wrong", [
    {"weights": np.ones(5)}, {"weights": np.full(6, -1.0)}, {"weights": np.full(6, 1e200)},
    {"weights": np.full(6, np.nan)}, {"class_weights": [1, 2]}, {"class_weights": [1, 2, 1e-30]},
    {"normalizer": 0.0}, {"normalizer": np.nan},
], ids=repr)  # fmt: skip
def test_weights_that_numpy_refuses_or_float32_would_lose(wrong):
    network, x, t, _ = case(6, 3)
    loss = SoftmaxCrossEntropy(class_weights=wrong.get("class_weights"))
    loss.normalizer = wrong.get("normalizer")
    with pytest.raises(NotNative, match="SoftmaxCrossEntropy: .*weights|normalizer"):
        compile_training(network, loss, SGD(0.1), x, t, weights=wrong.get("weights"), batch=6)
