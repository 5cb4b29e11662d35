"""Tables that are larger than memory should hold: their columns on disk, the same numbers."""

from __future__ import annotations

import errno
import mmap
import os

import numpy as np
import pytest

from handgrad import Adam, Affine, Sequential, fit
from handgrad.train import load_checkpoint, save, store
from handgrad.train.tables import read_table, spec


def base_of(array):
    while isinstance(array, np.ndarray):
        array = array.base
    return array


@pytest.fixture
def file(tmp_path, rng):
    path = tmp_path / "data.csv"
    lines = ["a,b,word,y"]
    for i in range(600):
        word = "" if i % 50 == 0 else f"w{rng.integers(9)}"
        lines.append(f"{rng.normal():.4f},{rng.normal():.4f},{word},{i % 2}")
    path.write_text("\n".join(lines))
    return path


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="columns stay in memory there")
def test_columns_on_disk_are_those_in_memory(file, monkeypatch):
    plain = read_table(file).split()
    monkeypatch.setattr(store, "HELD", 0)
    monkeypatch.setattr(spec, "SOME", 100)
    table = read_table(file)
    assert isinstance(base_of(table.frame.columns[0].values), mmap.mmap)
    assert isinstance(base_of(table.frame.columns[2].codes), mmap.mmap)
    data = table.split()
    assert isinstance(base_of(data.x_train), mmap.mmap)
    np.testing.assert_array_equal(data.x_train, plain.x_train)
    np.testing.assert_array_equal(data.x_test, plain.x_test)
    assert data.table == plain.table


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="columns stay in memory there")
def test_a_full_disk_is_told_of(file, monkeypatch):
    def full(number, start, size):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store, "HELD", 0)
    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left on device.*set TMPDIR"):
        read_table(file)


@pytest.fixture
def towns(tmp_path, rng):
    """Prices that depend on one of 90 towns, and on a size."""
    level = rng.normal(size=90)
    town, size = rng.integers(0, 90, 900), rng.normal(size=900)
    lines = [f"town{i},{s:.3f},{100 * level[i] + 20 * s:.2f}" for i, s in zip(town, size)]
    path = tmp_path / "towns.csv"
    path.write_text("\n".join(["town,size,price", *lines, ",1.0,3.5"]))
    return path


def test_many_categories_are_embedded_where_that_is_asked(towns, tmp_path):
    plain = read_table(towns).split()
    assert "one-hot: 64 + other + missing" in read_table(towns).show(plain.table)
    table = read_table(towns, embed_many=True)
    data = table.split()
    assert "embedded: 90 + other + missing" in table.show(data.table)
    assert data.columns == ("town (code)", "size")
    assert data.table.codes() == {0: 92}
    errors = []
    for found, first in ((plain, []), (data, [data.table.embedding()])):
        network = Sequential(*first, Affine(1), seed=0)
        history = fit(network, found.x_train, found.t_train, epochs=60, optimizer=Adam(0.01),
                      validation=(found.x_test, found.t_test))  # fmt: skip
        errors.append(history["val_loss"][-1])
    assert errors[1] < 0.2 * errors[0]
    path = tmp_path / "m.safetensors"
    save(network, path, input=data.input, output=data.output, table=data.table)
    saved = load_checkpoint(path)
    assert saved.table == data.table
    y = saved.predict({"size": [0.5, 0.5, 0.5], "town": ["town1", "new", ""]})
    assert len({round(float(v), 6) for v in y[:, 0]}) == 3  # unseen and missing have their own
    with pytest.raises(ValueError, match="need a ColumnEmbedding in the network, as table.embedd"):
        save(Sequential(Affine(1)).build(data.x_train), path, input=data.input, table=data.table)


def test_some_categories_are_embedded_by_name(towns):
    data = read_table(towns, embed=["town"], target="price").split()
    assert data.table.encoders[0].kind == "many categories"
    notes = spec.Notes()
    frame = read_table({"town": ["new", "town2", ""], "size": [1, 2, 3], "price": [1, 2, 3]}).frame
    codes = data.table.inputs(frame, notes=notes)[:, 0]
    assert (codes[0], codes[2]) == (0, 1)
    assert codes[1] > 1
    assert notes.lines() == ["column 'town': 1 cell unlike any in training ('new')"]
