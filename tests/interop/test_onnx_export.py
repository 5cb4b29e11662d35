"""Networks as ONNX files: every sample of the layer table runs elsewhere, or has a reason."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.layers.samples import SAMPLES, WITHOUT_GRADIENT
from handgrad.onnx import load, prepare, save
from handgrad.train import read_table
from handgrad.train.tables.frames import from_frame

# Why a layer, or a sample of it, has no form in ONNX.
WITHOUT_FORM = {
    "NegativeSampling": "it draws its negatives in Python",
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


def test_a_network_may_end_in_indices(tmp_path):
    network = hg.Sequential(hg.Affine(4, inputs=3), hg.ArgMax(), hg.OneHot(4))
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    path = save(network, tmp_path / "a.onnx")
    np.testing.assert_array_equal(prepare(path).run(x)[0], network.predict(x, engine="numpy"))
    classes = save(hg.Sequential(*network.layers[:2]), tmp_path / "b.onnx")
    assert prepare(classes).run(x)[0].dtype == np.int64


def rows_of_a_table(n):
    rng = np.random.default_rng(0)
    size = [None if i % 17 == 0 else float(v) for i, v in enumerate(rng.normal(50, 9, n))]
    return {
        "size": size, "town": [("Rome", "Oslo", "Wien", "", "Ulm")[i % 5] for i in range(n)],
        "new": [("yes", "no", "")[i % 3] for i in range(n)],
        "grade": [str(i % 4) if i != 1 else "rare" for i in range(n)],
        "sold": ["" if i == 7 else f"20{i % 23:02}-{1 + i % 12:02}-{1 + i % 28}" for i in range(n)],
        "seen": [f"{1 + i % 28}.{1 + i % 12}.2024 {i % 24:02}:30" for i in range(n)],
    }  # fmt: skip


@pytest.mark.parametrize("embed", [[], ["town"]], ids=["one-hot", "embedded"])
def test_the_columns_of_a_table_go_in_as_they_are(embed, tmp_path):
    raw = rows_of_a_table(60)
    target = {"price": [float(i % 7) for i in range(60)]}
    data = read_table(raw | target, target="price", task="regression", categorical=["grade"],
                      embed=embed).split()  # fmt: skip
    assert [e.kind for e in data.table.encoders].count("date") == 2
    first = [data.table.embedding()] if embed else []
    network = hg.Sequential(*first, hg.Affine(6), hg.Tanh(), hg.Affine(1))
    network.build(data.x_train[:2])
    path = save(network, tmp_path / "t.onnx", example=raw, table=data.table)
    rows = {name: cells[:9] for name, cells in raw.items()}
    rows["town"] = ["Nowhere", "NA", *rows["town"][2:]]
    rows["sold"] = ["1969-07-20", "?", "2101-01-01", *rows["sold"][3:]]
    rows["new"] = ["YES", "?", "False", *rows["new"][3:]]
    expected = network.predict(data.table.inputs(from_frame(rows)))
    feeds = hg.onnx.table_inputs(data.table, rows)
    np.testing.assert_allclose(prepare(path).run(feeds)[0], expected, rtol=1e-5, atol=1e-6)
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime runs the exported files")
    made = runtime.InferenceSession(path).run(None, feeds)[0]
    np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-6)


def test_a_table_that_has_no_nodes_is_refused_by_name(tmp_path, perceptron):
    raw = {"told": ["so it was", "as it is"] * 9, "x": [1.0, 2.5, 4.0] * 6}
    both = raw | {"y": [0.5, 1.5] * 9}
    data = read_table(both, target="y", task="regression", text=["told"]).split()
    path = tmp_path / "t.onnx"
    for table, example, text in (
        (
            data.table,
            raw,
            r"columns told \(text\): no operator finds words .* drop= .* leave table= out",
        ),
        (3, raw, "table must be a TableSpec, as data.table or saved.table, got int"),
    ):
        with pytest.raises(ValueError, match=text):
            save(perceptron, path, example=example, table=table)
    numbers = read_table({"x": raw["x"], "y": [0.5, 1.5] * 9}, target="y", task="regression")
    with pytest.raises(ValueError, match="example must be rows of the table"):
        save(perceptron, path, example=np.zeros((2, 1)), table=numbers.split().table)
    assert not path.exists()


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
         r"no form in ONNX: 1 Unknown \(its forward does not run on tensors: "),
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


class Pieces(hg.Layer):
    """Comparisons in a layer of one's own: they choose, or are numbers themselves."""

    def forward(self, x):
        y = np.where(x > 0, x, 0.1 * x) + np.where(x[:, :1] <= 0.2, 1.0, x)
        return y * (x != 0.5) + (x < x.mean(axis=1, keepdims=True)) * np.float32(2)

    def backward(self, dy):
        raise NotImplementedError


def test_comparisons_of_an_own_layer_go_out(tmp_path):
    network = hg.Sequential(Pieces(), hg.Affine(2))
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    network.build(x)
    path = save(network, tmp_path / "p.onnx", example=x)
    expected = network.predict(x, engine="numpy")
    np.testing.assert_allclose(prepare(path).run(x)[0], expected, rtol=1e-5, atol=1e-6)
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime runs the exported files")
    made = runtime.InferenceSession(path).run(None, {"x": x})[0]
    np.testing.assert_allclose(made, expected, rtol=1e-5, atol=1e-6)


class Decides(Pieces):
    def forward(self, x):
        return x * 2.0 if x.sum() > 0 else x


class Counts(Pieces):
    def forward(self, x):
        return np.asarray(x) * 2.0


@pytest.mark.parametrize(("layer", "said"), [
    (Decides(), "its forward does not run on tensors: Python decides by a comparison"),
    (Counts(), "its forward does not run on tensors: a tensor is taken for a plain array"),
])  # fmt: skip
def test_an_own_layer_that_cannot_go_out_says_why(layer, said, tmp_path):
    with pytest.raises(ValueError, match=said):
        save(hg.Sequential(layer), tmp_path / "p.onnx", example=np.ones((2, 3), np.float32))
    assert not (tmp_path / "p.onnx").exists()
