"""Model files: whole, checked, harmless."""

from __future__ import annotations

import inspect
import json
import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import handgrad
from handgrad import (
    Affine,
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
from handgrad.layers import samples
from handgrad.layers.renamed import RENAMED
from handgrad.layers.standardize import Standardize
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
