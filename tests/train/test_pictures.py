"""Pictures in folders, and windows over a series."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from handgrad.train import read_pictures, windows
from handgrad.train.loading import load_data

from ..test_cli import run  # noqa: F401

Image = pytest.importorskip("PIL.Image", reason="pictures are read by Pillow")


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    for name, level in (("dark", 60), ("light", 190)):
        (tmp_path / "shots" / name).mkdir(parents=True)
        for i in range(20):
            x = rng.integers(level - 50, level + 50, (6, 5, 3), dtype=np.uint8)
            Image.fromarray(x).save(tmp_path / "shots" / name / f"{i:02}.png")
    return tmp_path / "shots"


def test_pictures_and_their_classes(folder):
    x, t, classes = read_pictures(folder)
    assert (x.shape, x.dtype, classes) == ((40, 3, 6, 5), np.uint8, ("dark", "light"))
    np.testing.assert_array_equal(t, np.repeat([0, 1], 20))
    one = np.asarray(Image.open(folder / "light" / "03.png"))
    np.testing.assert_array_equal(x[23], one.transpose(2, 0, 1))
    assert read_pictures(folder, (4, 4), color=False)[0].shape == (40, 1, 4, 4)
    assert load_data(folder).input.scale == 255


def test_the_command_takes_folders(run, folder):  # noqa: F811
    run("train", "--data", folder, "--epochs", 15, "--no-proof", "--lr", 0.01)
    said = run("predict", "out/model.safetensors", folder / "light").splitlines()
    assert said[0] == "picture,class,probability"
    assert said[1].startswith("00.png,light,")
    assert len(said) == 21
    assert "there are no pictures in it" in run("predict", "out/model.safetensors", folder, code=2)


def test_what_is_no_folder_of_pictures(folder, monkeypatch):
    (folder / "dark" / "00.png").write_bytes(b"\x89PNG no more")
    with pytest.raises(ValueError, match=r"dark/00.png: not a picture that Pillow reads"):
        read_pictures(folder)
    with pytest.raises(ValueError, match="dark: two or more folders .* as dark/cat/1.png; there"):
        read_pictures(folder / "dark")
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(
        ModuleNotFoundError, match=r"needs Pillow: pip install 'handgrad\[images\]'"
    ):
        read_pictures(folder)


def test_windows_and_what_comes_after():
    x, t = windows(np.arange(8.0), 3)
    assert x[:, :, 0].tolist() == [[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5], [4, 5, 6]]
    assert t.tolist() == [[3], [4], [5], [6], [7]]
    series = np.stack([np.arange(10), np.arange(10) ** 2], axis=1)
    x, t = windows(series, 4, horizon=2, step=3, targets=np.arange(10) / 10)
    assert x.shape == (2, 4, 2)
    assert x[1, :, 1].tolist() == [9, 16, 25, 36]
    assert t.tolist() == [[0.5], [0.8]]
    for arguments, message in (
        (([1.0, 2.0], 2), "a series of 2 is too short for 2 and 1 after them"),
        (([1.0, 2.0], 0), "windows: length: an integer of at least 1"),
        (([1.0, np.nan, 2.0], 1), "windows: series must be finite"),
    ):
        with pytest.raises(ValueError, match=message):
            windows(*arguments)
    with pytest.raises(ValueError, match="targets must be 3, one for each moment, got 2"):
        windows([1.0, 2.0, 3.0], 1, targets=[1.0, 2.0])
