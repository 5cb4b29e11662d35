"""Spoilt files of weights and models: each read or refused in one line, none for long."""

from __future__ import annotations

import io
import pickle
import zipfile

import numpy as np
import pytest

from handgrad.interop.torch import read_pt
from handgrad.train.npz import read_npz
from tests.interop.file_fuzz import read_all

PARTNERS = {"pt": "torch", "keras": "h5py", "h5": "h5py"}


@pytest.mark.parametrize("kind", ["safetensors", "npz", "pt", "keras", "h5"])
def test_spoilt_files_are_read_or_refused(kind):
    if kind in PARTNERS:
        pytest.importorskip(PARTNERS[kind], reason=f".{kind} files are its own")
    good, _ = read_all(kind, 150, 7)
    assert 0 < good < 150


@pytest.mark.parametrize("number", [2**31 - 1, 10**6])
def test_a_pickle_that_keeps_values_under_large_numbers_is_refused(number, tmp_path):
    put = pickle.LONG_BINPUT + number.to_bytes(4, "little")
    with zipfile.ZipFile(tmp_path / "m.pt", "w") as archive:
        archive.writestr("m/data.pkl", pickle.PROTO + b"\x02" + pickle.EMPTY_DICT + put + b".")
    with pytest.raises(ValueError, match=f"keeps a value under the number {number}"):
        read_pt(tmp_path / "m.pt")


def test_headers_of_python_2_and_odd_literals_are_read_without_a_warning(tmp_path):
    memory = io.BytesIO()
    np.save(memory, np.arange(3.0))
    data = memory.getvalue()
    for odd, read in ((b"(3L,)", True), (b"(3or\\d,)", False)):
        with zipfile.ZipFile(tmp_path / "w.npz", "w") as archive:
            archive.writestr("a.npy", data.replace(b"(3,)", odd).replace(b" ", b"", len(odd) - 4))
        if read:
            np.testing.assert_array_equal(read_npz(tmp_path / "w.npz")["a"], np.arange(3.0))
        else:
            with pytest.raises(ValueError, match="'a' is no array"):
                read_npz(tmp_path / "w.npz")
