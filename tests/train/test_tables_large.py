"""Tables that are larger than memory should hold: their columns on disk, the same numbers."""

from __future__ import annotations

import errno
import mmap
import os

import numpy as np
import pytest

from handgrad.train.tables import read_table, spec, store


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
