"""The contract of a layer, for every row of the table of samples."""

from __future__ import annotations

import copy
import inspect
import re
from pathlib import Path

import numpy as np
import pytest

from handgrad import layers
from handgrad.layer import Layer, slots
from handgrad.layers.reduction.base import Reduction
from handgrad.layers.samples import SAMPLES, WITHOUT_GRADIENT
from handgrad.layers.shape.indexing import WithoutGradient
from handgrad.tensor import Tensor, learning
from tests.reference.numeric import central_difference

# Layers of several outputs are tested beside their siblings; here one output is looked at.
SINGLE = [s for s in SAMPLES if s.cls not in (layers.Split, layers.LSTMCell)]
every = pytest.mark.parametrize("sample", SINGLE, ids=str)
WITH_BATCH = [s for s in SINGLE if s.has_batch]
BASES = {layers.Loss, layers.ElementwiseLoss, Reduction, WithoutGradient}


def is_real(x):
    return x.dtype.kind == "f"


def cast(arrays, dtype):
    return tuple(x.astype(dtype) if is_real(x) else x for x in arrays)


def listed(gradients):
    return list(gradients) if isinstance(gradients, tuple) else [gradients]


def parameters(layer):
    return [slot.value for slot in slots(layer)]


def forward(layer, *inputs):
    """The output of a layer that was left as it is."""
    return np.asarray(copy.deepcopy(layer)(*inputs))


def use(layer, inputs, seed=7):
    """The output, a random upstream gradient, and all gradients, of inputs and parameters."""
    y = layer(*inputs)
    dy = np.random.default_rng(seed).standard_normal(np.shape(y)).astype(np.asarray(y).dtype)
    gradients = listed(layer.backward(dy))
    return y, dy, gradients + [slot.grad for slot in slots(layer)]


def assert_same(got, expected, **tolerance):
    """Equal gradients, None where None; to the bit without a tolerance."""
    assert len(got) == len(expected)
    for a, b in zip(got, expected):
        if b is None:
            assert a is None
        elif tolerance:
            np.testing.assert_allclose(a, b, **tolerance)
        else:
            np.testing.assert_array_equal(a, b)


def test_every_layer_has_a_row():
    found = {v for v in vars(layers).values() if isinstance(v, type) and issubclass(v, Layer)}
    assert {s.cls for s in (*SAMPLES, *WITHOUT_GRADIENT)} == found - BASES


def test_every_layer_is_listed():
    assert {s.cls.__name__ for s in (*SAMPLES, *WITHOUT_GRADIENT)} <= set(layers.__all__)


def test_every_layer_stands_in_the_guide():
    guide = (Path(__file__).parents[2] / "docs/layers.md").read_text()
    families = ("elementwise", "reduction", "distribution")  # these stand there as families
    named = {s.cls for s in SAMPLES if s.cls.__module__.split(".")[2] not in families}
    missing = {cls.__name__ for cls in named if not re.search(rf"\b{cls.__name__}\b", guide)}
    assert missing == {"RNNCell", "LSTMCell", "GRUCell"}


@every
def test_backward_is_the_derivative(sample, rng):
    layer, inputs = sample.make(), sample.inputs(rng)
    fresh = copy.deepcopy(layer)
    _, dy, gradients = use(layer, inputs)
    fresh.build(*inputs)
    for x, dx in zip(inputs, gradients):
        if dx is not None:
            numeric = central_difference(lambda: float((dy * forward(fresh, *inputs)).sum()), x)
            np.testing.assert_allclose(dx, numeric, rtol=1e-6, atol=1e-8)
    for w, dw in zip(parameters(fresh), gradients[len(gradients) - len(parameters(fresh)) :]):
        numeric = central_difference(lambda: float((dy * forward(fresh, *inputs)).sum()), w)
        np.testing.assert_allclose(dw, numeric, rtol=1e-6, atol=1e-8)


@every
def test_gradients_have_the_shape_and_dtype_of_what_they_belong_to(sample, rng):
    for dtype in (np.float32, np.float64):
        layer, inputs = sample.make(), cast(sample.inputs(rng), dtype)
        layer.dtype = dtype  # where no input says it
        y, _, gradients = use(layer, inputs)
        assert y.dtype == dtype
        for x, dx in zip([*inputs, *parameters(layer)], gradients):
            if dx is not None:
                assert (dx.shape, dx.dtype) == (x.shape, x.dtype)


@every
def test_float32_agrees_with_float64(sample, rng):
    inputs = sample.inputs(rng)
    narrow = cast(inputs, np.float32)
    y32, dy, g32 = use(sample.make(), narrow)
    layer = sample.make()
    y64 = layer(*cast(narrow, np.float64))
    g64 = listed(layer.backward(dy.astype(np.float64)))
    g64 += [slot.grad for slot in slots(layer)]
    assert_same([y32, *g32], [y64, *g64], rtol=2e-5, atol=2e-6)


@every
def test_on_tensors_the_same_bits_as_by_hand(sample, rng):
    inputs = cast(sample.inputs(rng), np.float32)
    y, dy, gradients = use(sample.make(), inputs)
    layer = sample.make()
    tensors = [Tensor(x) if g is not None else x for x, g in zip(inputs, [*gradients, None])]
    with learning():  # an embedding has no input that is a tensor
        recorded = layer(*tensors)
    recorded.backward(dy)
    assert recorded.dtype == y.dtype
    np.testing.assert_array_equal(recorded.data, y)
    got = [x.grad if isinstance(x, Tensor) else None for x in tensors]
    got += [slot.grad for slot in slots(layer)]
    expected = gradients + [None] * (len(got) - len(gradients))
    assert_same([g for g in got if g is not None], [g for g in expected if g is not None])


@every
def test_nothing_that_was_given_is_written_to(sample, rng):
    layer, inputs = sample.make(), sample.inputs(rng)
    y = layer(*inputs)
    dy = rng.standard_normal(np.shape(y))
    given = [*inputs, dy, y, *parameters(layer)]
    before = copy.deepcopy(given)
    layer.backward(dy)
    assert_same(given, before)


@every
def test_results_are_not_changed_by_a_later_call(sample, rng):
    layer = sample.make()
    y, _, gradients = use(layer, sample.inputs(rng))
    before = copy.deepcopy([y, *gradients])
    use(layer, sample.inputs(rng), seed=8)
    assert_same([y, *gradients], before)


@every
def test_a_second_use_is_like_a_first(sample, rng):
    first, second = sample.inputs(rng), sample.inputs(rng)
    layer = sample.make()
    use(layer, first)
    alone = sample.make()
    alone.build(*first)
    if alone.stream is not None:
        alone.stream.step = layer.stream.step
    expected = use(alone, second)
    again = use(layer, second)
    assert_same([again[0], *again[2]], [expected[0], *expected[2]])


@every
def test_backward_twice_gives_the_same(sample, rng):
    layer = sample.make()
    _, dy, gradients = use(layer, sample.inputs(rng))
    again = listed(layer.backward(dy)) + [slot.grad for slot in slots(layer)]
    assert_same(again, gradients)


@every
def test_backward_is_linear_in_the_upstream_gradient(sample, rng):
    layer = sample.make()
    y, dy, gradients = use(layer, sample.inputs(rng))
    other = rng.standard_normal(np.shape(y))

    def back(g):
        return listed(layer.backward(g)) + [slot.grad for slot in slots(layer)]

    expected = [None if a is None else 2 * a - 3 * b for a, b in zip(gradients, back(other))]
    assert_same(back(2 * dy - 3 * other), expected, rtol=1e-10, atol=1e-12)
    assert all(g is None or not np.any(g) for g in back(0 * other))


def layouts(x):
    """The same numbers as x, laid out otherwise in memory."""
    wide = np.zeros([2 * n for n in x.shape], x.dtype)
    every_second = wide[(..., *[slice(1, None, 2)] * x.ndim)]
    every_second[...] = x
    offset = np.zeros(x.size + 3, x.dtype)[3:].reshape(x.shape)
    offset[...] = x
    backwards = np.ascontiguousarray(x[::-1])[::-1] if x.ndim else x
    read_only = x.copy()
    read_only.flags.writeable = False
    return [np.asfortranarray(x), every_second, offset, backwards, read_only]


@every
def test_any_memory_layout_gives_the_same(sample, rng):
    inputs = sample.inputs(rng)
    y, dy, gradients = use(sample.make(), inputs)
    for *views, g in zip(*[layouts(x) for x in (*inputs, dy)]):
        layer = sample.make()
        got = layer(*views)
        back = listed(layer.backward(g)) + [slot.grad for slot in slots(layer)]
        assert_same([got, *back], [y, *gradients], rtol=1e-12, atol=1e-14)


@every
def test_views_of_zero_stride_give_the_same(sample, rng):
    inputs = sample.inputs(rng)
    flat = [np.broadcast_to(x[:1], x.shape) if x.ndim else x for x in inputs]
    layer, plain = sample.make(), sample.make()
    y, expected = layer(*flat), plain(*[x.copy() for x in flat])
    np.testing.assert_allclose(y, expected, rtol=1e-12, atol=1e-14)
    dy = np.broadcast_to(rng.standard_normal(), np.shape(y))
    got = listed(layer.backward(dy)) + [slot.grad for slot in slots(layer)]
    wanted = listed(plain.backward(dy.copy())) + [slot.grad for slot in slots(plain)]
    assert_same(got, wanted, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("sample", WITH_BATCH, ids=str)
def test_a_batch_of_one(sample, rng):
    layer, inputs = sample.make(), sample.inputs(rng, batch=1)
    if isinstance(layer, layers.SoftmaxCrossEntropy) and layer.ignore_index is not None:
        inputs[1][:, 0] = 0  # so that one label is not ignored
    fresh = copy.deepcopy(layer)
    _, dy, gradients = use(layer, inputs)
    fresh.build(*inputs)
    for x, dx in zip(inputs, gradients):
        if dx is not None:
            numeric = central_difference(lambda: float((dy * forward(fresh, *inputs)).sum()), x)
            np.testing.assert_allclose(dx, numeric, rtol=1e-6, atol=1e-8)


def needs_a_sample(layer, inputs):
    """Whether the layer's answer for an empty batch would be 0 / 0, or a maximum of nothing."""
    if isinstance(layer, layers.Mean | layers.Max | layers.LogSumExp | layers.Norm | layers.Var):
        return layer.axis is None or 0 in np.arange(inputs[0].ndim)[np.ravel(layer.axis)]
    return isinstance(layer, layers.Loss) and not isinstance(layer, layers.SumSquaredError)


@pytest.mark.parametrize("sample", WITH_BATCH, ids=str)
def test_an_empty_batch_has_an_answer_or_a_clear_error(sample, rng):
    layer, inputs = sample.make(), sample.inputs(rng, batch=0)
    if needs_a_sample(layer, inputs):
        with pytest.raises(ValueError, match=sample.cls.__name__):
            layer(*inputs)
        return
    _, _, gradients = use(layer, inputs)
    for x, dx in zip([*inputs, *parameters(layer)], gradients):
        if dx is not None:
            assert dx.shape == x.shape
            assert np.isfinite(dx).all()
    assert all(not np.any(w) for w in gradients[len(inputs) :] if w is not None)


def shown(arguments):
    """The arguments as text: layers among them are copies."""
    return {name: repr(value) for name, value in arguments.items()}


@every
def test_the_configuration_makes_the_same_layer_again(sample):
    layer = sample.make()
    config = layer.config()
    assert shown(config).items() >= shown(sample.arguments).items()
    again = sample.cls(**config)
    assert again.config() == config
    assert repr(again) == repr(layer)


CLASSES = {s.cls for s in (*SAMPLES, *WITHOUT_GRADIENT)} | BASES


@pytest.mark.parametrize("cls", sorted(CLASSES, key=lambda c: c.__name__))
def test_the_docstring_has_its_parts_in_order(cls):
    text = inspect.getdoc(cls) or ""
    if cls in (Reduction, WithoutGradient):
        assert ("`axis`" in text) or ("On tensors" in text)
        return
    parts = ["Shapes:", "Gradient:", "\nAt ", "\nRaises ", "Source:"]
    positions = [text.find(part) for part in parts]
    assert positions[0] > 0
    assert positions[1] > 0
    present = [p for p in positions if p >= 0]
    assert present == sorted(present)


@pytest.mark.parametrize("name", ["Step", "Sigmoid", "Tanh", "ReLU", "LeakyReLU", "ELU", "SELU",
                                  "Softplus", "GELU", "SiLU", "Softmax", "LogSoftmax", "Sum",
                                  "Mean", "Max", "Dropout", "Affine"])  # fmt: skip
def test_integers_are_converted(name, rng):
    sample = next(s for s in SAMPLES if s.cls.__name__ == name)
    x = rng.integers(-3, 4, (5, 8))
    whole, real = sample.make(), sample.make()
    y, expected = whole(x), real(x.astype(np.float64))
    assert y.dtype == np.float64
    np.testing.assert_array_equal(y, expected)
    dy = rng.standard_normal(np.shape(y))
    np.testing.assert_array_equal(whole.backward(dy), real.backward(dy))


@pytest.mark.skipif(np.__version__ < "2", reason="NumPy 1 widens arrays without axes to float64")
@pytest.mark.parametrize("name", ["Step", "Sigmoid", "Tanh", "ReLU", "LeakyReLU", "ELU", "SELU",
                                  "Softplus", "GELU", "SiLU", "Sum", "Mean", "Max", "Dropout",
                                  "Exp", "Log", "Sqrt", "Neg"])  # fmt: skip
def test_a_single_number_without_axes(name):
    single, row = getattr(layers, name)(), getattr(layers, name)()
    x, dy = np.array(0.7, np.float32), np.float32(-1.5)
    y, expected = single(x), row(x[None])
    assert (np.shape(y), y.dtype) == ((), np.float32)
    np.testing.assert_array_equal(y, np.ravel(expected)[0])
    dx = single.backward(dy)
    assert (np.shape(dx), dx.dtype) == ((), np.float32)
    np.testing.assert_array_equal(dx, row.backward(np.reshape(dy, np.shape(expected)))[0])


@pytest.mark.skipif(np.__version__ < "2", reason="NumPy 1 widens arrays without axes to float64")
@pytest.mark.parametrize("cls", [layers.MeanSquaredError, layers.SumSquaredError, layers.Huber,
                                 layers.MeanAbsoluteError, layers.SigmoidCrossEntropy])  # fmt: skip
@pytest.mark.parametrize("weights", [(), (np.float32(2),)])
def test_the_loss_of_a_single_number(cls, weights):
    layer = cls()
    loss = layer(np.float32(0.5), np.float32(0.25), *weights)
    dy, _ = layer.backward()
    assert (np.shape(loss), loss.dtype) == (np.shape(dy), dy.dtype) == ((), np.float32)
