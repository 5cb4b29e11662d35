"""MNIST and Fashion-MNIST: files in a folder, downloads from stand-in mirrors, the real data."""

import gzip
import hashlib
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from handgrad.train import images
from handgrad.train.images import FASHION, MNIST, fashion_mnist, mnist

REAL = Path(__file__).parents[3] / "shared" / "data" / "mnist"


def idx(array):
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_small(folder, train=5, test=3):
    """The four files with a few random pictures; returns the training ones."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    parts = {}
    for part, n in (("train", train), ("t10k", test)):
        parts[part] = (
            rng.integers(0, 256, size=(n, 28, 28), dtype=np.uint8),
            rng.integers(0, 10, size=n, dtype=np.uint8),
        )
        for array, kind in zip(parts[part], ("images-idx3", "labels-idx1")):
            (folder / f"{part}-{kind}-ubyte.gz").write_bytes(gzip.compress(idx(array)))
    return parts["train"]


@pytest.fixture(autouse=True)
def no_data_of_the_user(monkeypatch, tmp_path):
    monkeypatch.delenv("HANDGRAD_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("way", ["folder", "parent", "environment", "cache"])
def test_folder(tmp_path, monkeypatch, way):
    parent = tmp_path / "cache" / "handgrad" if way == "cache" else tmp_path / "data"
    pixels, labels = write_small(parent / "mnist")
    if way == "environment":
        monkeypatch.setenv("HANDGRAD_DATA", str(parent))
    folder = {"folder": parent / "mnist", "parent": str(parent)}.get(way)
    (x, t), (x_test, t_test) = mnist(folder)
    np.testing.assert_array_equal(x, (pixels / 255).reshape(5, 784).astype(np.float32))
    np.testing.assert_array_equal(t, labels)
    assert (x.dtype, t.dtype) == (np.float32, np.int64)
    assert (x_test.shape, t_test.shape) == ((3, 784), (3,))
    (pictures, _), _ = mnist(folder, images=True)
    np.testing.assert_array_equal(pictures.reshape(5, 784), x)
    assert pictures.shape == (5, 1, 28, 28)


def test_missing_files_are_named_with_the_way_out(tmp_path):
    write_small(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks t10k-labels-idx1-ubyte.gz; put .*HANDGRAD"):
        mnist(tmp_path)
    with pytest.raises(FileNotFoundError, match="fashion-mnist lacks train-images-idx3-ubyte"):
        fashion_mnist(tmp_path / "none")


def test_files_that_do_not_belong_together(tmp_path):
    write_small(tmp_path)
    images_file = tmp_path / "train-images-idx3-ubyte.gz"
    labels_file = tmp_path / "train-labels-idx1-ubyte.gz"
    good = labels_file.read_bytes()
    labels_file.write_bytes(gzip.compress(idx(np.zeros(4, np.uint8))))
    with pytest.raises(ValueError, match=r"train-labels.*holds \(4,\) labels, not 5 from 0 to 9"):
        mnist(tmp_path)
    labels_file.write_bytes(gzip.compress(idx(np.full(5, 10, np.uint8))))
    with pytest.raises(ValueError, match="not 5 from 0 to 9"):
        mnist(tmp_path)
    images_file.write_bytes(good)
    with pytest.raises(ValueError, match=r"train-images.*holds uint8 \(5,\), not pictures"):
        mnist(tmp_path)


def test_the_files_of_the_other_set_are_recognized(tmp_path, monkeypatch):
    write_small(tmp_path)
    name = "train-labels-idx1-ubyte.gz"
    digest = hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
    monkeypatch.setattr(images, "MNIST", replace(MNIST, sha256={name: digest}))
    with pytest.raises(ValueError, match="this is the file of mnist, not fashion-mnist"):
        fashion_mnist(tmp_path)


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """MNIST with small files on two mirrors in folders, the first of which lacks everything."""
    write_small(tmp_path / "mirror")
    digests = {
        name: hashlib.sha256((tmp_path / "mirror" / name).read_bytes()).hexdigest()
        for name in MNIST.sha256
    }
    mirrors = tuple(f"{(tmp_path / name).as_uri()}/" for name in ("empty", "mirror"))
    monkeypatch.setattr(images, "MNIST", replace(MNIST, mirrors=mirrors, sha256=digests))
    return tmp_path


def test_download_goes_on_to_the_next_mirror(stand_in):
    here, there = stand_in / "here" / "mnist", stand_in / "mirror"
    (x, _), _ = mnist(stand_in / "here", download=True)
    assert len(x) == 5
    assert sorted(p.name for p in here.iterdir()) == sorted(p.name for p in there.iterdir())
    for path in there.iterdir():
        path.unlink()
    mnist(stand_in / "here", download=True)


def test_download_that_is_another_file_is_not_kept(stand_in):
    (stand_in / "mirror" / "t10k-labels-idx1-ubyte.gz").write_bytes(b"<html>")
    with pytest.raises(
        ConnectionError, match=r"no mirror gave t10k-labels.*by its SHA-256"
    ) as error:
        mnist(stand_in / "here", download=True)
    assert "put the file into" in str(error.value)
    assert len(list((stand_in / "here" / "mnist").iterdir())) == 3


def test_download_offline_says_what_to_do(stand_in):
    for path in (stand_in / "mirror").iterdir():
        path.unlink()
    with pytest.raises(ConnectionError, match=r"no mirror gave train-images.*by hand") as error:
        mnist(stand_in / "here", download=True)
    assert "\n" not in str(error.value)


def test_checksums_are_whole():
    for source in (MNIST, FASHION):
        assert len(source.sha256) == 4
        assert all(len(bytes.fromhex(digest)) == 32 for digest in source.sha256.values())
    assert not set(MNIST.sha256.values()) & set(FASHION.sha256.values())


@pytest.mark.skipif(not REAL.exists(), reason="the real MNIST is not beside the repository")
def test_real_mnist():
    (x, t), (x_test, t_test) = mnist(REAL)
    assert (x.shape, x_test.shape) == ((60000, 784), (10000, 784))
    assert np.bincount(t).tolist() == TRAIN_COUNTS
    assert np.bincount(t_test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert x.mean() == pytest.approx(0.1307, abs=2e-3)
    for name in ("train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz"):
        digest = hashlib.sha256((REAL / name).read_bytes()).hexdigest()
        assert digest == MNIST.sha256[name]


TRAIN_COUNTS = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
