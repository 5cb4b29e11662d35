"""Keras's files: models in, weights in and out, and what is refused."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

h5py = pytest.importorskip("h5py", reason="Keras's weights lie in HDF5 files")

from handgrad import (  # noqa: E402
    LSTM,
    Affine,
    BatchNorm,
    Convolution,
    Embedding,
    Network,
    ReLU,
    Sequential,
    check,
    fit,
)
from handgrad.interop.keras import load, load_weights, save_weights, weight_arrays  # noqa: E402
from handgrad.interop.keras.archive import write_h5  # noqa: E402
from handgrad.interop.keras.attention import ScaledAttention, TanhAttention  # noqa: E402

FILES = Path(__file__).parent / "keras"
EXPECTED = np.load(FILES / "expected.npz")


WORDS = ("words", "masked", "chain")


def rewritten(path, config=None, arrays=None, source="image"):
    """A file of ours with another structure, or other arrays."""
    with zipfile.ZipFile(FILES / f"{source}.keras") as old:
        parts = {name: old.read(name) for name in old.namelist()}
    if config is not None:
        structure = json.loads(parts["config.json"])
        config(structure)
        parts["config.json"] = json.dumps(structure).encode()
    if arrays is not None:
        memory = io.BytesIO(parts["model.weights.h5"])
        with h5py.File(memory, "r+") as file:
            arrays(file)
        parts["model.weights.h5"] = memory.getvalue()
    with zipfile.ZipFile(path, "w") as new:
        for name, data in parts.items():
            new.writestr(name, data)
    return path


@pytest.mark.parametrize("name", ["image", "words"])
def test_files_made_by_keras_give_its_values_and_gradients(name):
    network = load(FILES / f"{name}.keras").eval()
    x, y, dy = (EXPECTED[f"{name}/{what}"] for what in ("x", "y", "dy"))
    np.testing.assert_allclose(network.forward(x), y, rtol=1e-5, atol=1e-6)
    dx = network.backward(dy)
    if name == "image":
        assert isinstance(network, Sequential)
        np.testing.assert_allclose(dx, EXPECTED["image/dx"], rtol=1e-4, atol=1e-6)


def test_a_file_learns_on_where_it_may():
    network = load(FILES / "words.keras")
    assert network.frozen == {"inner.last.W", "inner.last.b"}
    before = {n: a.copy() for n, a in weight_arrays(network).items()}
    x = np.random.default_rng(0).integers(0, 7, (64, 4))
    t = (x == 3).any(axis=1).astype(int)
    history = fit(network, x, t, epochs=20, progress=False)
    assert history["loss"][-1] < history["loss"][0]
    after = weight_arrays(network)
    moved = {n for n in after if not np.array_equal(after[n], before[n])}
    assert {n for n in after if n not in moved} == {"layers/dense/vars/0", "layers/dense/vars/1"}


def test_weights_go_out_under_keras_names_and_come_back(tmp_path):
    network = load(FILES / "words.keras")
    with zipfile.ZipFile(FILES / "words.keras") as archive:
        file = h5py.File(io.BytesIO(archive.read("model.weights.h5")))
    path = save_weights(network, tmp_path / "w.weights.h5")
    with h5py.File(path) as ours:
        for name in weight_arrays(network):
            assert ours[name].shape == file[name].shape, name
    other = load(FILES / "words.keras")
    other.parameters[...] = 0
    load_weights(other, path)
    x = EXPECTED["words/x"]
    np.testing.assert_array_equal(other.predict(x), network.predict(x))


def test_a_network_made_here_is_numbered_as_keras_does():
    network = Sequential(
        Convolution(2, (3,), inputs=4), ReLU(), Convolution(2, (1,)), BatchNorm(), Affine(3)
    )
    network.build(np.zeros((1, 4, 5), np.float32))
    assert list(weight_arrays(network)) == [
        "layers/conv1d/vars/0", "layers/conv1d/vars/1", "layers/conv1d_1/vars/0",
        "layers/conv1d_1/vars/1", *(f"layers/batch_normalization/vars/{k}" for k in range(4)),
        "layers/dense/vars/0", "layers/dense/vars/1",
    ]  # fmt: skip


class Words(Network):
    def __init__(self):
        self.embedding, self.lstm, self.out = Embedding(5, 3), LSTM(2), Affine(2)

    def __call__(self, ids):
        return self.out(self.lstm(self.embedding(ids)))


def test_weights_that_do_not_fit_are_told_at_once_and_leave_the_network_alone(tmp_path):
    network = Words()
    network.build(np.zeros((1, 4), int))
    path = save_weights(network, tmp_path / "w.weights.h5")
    with h5py.File(path, "r+") as file:
        file["layers/lstm/cell/vars/00"] = file["layers/lstm/cell/vars/0"][...]
        del file["layers/lstm/cell/vars/0"], file["layers/embedding/vars/0"]
        file["layers/embedding/vars/0"] = np.zeros((6, 3), np.float32)
    before = network.parameters.copy()
    with pytest.raises(ValueError, match="missing: 'layers/lstm/cell/vars/0' .near: .*of no use "
                       "here: .*; layers/embedding/vars/0 has shape .6, 3., the network's .5, 3."
                       ) as caught:  # fmt: skip
        load_weights(network, path)
    assert "\n" not in str(caught.value)
    np.testing.assert_array_equal(network.parameters, before)
    with pytest.raises(ValueError, match="a file ending in .weights.h5 is needed, got 'w.h5'"):
        save_weights(network, tmp_path / "w.h5")


def layer(number, **options):
    """A change of the options of one layer of the file."""
    return lambda structure: structure["config"]["layers"][number]["config"].update(options)


def renamed(number, **fields):
    return lambda structure: structure["config"]["layers"][number].update(fields)


REFUSED = {
    "an option": (layer(1, padding="odd"), None, "conv2d .Conv2D: padding='odd'."),
    "two at once": (lambda s: (layer(1, padding="odd")(s), layer(5, data_format=3)(s),
                               renamed(6, class_name="EinsumDense")(s)), None,
                    "conv2d .Conv2D.*; dropout .EinsumDense has no layer here"),
    "a call of one": (renamed(6, class_name="Attention"), None, "Attention of 1 inputs"),
    "code": (renamed(6, class_name="Lambda"), None, "Lambda has no layer here"),
    "a class of its own": (renamed(6, module="mine", registered_name="mine>Odd"), None,
                           "mine>Odd, a class of the file's own, is never run"),
    "units": (layer(7, units=4), None, "layers/dense/vars/0 has shape .24, 3., .…, 4. is stated"),
    "sizes that part": (layer(0, batch_shape=[None, 8, 8, 2]), None, "Affine.*24"),
    "a huge kernel": (layer(3, pool_size=[60000, 60000]), None, "pool_size"),
    "missing": (None, lambda f: f.__delitem__("layers/dense/vars/1"),
                "dense: the file has no weights 'layers/dense/vars/1'"),
    "too many": (None, lambda f: f.__setitem__("layers/dense_1/vars/0", np.zeros(2)),
                 "weights of no use here: 'layers/dense_1/vars/0'$"),
    "words": (None, lambda f: f.__setitem__("layers/x", "text"), "'layers/x' holds object"),
    "a link": (None, lambda f: f.__setitem__("layers/x", h5py.ExternalLink("/etc/passwd", "/")),
               "'layers/x' is a link to elsewhere"),
    "a circle": (None, lambda f: f.__setitem__("layers/x", f["layers"]), "groups lie more than"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_says_why_in_one_line(case, tmp_path):
    config, arrays, text = REFUSED[case]
    path = rewritten(tmp_path / "x.keras", config, arrays)
    with pytest.raises(ValueError, match=text) as caught:
        load(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_models_that_call_each_other_many_times_are_refused_soon(tmp_path):
    def deep(structure):
        inner = {"class_name": "InputLayer", "config": {"name": "x", "batch_shape": [None, 4]},
                 "name": "x", "inbound_nodes": []}  # fmt: skip
        call = {"args": [{"class_name": "__keras_tensor__", "config": {
            "keras_history": ["x", 0, 0]}}], "kwargs": {}}  # fmt: skip
        layer = {"class_name": "Activation", "config": {"name": "a", "activation": "tanh"}}
        for level in range(30):
            again = {"args": [{"class_name": "__keras_tensor__", "config": {
                "keras_history": [layer["config"]["name"], 0, 0]}}], "kwargs": {}}  # fmt: skip
            called = {**layer, "name": layer["config"]["name"], "inbound_nodes": [call, again]}
            layer = {"class_name": "Functional", "config": {
                "name": f"m{level}", "layers": [inner, called], "input_layers": [["x", 0, 0]],
                "output_layers": [[layer["config"]["name"], 1, 0]]}}  # fmt: skip
        structure.clear()
        structure.update(layer)

    with pytest.raises(ValueError, match="the model makes more than 10,000 steps"):
        load(rewritten(tmp_path / "x.keras", deep))


def test_an_array_that_claims_more_than_the_file_is_refused(tmp_path):
    def lie(file):
        del file["layers/dense/vars/1"]
        file.create_dataset("layers/dense/vars/1", (1 << 40,), "f4", chunks=(1 << 20,))

    with pytest.raises(ValueError, match="far larger than the file"):
        load(rewritten(tmp_path / "x.keras", None, lie))
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.keras")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own
def test_models_of_every_kind_against_keras_itself(tmp_path):
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras", reason="Keras is what this compares with")
    torch = pytest.importorskip("torch", reason="Keras runs on it here")
    from tests.interop.keras_models import models

    if keras.backend.backend() != "torch":
        pytest.skip("Keras runs on another backend here; gradients are asked of torch")
    rng = np.random.default_rng(0)
    for name, model in models(keras).items():
        for w in model.weights:
            if "seed" not in w.path and "normalization/" not in w.path:
                w.assign((rng.normal(size=w.shape) * 0.5).astype("f4"))
        model.save(tmp_path / "m.keras")
        network = load(tmp_path / "m.keras").eval()
        shapes = [(3, *s.shape[1:]) for s in model.inputs]
        xs = [rng.integers(0, 7, s) if name in WORDS else rng.normal(size=s).astype("f4")
              for s in shapes]  # fmt: skip
        if name in ("masked", "chain"):
            xs[0][:, 0], xs[0][0, 3:] = 3, 0
        if name == "gaps":
            xs[0][:, 2], xs[0][0, 4:] = 0.5, 0.5
        given = [torch.tensor(x, requires_grad=x.dtype.kind == "f") for x in xs]
        for w in model.trainable_weights:
            w.value.grad = None
        y = model(given if len(given) > 1 else given[0], training=False)
        dy = rng.normal(size=tuple(y.shape)).astype("f4")
        y.backward(torch.tensor(dy))
        there = y.detach().numpy()
        wide = 1e-5 * max(1.0, float(np.abs(there).max()))
        np.testing.assert_allclose(network.forward(*xs), there, 1e-4, wide, err_msg=name)
        found = network.backward(dy)
        for g, t in zip(found if isinstance(found, tuple) else (found,), given):
            if t.grad is not None:
                wide = 1e-4 * float(t.grad.abs().max())
                np.testing.assert_allclose(g, t.grad.numpy(), 1e-3, wide, err_msg=name)
        gradients = {w.path: w.value.grad.numpy() for w in model.trainable_weights}
        most = max((np.abs(g).max() for g in gradients.values()), default=0)
        arrays = weight_arrays(network) | weight_arrays(network, gradient=True)
        model.load_weights(write_h5(tmp_path / "g.weights.h5", arrays))
        for w in model.trainable_weights:
            wide = 1e-4 * np.abs(gradients[w.path]).max() + 2e-5 * most
            np.testing.assert_allclose(w.numpy(), gradients[w.path], 1e-3, wide, err_msg=w.path)
        save_weights(network, tmp_path / "m.weights.h5")
        for w in model.weights:
            if "seed" not in w.path:
                w.assign(np.zeros(w.shape, w.dtype))
        model.load_weights(tmp_path / "m.weights.h5")
        again = model(given if len(given) > 1 else given[0], training=False)
        np.testing.assert_allclose(again.detach().numpy(), there, 1e-5, 1e-5, err_msg=name)


@pytest.mark.parametrize("causal", [False, True])
def test_the_attention_layers_of_keras_are_proved(causal):
    rng = np.random.default_rng(0)
    q, k, v = (rng.normal(size=shape) for shape in ((2, 3, 4), (2, 3, 4), (2, 3, 2)))
    mask = np.array([[True, True, False], [True, False, True]])
    scaled, added = ScaledAttention(causal=causal), TanhAttention(causal=causal)
    scaled.scale, added.w = np.asarray(0.7), rng.normal(size=4)
    for attention in (scaled, added):
        assert check(attention, q, k, v, mask)
        assert check(attention, q, k, v)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # Keras's own
def test_all_options_of_attention_without_counterpart_are_told_at_once(tmp_path):
    os.environ.setdefault("KERAS_BACKEND", "torch")
    keras = pytest.importorskip("keras", reason="Keras writes the file")
    L, x = keras.layers, keras.Input((3, 4))
    y = L.Attention(score_mode="concat", name="one")([x, x])
    y = L.AdditiveAttention(dropout=0.1, name="two")([y, x])
    y, _ = L.MultiHeadAttention(2, 2, name="three")(y, x, return_attention_scores=True)
    y, _ = L.SimpleRNN(4, return_state=True, activation="relu", name="four")(y)
    keras.Model(x, L.Dense(2)(y)).save(tmp_path / "m.keras")
    with pytest.raises(ValueError) as error:
        load(tmp_path / "m.keras")
    text = str(error.value)
    for part in ("one (Attention: score_mode='concat')", "two (AdditiveAttention: dropout=0.1)",
                 "three (MultiHeadAttention called with return_attention_scores)",
                 "four (SimpleRNN: activation='relu')"):  # fmt: skip
        assert part in text
    assert "\n" not in text
