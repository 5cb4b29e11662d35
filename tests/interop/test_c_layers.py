"""Every layer of the table of samples that has a C form: outputs, gradients, one update."""

from __future__ import annotations

import copy
from math import prod

import numpy as np
import pytest

import handgrad as hg
from handgrad.interop.c import export_c
from handgrad.interop.c.forms import FORMS
from handgrad.interop.c.writer import identifier
from handgrad.layers.samples import SAMPLES
from tests.interop.compiled import Compiled, close, needs_compiler

N = 5
PAIRS = (hg.Add, hg.Sub, hg.Mul, hg.Concat)
POSITIVE = (hg.Log, hg.Log1p, hg.Sqrt)
# Options that C has not, by their test ids; each must be refused by name.
REFUSED = {"axis=(1, 3)": hg.LayerNorm, "axis=1": hg.RMSNorm}


def random(sample):
    """Whether training draws masks."""
    dropout = issubclass(sample.cls, hg.Dropout | hg.VariationalDropout)
    return dropout or "recurrent_dropout" in sample.arguments


class Branch(hg.Network):
    """An Affine for each input of a layer, so that the gradient of every input counts."""

    def __init__(self, sample):
        self.shapes = [x.shape[1:] for x in sample.inputs(np.random.default_rng(0))]
        self.before = [hg.Affine(prod(shape), inputs=6) for shape in self.shapes]
        self.into = [hg.Reshape((-1, *shape)) for shape in self.shapes]
        self.positive = hg.Softplus() if sample.cls in POSITIVE else None
        self.layer, self.after = sample.make(), hg.Flatten()

    def __call__(self, x):
        inputs = [r(a(x)) for a, r in zip(self.before, self.into)]
        if self.positive is not None:
            inputs = [self.positive(x) for x in inputs]
        return self.after(self.layer(*inputs))


def fits(sample):
    """Whether the sample has a C form, with real inputs that all have the batch."""
    inputs = sample.inputs(np.random.default_rng(0), 7)
    if sample.cls not in FORMS or sample.cls in (hg.Standardize, hg.Embedding):
        return False
    if sample.cls is hg.ColumnEmbedding:  # of codes; it has tests of its own
        return False
    if len(inputs) > 1 and sample.cls not in PAIRS:
        return False
    whole = all(x.ndim > 1 and len(x) == 7 and x.dtype.kind == "f" for x in inputs)
    if sample.cls in (hg.Reshape, hg.Index, hg.Transpose):  # of samples too; see test_c_recurrent
        return False
    same = sample.cls is hg.Concat or len({x.shape for x in inputs}) == 1
    options = sample.arguments.items()
    refused = any(REFUSED.get(f"{k}={v}") is sample.cls for k, v in options)
    along_batch = sample.cls is hg.Concat and "axis" in sample.arguments
    return whole and same and not refused and not along_batch


FITTING = [s for s in SAMPLES if fits(s)]


def network_of(samples):
    network = hg.Parallel(*(Branch(s) for s in samples), seed=3)
    x = np.random.default_rng(1).standard_normal((N, 6)).astype(np.float32)
    network.build(x)
    rng = np.random.default_rng(2)  # no parameter stays 0 or 1
    network.parameters[...] += 0.3 * rng.standard_normal(network.parameters.size)
    return network, x


def test_all_layers_with_a_form_are_tested():
    tested = {s.cls for s in FITTING} | {hg.Embedding, hg.Standardize, hg.Reshape}
    tested |= {hg.ColumnEmbedding, hg.Index, hg.Transpose}
    assert tested == set(FORMS), set(FORMS) - tested


@needs_compiler
@pytest.mark.parametrize("rule", [hg.SGD(0.1), hg.Adam(0.01, l2=0.1), hg.AdamW(0.01)], ids=repr)
def test_layers_against_python(rule, tmp_path):
    samples = [s for s in FITTING if not random(s)]
    network, x = network_of(samples if isinstance(rule, hg.SGD) else samples[::10])
    e = export_c(network, tmp_path / "all.c", batch=N, x=x, optimizer=rule)
    c, twin = Compiled(e), network.astype(np.float64)
    dy = np.random.default_rng(4).standard_normal(network.predict(x).shape).astype(np.float32)
    close(c.predict(x, dy.shape), twin.predict(x, engine="numpy"), "y")
    with twin.mode(True):
        twin.forward(x.astype(np.float64))
        twin.backward(dy.astype(np.float64))
    c.backward(x, dy)
    expected = {identifier(path): g for path, g in twin.named_gradients().items()}
    found = c.gradients()
    assert found.keys() == {f"d{name}" for name in expected}
    for name, g in expected.items():
        if np.abs(g).max() > 1e-9:  # what is 0 in truth is noise in float32
            close(found[f"d{name}"], g, f"d{name}")
    # The update alone, from C's own gradients: Adam's step has the sign of the smallest of them.
    rule, own = copy.deepcopy(rule), c.weights()
    params = {identifier(p): a.astype(np.float64) for p, a in network.named_parameters().items()}
    for _ in range(2):
        rule.update(params, {name: found[f"d{name}"].astype(np.float64).reshape(params[name].shape)
                             for name in params})  # fmt: skip
        c.update(rule.lr)
    for name, w in params.items():
        close(own[name], w, name)


@needs_compiler
def test_predictions_alone(tmp_path):
    network, x = network_of(FITTING)
    e = export_c(network, tmp_path / "all.c", batch=N, x=x, training=False)
    y = network.astype(np.float64).predict(x, engine="numpy")
    close(Compiled(e).predict(x, y.shape), y, "y")
    assert "backward" not in e.source.read_text()
