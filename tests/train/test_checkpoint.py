"""Model files: whole, checked, harmless."""

from __future__ import annotations

import inspect
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import handgrad
from handgrad import (
    Adam,
    Affine,
    Concat,
    Dropout,
    Index,
    Network,
    Parallel,
    ReLU,
    Reshape,
    Residual,
    Sequential,
    Tanh,
    load,
    save,
)
from handgrad.layer import Layer
from handgrad.layers import (
    Standardize,
    init,
    samples,
)
from handgrad.renamed import RENAMED
from handgrad.train import EarlyStopping, InputSpec, OutputSpec, Trainer, load_checkpoint
from handgrad.train.describe import construct, describe

from ..test_layer import BookAffine, BookRelu


def rich() -> Sequential:
    return Sequential(
        Standardize(np.arange(6.0), np.full(6, 2.0)), Reshape((-1, 2, 3)),
        Index((..., slice(0, 2))), Reshape((-1, 4)), Affine(5),
        Residual(Affine(7), Tanh(), Affine(5)),
        Parallel(Affine(2, bias=False), Sequential(ReLU(), Affine(3))), Dropout(0.3), Affine(2),
        seed=4,
    )  # fmt: skip


def test_a_whole_model_comes_back(rng, tmp_path):
    network, x = rich(), rng.normal(size=(4, 6))
    network.forward(x)
    path = save(network, tmp_path / "m.safetensors")
    again = load(path)
    assert repr(again) == repr(network)
    np.testing.assert_array_equal(again.predict(x), network.predict(x))
    np.testing.assert_array_equal(again.forward(x), network.forward(x))  # dropout's stream too
    again.backward(rng.normal(size=(4, 2)))


@pytest.mark.parametrize("sample", samples.SAMPLES, ids=str)
def test_every_layer_is_described_by_its_arguments(sample):
    layer = sample.make()
    text = json.dumps(describe(layer))
    again = construct(json.loads(text))
    assert json.dumps(describe(again)) == text
    rng = np.random.default_rng(0)
    inputs = sample.inputs(rng)
    if not layer.params:
        made = [made_by.forward(*inputs) for made_by in (layer, again)]
        for a, b in zip(*(y if isinstance(y, tuple) else (y,) for y in made)):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "change",
    [np.asfortranarray, lambda a: np.ascontiguousarray(a.T).T, lambda a: np.repeat(a, 2, 1)[:, ::2],
     lambda a: a[::-1][::-1], lambda a: a.astype(">f8")],
    ids=["fortran", "transposed", "strided", "reversed", "big-endian"],
)  # fmt: skip
def test_arrays_in_any_layout_are_written_right(change, rng, tmp_path):
    W = rng.normal(size=(6, 4))

    class Holder(Layer):
        params = ("W",)

        def __init__(self, size=1):
            self.size, self.W = size, change(W)

        def forward(self, x):
            return x @ self.W

    path = save(Holder(), tmp_path / "m")
    np.testing.assert_array_equal(load_file(path)["parameters/W"], W)
    np.testing.assert_array_equal(load(path, classes=[Holder]).W, W)


class Mine(Network):
    def __init__(self, width=3):
        self.width = width
        self.layers = [Affine(width), Affine(2)]

    def __call__(self, x):
        return self.layers[1](self.layers[0](x)) * 2.0


def test_own_classes_are_handed_over_never_imported(rng, tmp_path):
    network, x = Mine(5), rng.normal(size=(3, 4))
    network.forward(x)
    path = save(network, tmp_path / "m")
    with pytest.raises(ValueError, match=r"needs your class Mine: .*classes=\[Mine\]"):
        load(path)
    np.testing.assert_array_equal(load(path, classes=[Mine]).predict(x), network.predict(x))
    book = Sequential(BookAffine(rng.normal(size=(4, 2)), np.zeros(2)), BookRelu())
    book.forward(x)
    path = save(book, tmp_path / "b")
    again = load(path, classes=[BookAffine, BookRelu])
    np.testing.assert_array_equal(again.predict(x), book.predict(x))


def test_what_cannot_be_saved_is_said(tmp_path):
    class Forgetful(Layer):
        def __init__(self, size):
            self.kept = size

    with pytest.raises((ValueError, AttributeError), match="size"):
        save(Forgetful(3), tmp_path / "m")
    with pytest.raises(ValueError, match="0.W has no size yet"):
        save(Sequential(Affine(3)), tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_damaged_and_foreign_files_are_refused(rng, tmp_path):
    path = save(rich().build(rng.normal(size=(2, 6))), tmp_path / "m")
    whole = path.read_bytes()
    for content, message in (
        (whole[:-10], "not a whole safetensors file"),
        (whole[:40], "not a whole safetensors file"),
        (b"", "not a whole safetensors file"),
        (b"\x80\x04pickle", "not a whole safetensors file"),
        (whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:], "does not match its checksum"),
        (whole.replace(b"Tanh", b"ReLU"), "does not match its checksum"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=message):
            load(path)
    save_file({"a": np.ones(2)}, path)
    with pytest.raises(ValueError, match="not a model of handgrad"):
        load(path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nothing")


def test_a_failed_write_leaves_the_old_file(rng, tmp_path, monkeypatch):
    network = rich().build(rng.normal(size=(2, 6)))
    path = save(network, tmp_path / "m")
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    network.parameters[...] = 0
    with pytest.raises(OSError, match="No space left"):
        save(network, path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_killed_at_any_moment_the_file_is_whole(tmp_path):
    code = """
        import sys, numpy as np
        from handgrad import Affine, Sequential, save
        network = Sequential(Affine(300, inputs=300))
        print("ready", flush=True)
        while True:
            network.parameters[...] += 1
            save(network, sys.argv[1])
    """
    path = tmp_path / "m"
    for wait in (0.02, 0.05, 0.09):
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), str(path)], stdout=subprocess.PIPE
        )
        process.stdout.readline()
        while not path.exists():
            pass
        signal.sigtimedwait([], wait)
        process.kill()
        process.wait()
        process.stdout.close()
        W = load(path)[0].W
        assert np.ptp(W - W.round()) < 1  # readable, and its checksum was right


class Wrap(Network):
    def __init__(self, inner, kind=None):
        self.inner, self.kind = inner, kind

    def __call__(self, x):
        return self.inner(x) + 1.0


def test_classes_may_be_arguments_of_each_other(rng, tmp_path):
    x = rng.normal(size=(3, 4))
    for network in (Wrap(Mine(5)), Wrap(Wrap(Mine(2), Affine), ReLU), Sequential(Wrap(Mine(2)))):
        network.forward(x)
        path = save(network, tmp_path / "m")
        for classes in ([Mine, Wrap], [Wrap, Mine]):
            again = load(path, classes=classes)
            np.testing.assert_array_equal(again.predict(x), network.predict(x))
        with pytest.raises(ValueError, match=r"needs your class (Mine|Wrap)"):
            load(path, classes=[Wrap] if "Mine" in repr(network.members) else [])
    assert (
        load(save(Wrap(Affine(2, inputs=3), Mine), tmp_path / "m"), classes=[Wrap, Mine]).kind
        is Mine
    )


def test_a_class_of_yours_is_not_taken_for_ours(tmp_path):
    def mine(Base):
        class Tanh(Base):
            def __call__(self, x):
                return super().__call__(x) * 2.0

        return Tanh

    other = mine(Tanh)
    path = save(Sequential(other()), tmp_path / "m")
    with pytest.raises(ValueError, match="needs your class Tanh"):
        load(path)
    assert type(load(path, classes=[other])[0]) is other
    with pytest.raises(ValueError, match="save: two classes are called Tanh"):
        save(Sequential(other(), Tanh()), tmp_path / "m")
    with pytest.raises(ValueError, match="two classes are called Tanh"):
        load(path, classes=[other, Tanh])


def test_only_layer_classes_can_be_named(tmp_path):
    for foreign in (len, int, "Tanh", Tanh()):
        with pytest.raises(ValueError, match="classes: layer classes are needed"):
            load(save(Sequential(), tmp_path / "m"), classes=[foreign])
    for name in ("im2col", "loss_for", "UnigramSampler", "enter_rules", "Network", "np", "", "a.b"):
        with pytest.raises(ValueError, match=r"your class|must be the name of a class"):
            construct({"class": name, "config": {}})


@pytest.mark.parametrize(
    ("init", "comes_back"),
    [(init.he, init.he), ("he", "he"), (0.1, 0.1), (None, None)],
    ids=["rule", "name", "std", "none"],
)
def test_a_rule_for_weights_is_saved_by_its_name(tmp_path, init, comes_back):
    layer = Affine(2, inputs=3)
    layer.build()
    layer.init = init
    assert load(save(Sequential(layer), tmp_path / "m"))[0].init == comes_back


def test_a_function_is_refused_before_anything_is_written(tmp_path):
    network = Sequential(ReLU(), Affine(2, init=lambda shape, rng: np.ones(shape)))
    network.forward(np.ones((1, 3)))
    with pytest.raises(ValueError, match=r"layer 1 \(Affine\): init is the function <lambda>"):
        save(network, tmp_path / "m")
    assert not list(tmp_path.iterdir())
    network[1].init = None
    assert load(save(network, tmp_path / "m"))[1].W.tolist() == [[1, 1]] * 3


def test_shared_layers_and_tied_weights_come_back_so(rng, tmp_path):
    a, x = Affine(4), rng.normal(size=(3, 4))
    tied = Affine(4)
    network = Sequential(a, Tanh(), Residual(a), Sequential(tied, Wrap(a)))
    network.forward(x)
    tied.W = a.W
    network = Sequential(*network.layers)
    assert network.parameters.size == a.W.size + a.b.size + tied.b.size
    again = load(save(network, tmp_path / "m"), classes=[Wrap])
    assert again[0] is again[2].members[0] is again[3][1].inner
    assert again.parameters.size == network.parameters.size
    np.testing.assert_array_equal(again.predict(x), network.predict(x))
    again.parameters[...] = 1
    np.testing.assert_array_equal(again[3][0].W, again[0].W)


DATA = Path(__file__).with_name("data")


def test_files_of_format_1_are_read_for_ever():
    kept = np.load(DATA / "handgrad1.npz")
    saved = load_checkpoint(DATA / "handgrad1.safetensors", classes=[BookAffine])
    assert (saved.format, saved.library, saved.input) == ("handgrad 1", "", None)
    assert saved.info == {"classes": ["cat", "dog"], "data": "pets"}
    assert saved.output == OutputSpec("scores", ("cat", "dog"))
    np.testing.assert_allclose(saved.network.predict(kept["x"]), kept["y"], rtol=1e-5, atol=1e-6)


def test_a_training_of_format_1_goes_on():
    kept = np.load(DATA / "handgrad1.npz")
    saved = load_checkpoint(DATA / "handgrad1-training.safetensors")
    trainer = Trainer(saved.network, kept["X"], kept["T"], optimizer=Adam(0.01), epochs=4, batch=16,
                      seed=3, validation=0.25, callbacks=[EarlyStopping(5)])  # fmt: skip
    trainer.load_state_dict(saved.training)
    history = trainer.run()
    assert trainer.step == 8
    np.testing.assert_allclose(history["val_loss"], kept["val_loss"], rtol=1e-4)
    np.testing.assert_allclose(trainer.network.parameters, kept["parameters"], rtol=1e-4, atol=1e-6)


class Every(Network):
    """Uses each layer once, on shapes that fit it; y holds all their outputs."""

    def __init__(self, layers, calls):
        self.layers, self.calls = layers, calls

    def __call__(self, x):
        ids = np.array([[0, 3, 1], [2, 2, 0]])
        given = {
            "images": (x.reshape(2, 3, 4, 4),), "table": (x,), "sequences": (x.reshape(2, 8, 6),),
            "ids": (ids,), "scores": (x[:, :4], ids), "words": (x[:, :4], ids[:, 0]),
            "step": (x[:, :6], x[:, :2]), "steps": (x[:, :6], x[:, :2], x[:, 2:4]),
            "keys": (x.reshape(2, 8, 6),) * 3,
        }  # fmt: skip
        found = []
        for layer, call in zip(self.layers, self.calls):
            y = layer(*given[call])
            found += [part.reshape(-1) for part in (y if isinstance(y, tuple) else (y,))]
        return Concat()(*found)


def test_a_file_with_the_old_names_of_arguments_is_read_for_ever(tmp_path):
    kept = DATA / "handgrad2-names.safetensors"
    saved = load_checkpoint(kept, classes=[Every])
    x = np.random.default_rng(5).normal(size=(2, 48))
    y = saved.network.predict(x)
    np.testing.assert_allclose(y, saved.info["y"], rtol=1e-5, atol=1e-6)
    header = kept.read_bytes().decode(errors="replace").replace('\\"', '"')
    old = {(type(layer).__name__, name) for layer in saved.network.layers
           for name in RENAMED[type(layer).__name__]}  # fmt: skip
    missing = {(layer, name) for layer, name in old if f'"{name}":' not in header}
    assert missing == {("NegativeSampling", "size")}
    assert {layer for layer, _ in old} == RENAMED.keys() - {"CosineSimilarity"}
    again = load(save(saved.network, tmp_path / "m"), classes=[Every])
    np.testing.assert_array_equal(again.predict(x), y)


def test_specifications_come_back_and_must_fit(rng, tmp_path):
    network, x = Sequential(Affine(2)), rng.normal(size=(3, 4))
    network.forward(x)
    takes = InputSpec((4,), columns=("a", "b", "c", "d"), target="t", mean=1.0, scale=2.0)
    gives = OutputSpec("scores", ("cat", "dog"))
    saved = load_checkpoint(save(network, tmp_path / "m", input=takes, output=gives))
    assert (saved.input, saved.output, saved.format) == (takes, gives, "handgrad 2")
    assert saved.library == handgrad.__version__
    np.testing.assert_array_equal(saved.predict(x), network.predict((x - 1) / 2))
    short = load_checkpoint(save(network, tmp_path / "m", input=x, output=["cat", "dog"]))
    assert (short.input, short.output) == (InputSpec((4,), "float64"), gives)
    with pytest.raises(ValueError, match=r"does not take samples of shape \(5,\)"):
        save(network, tmp_path / "n", input=InputSpec((5,)))
    with pytest.raises(ValueError, match="the output has 2 columns, .* but 3 names"):
        save(network, tmp_path / "n", input=takes, output=["a", "b", "c"])
    with pytest.raises(ValueError, match=r"info.a\[0\] cannot be saved: set is not plain data"):
        save(network, tmp_path / "n", info={"a": [{1}]})
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


def test_any_nesting_of_arrays_in_the_training_comes_back(tmp_path):
    state = {
        "a/b": [np.arange(3), {"c": np.ones((2, 2), ">f4")}],
        "n": np.float32(2),
        "t": (1, None),
    }
    again = load_checkpoint(save(Sequential(), tmp_path / "m", training=state)).training
    np.testing.assert_array_equal(again["a/b"][0], np.arange(3))
    np.testing.assert_array_equal(again["a/b"][1]["c"], np.ones((2, 2)))
    assert (again["n"], again["t"]) == (2.0, [1, None])


def test_arguments_of_old_files_keep_their_meaning():
    old = {"class": "NegativeSampling", "config": {"counts": [3, 2, 1], "size": 2, "power": 0.5}}
    assert construct(old).negatives == 2
    assert (
        construct({"class": "CosineSimilarity", "config": {"axis": 0, "epsilon": 0.5}}).eps == 0.5
    )
    for name, arguments in RENAMED.items():
        taken = inspect.signature(getattr(handgrad, name)).parameters
        assert set(arguments.values()) <= set(taken)
        assert not set(arguments) & set(taken)
