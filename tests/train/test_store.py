"""Large data on disk: the same numbers as in memory, of which memory holds what is used."""

from __future__ import annotations

import datetime
import decimal

import numpy as np
import pytest

import handgrad as hg
from handgrad.train import store
from handgrad.train.data import split
from handgrad.train.loading import load_data
from handgrad.train.npz import read_npz
from handgrad.train.tables.frames import from_frame


@pytest.fixture
def small(monkeypatch):
    """A few hundred bytes are too many for memory."""
    monkeypatch.setattr(store, "HELD", 300)
    monkeypatch.setattr(store, "AT_ONCE", 1000)


def on_disk(array):
    while isinstance(array, np.ndarray) and not isinstance(array, np.memmap):
        array = array.base
    return isinstance(array, np.memmap)


def saved(path, rng, packed=False, n=200):
    x = rng.normal(size=(n, 5)).astype(np.float32)
    arrays = {"x": x, "t": (x[:, 0] > 0).astype(np.int64), "order": np.asfortranarray(x)}
    (np.savez_compressed if packed else np.savez)(path, **arrays)
    return arrays


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("packed", [False, True])
def test_large_arrays_of_npz_files_lie_on_disk(packed, tmp_path, rng):
    arrays = saved(tmp_path / "d.npz", rng, packed)
    for name, array in read_npz(tmp_path / "d.npz").items():
        np.testing.assert_array_equal(array, arrays[name])
        assert array.dtype == arrays[name].dtype
        assert array.flags.f_contiguous == arrays[name].flags.f_contiguous
        assert on_disk(array)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("packed", [False, True])
def test_a_large_array_that_is_damaged_is_refused(packed, tmp_path, rng):
    saved(tmp_path / "d.npz", rng, packed)
    content = bytearray((tmp_path / "d.npz").read_bytes())
    for at in (1000, 2000, 3500):
        changed = content.copy()
        changed[at] ^= 8
        (tmp_path / "d.npz").write_bytes(changed)
        with pytest.raises(ValueError, match=r"d.npz: not an npz file of arrays, or damaged"):
            read_npz(tmp_path / "d.npz")


def trained(path):
    data = load_data(path)
    layers = hg.Standardize.of(data.x_train), hg.Affine(4), hg.ReLU(), hg.Affine(2)
    network = hg.Sequential(*layers, seed=0)
    held = data.x_test, data.t_test
    trainer = hg.Trainer(network, data.x_train, data.t_train, epochs=2, validation=held,
                         progress=False)  # fmt: skip
    trainer.run()
    return trainer, trainer.history.columns["val_loss"]


def test_training_on_disk_is_training_in_memory_to_the_bit(tmp_path, rng, request):
    saved(tmp_path / "d.npz", rng)
    inside, losses = trained(tmp_path / "d.npz")
    assert not on_disk(inside.x)
    request.getfixturevalue("small")
    outside, others = trained(tmp_path / "d.npz")
    assert on_disk(outside.x)
    assert losses == others
    np.testing.assert_array_equal(inside.network.parameters, outside.network.parameters)


@pytest.mark.usefixtures("small")
def test_a_mapped_array_is_trained_on_where_it_lies(tmp_path, rng):
    arrays = saved(tmp_path / "d.npz", rng)
    np.save(tmp_path / "x.npy", arrays["x"])
    np.save(tmp_path / "wide.npy", arrays["x"].astype(np.float64))
    network = hg.Sequential(hg.Affine(2), seed=0)
    mapped, wide = (np.load(tmp_path / f"{n}.npy", mmap_mode="r") for n in ("x", "wide"))
    assert np.shares_memory(hg.Trainer(network, mapped, arrays["t"]).x, mapped)
    fitting = hg.Trainer(network, wide, arrays["t"]).x
    assert on_disk(fitting)
    np.testing.assert_array_equal(fitting, arrays["x"])
    for part, wanted in zip(split(mapped, arrays["t"]), split(arrays["x"], arrays["t"])):
        np.testing.assert_array_equal(part, wanted)


@pytest.mark.usefixtures("small")
def test_what_was_changed_in_memory_alone_is_kept(tmp_path, rng):
    saved(tmp_path / "d.npz", rng)
    np.save(tmp_path / "x.npy", np.ones((500, 4)))
    mine = np.load(tmp_path / "x.npy", mmap_mode="c")
    mine[7] = 5
    store.leave(mine)
    assert store.brought(mine, np.float32)[7].tolist() == [5] * 4
    assert mine[7].tolist() == [5] * 4


@pytest.mark.usefixtures("small")
def test_batches_of_a_parquet_file_are_what_the_whole_is(tmp_path, monkeypatch, rng):
    pa = pytest.importorskip("pyarrow", reason="Parquet is read by pyarrow")
    parquet, arrow = pytest.importorskip("pyarrow.parquet"), "handgrad.train.tables.arrow"
    n, day = 150, datetime.datetime(2020, 1, 1)
    table = pa.table({
        "i": pa.array([None if k % 9 == 0 else k for k in range(n)], pa.int64()),
        "f": [np.inf if k in (3, 140) else k / 3 for k in range(n)],
        "s": [None if k < 90 else f"w{k % 5}" for k in range(n)],
        "d": [day.date() + datetime.timedelta(k) for k in range(n)],
        "at": [day + datetime.timedelta(hours=k) for k in range(n)],
        "b": [bool(k % 2) for k in range(n)], "c": [decimal.Decimal(k) / 4 for k in range(n)],
        "w": [str(k % 7) for k in range(n)], "none": pa.nulls(n),
        "cat": pa.array([f"c{k % 3}" for k in range(n)]).dictionary_encode(),
    })  # fmt: skip
    parquet.write_table(table, tmp_path / "t.parquet", row_group_size=40)
    monkeypatch.setattr(f"{arrow}.SOME", 32)
    from handgrad.train.tables.arrow import read_arrow

    found, whole = read_arrow(tmp_path / "t.parquet"), from_frame(table)
    assert found.rows == n
    assert on_disk(found.columns[1].values)
    for column, wanted in zip(found.columns, whole.columns, strict=True):
        for name, value in vars(wanted).items():
            np.testing.assert_array_equal(getattr(column, name), value, err_msg=wanted.name)
