"""ONNX files as networks: what they predict, how they learn, and what is said of bad ones."""

import io
import logging
import warnings

import numpy as np
import pytest

import handgrad as hg
from handgrad.interop.onnx.export.builder import Builder, attribute, value
from handgrad.interop.onnx.messages import Message
from handgrad.interop.onnx.wire import write
from handgrad.onnx import load, prepare


def bytes_of(message) -> bytes:
    return b"".join(bytes(piece) for piece in write(message))


def file_of(build, shape, opset=17, dtype=np.float32) -> bytes:
    """A file with one input x and the output of build(builder)."""
    b = Builder(opset, np.float32)
    result = build(b)
    b.nodes.append(Message("Node", op_type="Identity", input=[result], output=["y"]))
    info = [value("x", dtype, shape)], [value("y", np.float32, ("N",) * len(shape))]
    return bytes_of(b.model(*info, "g", {}))


@pytest.fixture(scope="module")
def torch():
    found = pytest.importorskip("torch", reason="PyTorch's exporters write the files")
    pytest.importorskip("onnx", reason="PyTorch's exporter needs the onnx package")
    found.manual_seed(0)
    return found


def modules(torch):
    """A module and an input for each family of layers."""
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.c, self.b = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4)
            self.d, self.f = nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.Linear(4, 5)

        def forward(self, x):
            x = torch.relu(self.b(self.c(x)))
            x = nn.functional.adaptive_avg_pool2d(x + torch.relu(self.d(x)), 1)
            return self.f(torch.flatten(x, 1))

    class Last(nn.Module):
        def __init__(self, kind, **options):
            super().__init__()
            self.r = kind(4, 3, batch_first=True, **options)
            self.f = nn.Linear(6 if options else 3, 2)

        def forward(self, x):
            return self.f(self.r(x)[0][:, -1])

    class Words(nn.Module):
        def __init__(self):
            super().__init__()
            self.e, self.n, self.f = nn.Embedding(11, 6), nn.LayerNorm(6), nn.Linear(6, 2)

        def forward(self, ids):
            return self.f(self.n(self.e(ids)).mean(1))

    return {
        "perceptron": (nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 6),
                                     nn.GELU(), nn.Linear(6, 3)), torch.randn(2, 4)),
        "images": (nn.Sequential(nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.BatchNorm2d(4),
                                 nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4, 5),
                                 nn.LogSoftmax(1)), torch.randn(2, 1, 4, 4)),
        "residual": (Block(), torch.randn(2, 3, 5, 5)),
        "lstm": (Last(nn.LSTM), torch.randn(2, 5, 4)),
        "gru": (Last(nn.GRU, bidirectional=True), torch.randn(2, 5, 4)),
        "words": (Words(), torch.randint(0, 11, (2, 5))),
        "upward": (nn.Sequential(nn.ConvTranspose2d(2, 3, 3, stride=2), nn.SiLU(),
                                 nn.AvgPool2d(2), nn.Upsample(scale_factor=2), nn.PReLU(3),
                                 nn.Hardswish()), torch.randn(2, 2, 4, 4)),
        "attention": (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0),
                      torch.randn(2, 5, 8)),
    }  # fmt: skip


NAMES = ("perceptron", "images", "residual", "lstm", "gru", "words", "upward")


def exported(torch, module, x, dynamo):
    """The file that PyTorch writes, its batch of any size."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            if dynamo:
                sizes = ({0: torch.export.Dim("batch", min=1, max=64)},)
                torch.onnx.export(
                    module, (x,), dynamo=True, verbose=False, dynamic_shapes=sizes
                ).save(file)
            else:
                torch.onnx.export(module, (x,), file, dynamo=False, input_names=["x"],
                                  dynamic_axes={"x": {0: "batch"}})  # fmt: skip
        finally:
            logging.disable(logging.NOTSET)
    return file.getvalue()


def compare(torch, module, network, x):
    """Predictions, and the gradient of the input, on a batch of another size."""
    x = torch.cat([x, x, x])[:5]
    if x.is_floating_point():
        x = (x + 0.1 * torch.arange(5.0).reshape(-1, *[1] * (x.dim() - 1))).requires_grad_()
    y = module(x)
    upstream = torch.randn_like(y)
    y.backward(upstream)
    array = x.detach().numpy()
    np.testing.assert_allclose(network.predict(array), y.detach(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(network.forward(array), y.detach(), rtol=1e-4, atol=1e-5)
    dx = network.backward(upstream.numpy())
    if x.is_floating_point():
        np.testing.assert_allclose(dx, x.grad, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_what_pytorchs_older_exporter_writes(torch, name):
    module, x = modules(torch)[name]
    module.eval()
    compare(torch, module, load(exported(torch, module, x, False)), x)


@pytest.mark.parametrize("name", ["images", "attention"])
def test_what_pytorchs_newer_exporter_writes(torch, name):
    pytest.importorskip("onnxscript", reason="PyTorch's newer exporter needs onnxscript")
    module, x = modules(torch)[name]
    module.eval()
    compare(torch, module, load(exported(torch, module, x, True)), x)


def test_a_chain_is_a_sequential_that_is_proved_drawn_trained_and_compiled(torch):
    module, x = modules(torch)["perceptron"]
    network = load(exported(torch, module.eval(), x, False))
    assert [type(layer).__name__ for layer in network.layers] == [
        "Affine", "ReLU", "Affine", "GELU", "Affine",
    ]  # fmt: skip
    assert hg.check(network, x.numpy())
    assert "Affine" in str(hg.draw(network(hg.Tensor(x.numpy()))))
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(60, 4)).astype(np.float32)
    t = (inputs[:, 0] > 0).astype(int)
    before = network.evaluate(inputs, t)["loss"]
    hg.fit(network, inputs, t, optimizer=hg.Adam(0.05), epochs=10)
    assert network.evaluate(inputs, t)["loss"] < before / 2


def test_what_scikit_learns_converter_writes():
    convert = pytest.importorskip("skl2onnx", reason="skl2onnx writes the files")
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, t = load_iris(return_X_y=True)
    x = x.astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        regressor = MLPRegressor(hidden_layer_sizes=(5,), max_iter=5, random_state=0)
        models = [make_pipeline(StandardScaler(), m).fit(x, t)
                  for m in (regressor, LogisticRegression())]  # fmt: skip
        files = [convert.to_onnx(models[0], x[:1]),
                 convert.to_onnx(models[1], x[:1], options={"zipmap": False}),
                 convert.to_onnx(models[1], x[:1])]  # fmt: skip
    regression, classes, maps = (f.SerializeToString() for f in files)
    y = load(regression).predict(x)
    np.testing.assert_allclose(y[:, 0], models[0].predict(x), rtol=1e-4, atol=1e-5)
    for data, output in ((classes, "probabilities"), (maps, "probabilities"),
                         (maps, "output_probability")):  # fmt: skip
        network = load(data, output=output)
        np.testing.assert_allclose(network.predict(x), models[1].predict_proba(x), atol=1e-5)
    assert network.metadata["classes"] == "[0, 1, 2]"
    with pytest.raises(ValueError, match="a ZipMap turns an array into maps: load.path. takes"):
        prepare(maps)


# -- forms ----------------------------------------------------------------------------------------


def test_shape_arithmetic_is_folded_or_follows_the_batch():
    def build(b):
        shape = b.node("Shape", ["x"])
        batch = b.node("Gather", [shape, np.array(0, np.int64)], axis=0)
        rows = b.node("Unsqueeze", [batch, np.array([0], np.int64)])
        product = b.node("Mul", [np.array([2], np.int64), np.array([3], np.int64)])
        return b.reshape_to(b.node("Concat", [rows, product], axis=0))

    Builder.reshape_to = lambda b, shape: b.node("Reshape", ["x", shape])
    try:
        data = file_of(build, ("N", 2, 3))
    finally:
        del Builder.reshape_to
    network = load(data)
    operators = [step.node.op for step in network.steps]
    assert "Mul" not in operators
    for n in (1, 4):
        assert network.predict(np.zeros((n, 2, 3), np.float32)).shape == (n, 6)


def test_a_fixed_batch_in_the_file_does_not_bind():
    data = file_of(lambda b: b.reshape("x", [1, 6]), (1, 2, 3))
    x = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
    np.testing.assert_array_equal(load(data).predict(x), x.reshape(4, 6))


def test_functions_become_layers_too():
    function = Message(
        "Function", name="twice", domain="own", input=["a"], output=["b"],
        node=[Message("Node", op_type="Relu", input=["a"], output=["r"]),
              Message("Node", op_type="Add", input=["r", "r"], output=["b"])],
        opset_import=[Message("Opset", version=17)],
    )  # fmt: skip
    b = Builder(17, np.float32)
    b.nodes = [Message("Node", op_type="twice", domain="own", input=["x"], output=["y"])]
    infos = [value("x", np.float32, ("N", 3))], [value("y", np.float32, ("N", 3))]
    message = b.model(*infos, "g", {})
    message.functions = [function]
    message.opset_import = [*message.opset_import, Message("Opset", domain="own", version=1)]
    data, x = bytes_of(message), np.array([[-1, 2, 3]], np.float32)
    network = load(data)
    np.testing.assert_array_equal(network.forward(x), 2 * np.maximum(x, 0))
    np.testing.assert_array_equal(network.backward(np.ones_like(x)), [[0, 2, 2]])
    np.testing.assert_array_equal(prepare(data).run(x)[0], 2 * np.maximum(x, 0))


def test_a_node_without_gradient_says_so_when_it_is_trained():
    def build(b):
        y = b.node("Det", ["x"])
        return b.node("Unsqueeze", [y, np.array([1], np.int64)])

    network = load(file_of(build, ("N", 2, 2)))
    x = np.random.default_rng(0).normal(size=(3, 2, 2)).astype(np.float32)
    np.testing.assert_allclose(network.predict(x)[:, 0], np.linalg.det(x), rtol=1e-4)
    network.forward(x)
    with pytest.raises(ValueError, match="onnx: Det 'Det' has no gradient"):
        network.backward(np.ones((3, 1), np.float32))


def branch(name, op):
    """A branch of an If that reads a value from around it."""
    node = Message("Node", op_type=op, input=["h"], output=[name])
    return Message("Graph", name=name, node=[node], output=[value(name, np.float32, ("N", 2))])


def test_a_branch_sees_what_is_around_it_and_has_no_gradient():
    def build(b):
        b.nodes.append(Message("Node", op_type="Relu", input=["x"], output=["h"]))
        small = b.node("ReduceSum", ["x"], keepdims=0)
        yes = b.node("Less", [small, np.float32(0)])
        branches = {"then_branch": branch("a", "Neg"), "else_branch": branch("c", "Exp")}
        return b.node("If", [yes], **branches)

    network = load(file_of(build, ("N", 2)))
    x = np.array([[1, -3], [0.5, 0.25]], np.float32)
    np.testing.assert_allclose(network.predict(x), -np.maximum(x, 0))
    np.testing.assert_allclose(network.predict(-x), np.exp(np.maximum(-x, 0)), rtol=1e-6)
    network.forward(x)
    with pytest.raises(ValueError, match="onnx: If 'If' has no gradient"):
        network.backward(x)


def test_an_imported_network_reads_well_and_says_how_it_is_saved(tmp_path):
    def build(b):
        return b.node("Add", [b.node("Relu", ["x"]), "x"])

    network = load(file_of(build, ("N", 2)))
    assert repr(network) == "Imported(x → y:\n    ReLU(),\n    Add 'Add',\n    Identity 'y',\n)"
    with pytest.raises(ValueError, match=r"handgrad.onnx.save\(network, path, example=x\)"):
        hg.save(network, tmp_path / "a.safetensors")


def grouped(b):
    scale, shift = np.array([1, 2], np.float32), np.array([0.5, -1], np.float32)
    return b.node("GroupNormalization", ["x", scale, shift], num_groups=2)


AWKWARD = [
    ("CastLike", lambda b: b.node("Mul", ["x", b.node("CastLike", [np.array(3), "x"])])),
    ("DepthToSpace", lambda b: b.node("SpaceToDepth", ["x"], blocksize=2)),
    ("Clip", lambda b: b.node("Clip", ["x"])),
    ("GroupNormalization", grouped),
    ("LpNormalization", lambda b: b.node("LpNormalization", ["x"], axis=1)),
    ("MaxPool", lambda b: b.node("MaxPool", ["x"], kernel_shape=[2, 2], dilations=[2, 2])),
    ("AveragePool", lambda b: b.node("AveragePool", ["x"], kernel_shape=[2, 2],
                                     auto_pad="SAME_LOWER")),
    ("GatherND", lambda b: b.node("GatherND", ["x", np.array([[[0, 1], [1, 0]]] * 3)],
                                  batch_dims=1)),
    ("Resize", lambda b: b.node("Resize", ["x", None, np.array([1, 1, 2, 1.5], np.float32)],
                                mode="linear")),
    ("Pad", lambda b: b.node("Pad", ["x", np.array([0, 0, 1, -1, 0, 0, 0, 2])])),
    ("LRN", lambda b: b.node("LRN", ["x"], size=3)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "build"), AWKWARD, ids=[name for name, _ in AWKWARD])
def test_expressions_are_what_the_operators_are_and_proved(name, build):
    data = file_of(build, ("N", 4, 4, 4), 20)
    x = np.random.default_rng(0).normal(size=(3, 4, 4, 4)).astype(np.float32)
    network = load(data)
    (expected,) = prepare(data).run(x)
    np.testing.assert_allclose(network.forward(x), expected, rtol=1e-4, atol=1e-6)
    wide = network.astype(np.float64)
    rng, step = np.random.default_rng(1), 1e-6
    upstream, along = rng.normal(size=expected.shape), rng.normal(size=x.shape)
    wide.forward(x.astype(np.float64))
    dx = wide.backward(upstream)
    ends = [wide.forward(x + s * step * along) for s in (1, -1)]
    slope = ((ends[0] - ends[1]) * upstream).sum() / (2 * step)
    np.testing.assert_allclose((dx * along).sum(), slope, rtol=1e-5)


@pytest.mark.parametrize("opset", [6, 7, 9, 12, 13, 20])
def test_softmax_means_what_the_opset_says(opset):
    data = file_of(lambda b: b.node("Softmax", ["x"], axis=1), ("N", 2, 3), opset)
    x = np.random.default_rng(0).normal(size=(2, 2, 3)).astype(np.float32)
    axes = (1,) if opset >= 13 else (1, 2)
    e = np.exp(x - x.max(axes, keepdims=True))
    expected = e / e.sum(axes, keepdims=True)
    np.testing.assert_allclose(load(data).predict(x), expected, rtol=1e-5)
    np.testing.assert_allclose(prepare(data).run(x)[0], expected, rtol=1e-5)


def test_a_shared_initializer_is_one_parameter():
    w = np.random.default_rng(0).normal(size=(3, 3)).astype(np.float32)

    def build(b):
        name = b.weight(w, "W")
        return b.node("MatMul", [b.node("Relu", [b.node("MatMul", ["x", name])]), name])

    network = load(file_of(build, ("N", 3)))
    assert network.parameters.size == 9
    assert hg.check(network, np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32))


# -- bad input ------------------------------------------------------------------------------------


def test_all_missing_operators_are_named_at_once():
    def build(b):
        y = b.node("Frobnicate", ["x"])
        b.node("StringSplit", ["x"])
        return b.node("Frobnicate", [y])

    for read in (load, prepare):
        with pytest.raises(ValueError) as caught:
            read(file_of(build, ("N", 3)))
        assert str(caught.value) == (
            "onnx: operators that are not known, with their nodes: "
            "Frobnicate ('Frobnicate', 'Frobnicate_1'); StringSplit ('StringSplit')"
        )


BAD = [
    (b"", "the file has no graph"),
    (b"\x3a\xff\x01ab", "255 bytes are announced at byte 3, 2 are there"),
    (b"\x3a", "the file is cut at byte 1"),
    (b"hello, this is text", "announced|wire type|field number"),
    (
        file_of(lambda b: b.node("Relu", ["x"]), ("N", 3), 99),
        "opset 99 of ai.onnx is newer than 28",
    ),
    (file_of(lambda b: b.node("Relu", ["x"], gamma=1), ("N", 3)), "has no attribute 'gamma'"),
    (file_of(lambda b: b.node("Concat", ["x", "x"]), ("N", 3)), "needs the attribute 'axis'"),
    (file_of(lambda b: b.node("Add", ["x"]), ("N", 3)), "too few or too many"),
]


@pytest.mark.parametrize(("data", "message"), BAD)
def test_a_bad_file_is_refused_in_one_line(data, message):
    with pytest.raises(ValueError, match=f"^onnx: .*({message})") as caught:
        load(data)
    assert "\n" not in str(caught.value)


def test_other_bad_input(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        load(tmp_path / "none.onnx")
    data = file_of(lambda b: b.node("MatMul", ["x", b.weight(np.ones((3, 2)), "W")]), ("N", 3))
    with pytest.raises(ValueError, match="there is no output 'z'; there are y"):
        load(data, output="z")
    with pytest.raises(ValueError, match=r"input 'x' must have the shape \('N', 3\), got \(2, 4\)"):
        prepare(data).run(np.zeros((2, 4), np.float32))
    with pytest.raises(ValueError, match="input 'x' must be float32, got float64"):
        prepare(data).run(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="1 inputs are needed"):
        prepare(data).run([])
    with pytest.raises(ValueError, match="there is no input 'X'; 'x' was meant"):
        prepare(data).run({"x": np.zeros((2, 3), np.float32), "X": 1})
    with pytest.raises(ValueError, match="the last axis of x must be 3"):
        load(data).predict(np.zeros((2, 4), np.float32))


def external(location, **more):
    """A file whose weight lies in another one."""
    b = Builder(17, np.float32)
    b.nodes.append(Message("Node", op_type="Add", input=["x", "W"], output=["y"]))
    infos = [value("x", np.float32, ("N", 2))], [value("y", np.float32, ("N", 2))]
    message = b.model(*infos, "g", {})
    entries = {"location": location, **more}
    message.graph.initializer = [Message(
        "Tensor", name="W", dims=[2], data_type=1, data_location=1,
        external_data=[Message("Entry", key=k, value=v) for k, v in entries.items()],
    )]  # fmt: skip
    return bytes_of(message)


def test_external_data_stays_in_the_models_folder(tmp_path):
    inside, outside = tmp_path / "model", tmp_path / "secret.bin"
    inside.mkdir()
    outside.write_bytes(np.array([5, 6], np.float32).tobytes())
    (inside / "w.bin").write_bytes(b"\0" * 8 + np.array([1, 2], np.float32).tobytes())
    (inside / "link.bin").symlink_to(outside)
    path = inside / "m.onnx"
    path.write_bytes(external("w.bin", offset="8", length="8"))
    x = np.zeros((1, 2), np.float32)
    np.testing.assert_array_equal(load(path).predict(x), [[1, 2]])
    for location in ("../secret.bin", str(outside), "link.bin"):
        path.write_bytes(external(location))
        with pytest.raises(ValueError, match="outside of the model's folder"):
            load(path)
    path.write_bytes(external("w.bin", offset="12"))
    with pytest.raises(ValueError, match="needs 8 bytes, 4 are there"):
        load(path)
    with pytest.raises(ValueError, match="load by path"):
        load(external("w.bin"))


def test_numbers_in_every_form_of_the_wire():
    """Packed and unpacked, negative, empty, scalar; unknown fields and groups skipped."""
    from handgrad.interop.onnx.tensors import array_of
    from handgrad.interop.onnx.wire import read

    minus = b"\xff" * 9 + b"\x01"  # −1 in ten bytes
    tensor = b"\x10\x07\x08\x02\x38\x05\x38" + minus  # dims 2, int64_data unpacked: 5, −1
    assert array_of(read(tensor, "Tensor")).tolist() == [5, -1]
    packed = b"\x10\x07\x0a\x01\x02\x3a\x0b\x05" + minus
    assert array_of(read(packed, "Tensor")).tolist() == [5, -1]
    scalar = read(b"\x10\x01\x22\x04\x00\x00\x80\x3f", "Tensor")
    assert array_of(scalar).shape == ()
    assert array_of(read(b"\x10\x01\x08\x00", "Tensor")).shape == (0,)
    group = b"\xa3\x06\x08\x01\xa4\x06"  # field 100, a group with a field inside
    assert array_of(read(group + b"\xa8\x06\x07" + packed, "Tensor")).tolist() == [5, -1]
    huge = Message("Tensor", dims=[2**40, 2**40], data_type=1, raw_data=memoryview(b"\0" * 8))
    with pytest.raises(ValueError, match="bytes, 8 are there"):
        array_of(read(bytes_of(huge), "Tensor"))


def test_nan_among_the_constants_is_read_without_a_warning():
    w = np.frombuffer(b"\x01\x7c" * 6, np.float16).reshape(3, 2)  # signalling NaN
    data = file_of(lambda b: b.node("MatMul", ["x", b.node("Cast", [w], to=1)]), ("N", 3))
    assert np.isnan(load(data).parameters).all()


def test_a_slice_of_the_spoilt_files(tmp_path):
    from tests.interop.onnx_fuzz import corpus, read_all

    read, longest = read_all(corpus(tmp_path), 400, 0)
    assert 0 < read < 800
    assert longest < 2


def test_a_large_file_is_read_in_place(tmp_path):
    """Tensors are views of the file: what a network holds is its own parameters, once."""
    import tracemalloc

    network = hg.Sequential(hg.Affine(1500, inputs=1500), hg.ReLU(), hg.Affine(500))
    network.build(np.zeros((1, 1500), np.float32))
    path = hg.onnx.save(network, tmp_path / "large.onnx")
    size = path.stat().st_size
    load(path)  # imports
    tracemalloc.start()
    try:
        again = load(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert again.parameters.nbytes > 0.99 * size
    assert peak < 1.2 * size + again.gradients.nbytes  # beside the file's own pages
    model = prepare(path).model
    assert not model.graph.initializers["0.W"].flags.owndata


def test_a_network_of_nodes_compiles_natively():
    from handgrad.compile import why_not

    rng = np.random.default_rng(0)
    filters = rng.normal(size=(2, 1, 3, 3)).astype(np.float32)
    w = rng.normal(size=(2, 3)).astype(np.float32)

    def build(b):
        y = b.node("Conv", ["x", filters], pads=[1, 1, 1, 1])
        y = b.node("Add", [b.node("Relu", [y]), y])
        y = b.node("Flatten", [b.node("GlobalAveragePool", [y])])
        return b.node("Gemm", [y, w])

    network = load(file_of(build, ("N", 1, 4, 4)))
    x = rng.normal(size=(5, 1, 4, 4)).astype(np.float32)
    plain = network.predict(x, engine="numpy")
    np.testing.assert_allclose(prepare(file_of(build, ("N", 1, 4, 4))).run(x)[0], plain, rtol=1e-5)
    if reason := why_not():
        pytest.skip(reason)
    np.testing.assert_allclose(network.predict(x, engine="native"), plain, rtol=1e-5, atol=1e-6)


def test_attributes_are_what_they_say():
    assert attribute("a", 1).type == 2
    assert attribute("a", 1.0).type == 1
