"""Wrong inputs at the doors of the interchange: one clear line each, and nothing changed."""

from __future__ import annotations

import numpy as np
import pytest

import handgrad as hg
from handgrad import onnx
from handgrad.interop import files

X = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
T = np.zeros(5, int)
NETWORK = hg.Sequential(hg.Affine(4), hg.ReLU(), hg.Affine(2)).build(X)
LOSS, RULE = hg.SoftmaxCrossEntropy(), hg.SGD()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("doors")
    onnx.save(NETWORK, made / "a.onnx", example=X)
    onnx.save_training(NETWORK, made / "t.onnx", loss=LOSS, optimizer=RULE, example=(X, T))
    files.save_weights(NETWORK, made / "a.npz")
    (made / "text.onnx").write_text("hello")
    return made


def training(f, network=NETWORK, loss=LOSS, optimizer=RULE):
    return onnx.save_training(network, f / "b.onnx", loss=loss, optimizer=optimizer, example=(X, T))


def saved(f, **options):
    return onnx.save(NETWORK, f / "b.onnx", **{"example": X, **options})


BYTES = "the path of a file, or its bytes, is needed, got {}"
CASES = [
    *((lambda f, read=read, bad=bad: read(bad), BYTES.format(type(bad).__name__))
      for read in (onnx.load, onnx.prepare, onnx.load_training) for bad in (None, 3, NETWORK)),
    (lambda f: onnx.load_training(f / "text.onnx"), "text.onnx: not a whole ONNX file"),
    (lambda f: onnx.load(f / "a.onnx", dtype="odd"), "one of floats, such as 'float32', is needed"),
    (lambda f: onnx.prepare(f / "a.onnx").run(3), "inputs must be an array, a list of arrays, or"),
    (lambda f: onnx.prepare(f / "a.onnx").run({"X": X}), "inputs are missing: x"),
    (lambda f: saved(f, opset="new"), r"opset must lie in \[7, 28\], got 'new'"),
    (lambda f: saved(f, opset=13.5), r"opset must lie in \[7, 28\], got 13.5"),
    (lambda f: saved(f, metadata=["a"]), r"metadata must be values by name, got \['a'\]"),
    (lambda f: saved(f, metadata={"a": object()}), "metadata must be texts, or what JSON can hold"),
    (lambda f: saved(f, example=(X, X)), "Sequential does not take 2 inputs, as example has"),
    (lambda f: training(f, network=3), "network must be a Network, got int"),
    (lambda f: training(f, loss="mse"), "a loss and an optimizer are needed.*got str and SGD"),
    (lambda f: training(f, optimizer="sgd"), "a loss and an optimizer are needed.*Entropy and str"),
    (lambda f: onnx.verify(NETWORK, f / "t.onnx", X, loss=LOSS), r"with a loss of ours, x is \(x"),
    (lambda f: onnx.verify(NETWORK, f / "t.onnx", (X, T), loss="mse"), "with a loss of ours"),
    (lambda f: onnx.table_inputs(3, {}), "a TableSpec, as data.table, and rows with named"),
    (lambda f: files.load_weights(3, f / "a.npz"), "a network or layer is needed, got int"),
    (lambda f: files.save_weights(3, f / "b.npz"), "a network or layer is needed, got int"),
    (lambda f: files.load_weights(NETWORK, f / "a.npz", names=3), "a mapping or a function, got 3"),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(CASES)))
def test_wrong_use_is_one_clear_line(number, folder):
    call, text = CASES[number]
    before = NETWORK.parameters.copy()
    with pytest.raises(ValueError, match=text) as caught:
        call(folder)
    assert len(str(caught.value).splitlines()) == 1
    np.testing.assert_array_equal(NETWORK.parameters, before)
    assert not (folder / "b.onnx").exists()


def test_wrong_use_of_modules():
    torch = pytest.importorskip("torch", reason="PyTorch's modules")
    from handgrad.interop.torch import from_torch, load_state_dict, state_dict, verify

    module = torch.nn.Sequential(torch.nn.Linear(3, 2))
    for call, text in (
        (lambda: from_torch(module, np.zeros((2, 9), "f4")), "the module cannot run on the exampl"),
        (lambda: from_torch(module, np.zeros((2, 3))), "cannot run on the example: .*dtype"),
        (lambda: from_torch(module, "abc"), "cannot run on the example: .*'str'"),
        (lambda: load_state_dict(NETWORK, 3), "weights by name, or the path of a .pt file, are ne"),
        (lambda: state_dict(3), "a network or layer is needed, got int"),
        (lambda: verify(3, module, X), "network must be a Network, got int"),
        (lambda: verify(NETWORK, module, np.zeros((2, 9), "f4")), "the module cannot run on x"),
    ):
        with pytest.raises(ValueError, match=text) as caught:
            call()
        assert len(str(caught.value).splitlines()) == 1
