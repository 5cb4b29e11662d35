"""Networks as ONNX files: every sample of the layer table runs elsewhere, or has a reason."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.layers.samples import SAMPLES, WITHOUT_GRADIENT
from handgrad.onnx import load, prepare, save

# Why a layer, or a sample of it, has no form in ONNX.
WITHOUT_FORM = {
    "NegativeSampling": "it draws its negatives in Python",
    "OneHot": "indices: Python computes them, no layer is recorded",
    "ArgMax": "indices: Python computes them, no layer is recorded",
    "TopK": "indices: Python computes them, no layer is recorded",
    "ColumnEmbedding": "it finds its rows in Python",
    "Sparsemax": "it sorts, and looks at the numbers",
    "SpectralNorm": "its inner iterations are Python's",
    "ConvLSTM": "ONNX has no recurrent convolution",
}


class One(hg.Network):
    """A single layer as a network."""

    def __init__(self, layer):
        self.layer = layer

    def __call__(self, *xs):
        return self.layer(*xs)


def halves_to_floats(arrays):
    return [x.astype(np.float32) if x.dtype.kind == "f" else x for x in arrays]


def outputs_of(network, xs):
    with network.evaluating():
        made = network(*xs)
    made = made if isinstance(made, tuple | list) else [made]
    return [np.asarray(y.data if isinstance(y, hg.Tensor) else y) for y in made]


@pytest.mark.parametrize("sample", [*SAMPLES, *WITHOUT_GRADIENT], ids=str)
def test_every_sample_runs_in_onnxruntime_or_says_why_not(sample, tmp_path):
    network = One(sample.make())
    xs = halves_to_floats(sample.inputs(np.random.default_rng(0)))
    path = tmp_path / "layer.onnx"
    if sample.cls.__name__ in WITHOUT_FORM:
        with pytest.raises(ValueError, match="no form in ONNX|cannot be exported"):
            save(network, path, example=tuple(xs))
        assert not path.exists()
        return
    save(network, path, example=tuple(xs))
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime runs the exported files")
    session = runtime.InferenceSession(path)
    for batch in (5, 1, 7) if sample.has_batch else (5,):
        xs = halves_to_floats(sample.inputs(np.random.default_rng(1), batch))
        results = session.run(None, {i.name: x for i, x in zip(session.get_inputs(), xs)})
        for theirs, ours in zip(results, outputs_of(network, xs), strict=True):
            np.testing.assert_allclose(theirs, ours, rtol=2e-5, atol=2e-6)


def opset_of(path) -> int:
    return prepare(path).model.opsets[""]


@pytest.fixture(scope="module")
def perceptron():
    network = hg.Sequential(hg.Affine(4, inputs=3), hg.ReLU(), hg.Affine(2), hg.Softmax())
    return network.build(np.zeros((1, 3), np.float32))


def test_the_lowest_opset_that_has_all_operators(perceptron, tmp_path):
    assert opset_of(save(perceptron, tmp_path / "a.onnx")) == 7
    norm = hg.Sequential(hg.Affine(4, inputs=3), hg.Erf())
    assert opset_of(save(norm, tmp_path / "b.onnx")) == 9


@pytest.mark.parametrize("opset", [7, 9, 11, 13, 18, 21, 24, 28])
def test_an_opset_that_is_asked_for(perceptron, tmp_path, opset):
    path = save(perceptron, tmp_path / "a.onnx", opset=opset)
    assert opset_of(path) == opset
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    np.testing.assert_allclose(prepare(path).run(x)[0], perceptron.predict(x), rtol=1e-6)


def test_names_metadata_and_a_symbolic_batch(perceptron, tmp_path):
    path = save(perceptron, tmp_path / "a.onnx", metadata={"classes": ["cat", "dog"]})
    model = prepare(path).model
    assert {"0.W", "0.b", "2.W", "2.b"} <= model.graph.initializers.keys()
    assert model.metadata == {"classes": '["cat", "dog"]'}
    assert model.graph.inputs[0].shape == ("N", 3)
    assert model.graph.outputs[0].shape == ("N", 2)
    assert load(path).metadata == model.metadata


def test_halves(perceptron, tmp_path):
    path = save(perceptron, tmp_path / "a.onnx", float16=True)
    assert prepare(path).model.graph.initializers["0.W"].dtype == np.float16
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    np.testing.assert_allclose(prepare(path).run(x)[0], perceptron.predict(x), atol=5e-3)


def test_preprocessing_becomes_nodes(tmp_path):
    network = hg.Sequential(hg.Standardize((1.0, 2.0), (2.0, 4.0)), hg.Affine(1, inputs=2))
    path = save(network, tmp_path / "a.onnx", example=np.zeros((2, 2), np.float32))
    again = load(path)
    x = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
    np.testing.assert_allclose(again.predict(x), network.predict(x), rtol=1e-6)


def test_what_was_imported_goes_out_under_the_same_names(tmp_path):
    class Residual(hg.Network):
        def __init__(self):
            self.first, self.last = hg.Affine(3, inputs=3), hg.Affine(2)

        def __call__(self, x):
            return self.last(x + self.first(x))

    first = save(Residual(), tmp_path / "a.onnx", example=np.zeros((2, 3), np.float32))
    again = load(first)
    second = save(again, tmp_path / "b.onnx", example=np.zeros((2, 3), np.float32))
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    np.testing.assert_allclose(prepare(second).run(x)[0], prepare(first).run(x)[0], rtol=1e-6)
    shapes = [sorted(a.shape for a in prepare(p).model.graph.initializers.values())
              for p in (first, second)]  # fmt: skip
    assert shapes[0] == shapes[1]

    def __call__(self, x):
        return x * 2 if x.data.sum() > 0 else x


def test_bad_input_is_one_line_and_leaves_no_file(perceptron, tmp_path):
    path, x = tmp_path / "a.onnx", np.zeros((2, 3), np.float32)
    cases = [
        ({"network": hg.Affine(2)}, "network must be a Network, got Affine"),
        ({"network": perceptron, "opset": 6}, r"opset must lie in \[7, 28\], got 6"),
        ({"network": perceptron, "opset": 29}, r"opset must lie in \[7, 28\], got 29"),
        ({"network": hg.Sequential(hg.Erf()), "example": x, "opset": 7}, "0 Erf needs opset 9"),
        ({"network": hg.Sequential(hg.ReLU())}, "example=samples is needed"),
        ({"network": perceptron, "example": x[:0]}, "N at least 1"),
        ({"network": hg.Sequential(hg.Affine(2, inputs=3), Unknown()), "example": x},
         r"no form in ONNX: 1 Unknown \(its code is no chain of layers\)"),
    ]  # fmt: skip
    for options, message in cases:
        network = options.pop("network")
        with pytest.raises(ValueError, match=message) as caught:
            save(network, path, **options)
        assert "\n" not in str(caught.value)
        assert not path.exists()


class Unknown(hg.Layer):
    """A layer of the user's whose code looks at numbers."""

    def forward(self, x):
        return np.asarray(x) * (1.0 if float(np.asarray(x).sum()) > 0 else 2.0)

    def backward(self, dy):
        return dy


def test_a_layer_of_the_user_is_opened(tmp_path):
    class Swish(hg.Layer):
        def forward(self, x):
            return x / (1 + np.exp(-x))

    network = hg.Sequential(hg.Affine(2, inputs=3), Swish())
    path = save(network, tmp_path / "a.onnx")
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    np.testing.assert_allclose(prepare(path).run(x)[0], network.predict(x), rtol=1e-5)
