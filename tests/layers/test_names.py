"""One rule for the names of constructor arguments, and answers to other names."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import handgrad
from handgrad import layers
from handgrad.attributes import arguments
from handgrad.foreign import ARGUMENTS
from handgrad.layer import Layer
from handgrad.layers.samples import SAMPLES, WITHOUT_GRADIENT
from handgrad.renamed import RENAMED

# Every name that a constructor may use, and what it means: CONTRIBUTING.md has the rule.
SIZES = {
    "inputs": "size of the last axis, or channels, of x",
    "outputs": "size of the last axis, or channels, of y",
    "hidden": "size of an axis that neither x nor y has",
    "length": "size of an axis that is not the last",
    "vocabulary": "how many ids there are",
    "classes": "how many labels there are",
    "kernel": "size of the window",
    "stride": "step of the window",
    "pad": "elements added at each side",
    "output_pad": "elements added at the end of y",
    "dilation": "step between elements of the window",
    "groups": "how many groups of channels",
    "heads": "how many heads",
    "parts": "how many parts, or their sizes",
    "times": "how often x is repeated, or how many times larger y is",
    "negatives": "how many words are drawn",
    "k": "how many of the largest",
    "shape": "shape of y",
    "sizes": "sizes of the spatial axes of y",
}
RATIOS = {
    "ratio": "share that the layer drops",
    "dropout": "share that is dropped between layers inside",
    "recurrent_dropout": "share of the state that is dropped",
    "momentum": "share of the running statistics that stays",
    "label_smoothing": "share of the target that all classes get",
}
CONSTANTS = {
    "alpha": "factor of the negative side, or of the positive class",
    "delta": "where the square ends",
    "margin": "distance that costs nothing",
    "eps": "small number that keeps a denominator from 0",
    "p": "order of the norm",
    "power": "exponent",
    "tau": "the quantile",
    "low": "lower bound",
    "high": "upper bound",
    "value": "number to fill with",
    "ddof": "what is taken off N",
    "mean": "what is taken off x",
    "scale": "what x is divided by",
    "counts": "how often each word occurs",
}
SWITCHES = {
    "bias", "causal", "scaled", "keepdims", "stateful", "return_state", "per_channel", "ceil_mode",
    "count_padding",
}  # fmt: skip
CHOICES = {
    "axis", "axes", "mode", "approximate", "reset", "key", "subscripts", "dtype", "init", "seed",
    "class_weights", "ignore_index", "layer", "layers", "ahead", "back", "columns",
}  # fmt: skip
NAMES = {*SIZES, *RATIOS, *CONSTANTS, *SWITCHES, *CHOICES}
CLASSES = sorted(
    {sample.cls for sample in (*SAMPLES, *WITHOUT_GRADIENT)}
    | {thing for name in (*layers.__all__, "Sequential", "Residual", "Parallel")
       if isinstance(thing := getattr(handgrad, name, None) or getattr(layers, name), type)
       and issubclass(thing, Layer)},
    key=lambda cls: cls.__name__,
)  # fmt: skip


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_a_constructor_uses_the_names_of_the_rule(cls):
    for name, parameter in arguments(cls).items():
        assert name in NAMES, f"{name} is no name of the rule in CONTRIBUTING.md"
        hint = parameter.annotation
        if name in SWITCHES:
            assert (hint, type(parameter.default)) == ("bool", bool)
        else:
            assert hint != "bool", "a switch has the name of a size"
    ratios = [name for name in arguments(cls) if name in RATIOS]
    assert all(0 <= arguments(cls)[name].default < 1 for name in ratios)
    assert ("ratio" in ratios) == cls.__name__.endswith("Dropout")


def test_every_name_of_the_rule_is_used():
    assert {name for cls in CLASSES for name in arguments(cls)} == NAMES


SIZED = [s for s in SAMPLES if {"inputs", "outputs"} & arguments(s.cls).keys()]


@pytest.mark.parametrize("sample", SIZED, ids=str)
def test_inputs_and_outputs_are_what_they_say(sample, rng):
    layer, inputs = sample.make(), sample.inputs(rng)
    y = layer.forward(*inputs)
    y = y[0] if isinstance(y, tuple) else y
    images = isinstance(layer, layers.Convolution | layers.TransposedConvolution)
    axis = 1 if images else 2 if isinstance(layer, layers.ConvLSTM) else -1
    if "inputs" in arguments(sample.cls):
        assert layer.inputs == inputs[0].shape[axis]
    if "outputs" in arguments(sample.cls):
        assert layer.outputs == y.shape[axis]


OLD = [(layer, old, new) for layer, names in RENAMED.items() for old, new in names.items()]


@pytest.mark.parametrize(("layer", "old", "new"), OLD)
def test_an_old_name_is_answered_with_the_present_one(layer, old, new):
    cls = getattr(handgrad, layer)
    assert old not in arguments(cls)
    with pytest.raises(TypeError) as error:
        cls(**{old: 2})
    assert str(error.value) == f"{layer} has no argument {old!r}; handgrad calls it {new!r}"


@pytest.mark.parametrize("name", ARGUMENTS)
def test_every_answer_to_a_foreign_argument_is_an_argument(name):
    assert set(ARGUMENTS[name]) <= NAMES
    taken = [arguments(cls).keys() for cls in CLASSES]
    assert any(name not in names and names & set(ARGUMENTS[name]) for names in taken)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: layers.Affine(out_features=3), "Affine has no .* 'out_features'; .*'outputs'"),
        (lambda: layers.LSTM(hidden_size=3), "LSTM has no argument 'hidden_size'; .*'outputs'"),
        (lambda: layers.AdditiveAttention(units=3), "argument 'units'; .* it 'hidden'"),
        (lambda: layers.MaxPooling(pool_size=2), "argument 'pool_size'; .* it 'kernel'"),
        (lambda: layers.Dropout(p=0.5), "Dropout has no argument 'p'; .*'ratio'"),
        (lambda: layers.Affine(3, nonsense=1), "unexpected keyword argument 'nonsense'"),
        (lambda: layers.ReLU(3), "ReLU takes no arguments"),
        (lambda: layers.ReLU(inplace=True), "ReLU takes no arguments"),
    ],
)
def test_foreign_arguments(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_names_of_ones_own_layers_are_free():
    class Mine(Layer):
        def __init__(self, filters, **options):
            self.filters, self.inner = filters, layers.Convolution(3, **options)

    assert Mine(filters=4, kernel=2).inner.outputs == 3
    with pytest.raises(TypeError, match="Convolution has no argument 'padding'; .*'pad'"):
        Mine(4, kernel=2, padding=1)
    assert str(inspect.signature(layers.ReLU)) == "()"
    np.testing.assert_array_equal(layers.ReLU()(np.array([-1.0, 2.0])), [0, 2])
