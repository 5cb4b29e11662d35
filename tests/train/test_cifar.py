"""The CIFAR-10 reader, on small files in its form."""

from __future__ import annotations

import tarfile

import numpy as np
import pytest

from handgrad.train.cifar import ARCHIVE, FOLDER, RECORD, TEST, TRAIN, cifar10


@pytest.fixture
def folder(tmp_path, rng):
    folder = tmp_path / FOLDER
    folder.mkdir()
    for name in (*TRAIN, *TEST):
        records = rng.integers(0, 256, (3, RECORD), np.uint8)
        records[:, 0] %= 10
        (folder / name).write_bytes(records.tobytes())
    return tmp_path


def test_folder_and_archive_give_the_same(folder, tmp_path_factory):
    (x, t), (x_test, t_test) = cifar10(folder)
    assert (x.shape, t.shape, x_test.shape) == ((15, 3, 32, 32), (15,), (3, 3, 32, 32))
    assert x.dtype == np.float32
    raw = np.frombuffer((folder / FOLDER / TRAIN[0]).read_bytes(), np.uint8).reshape(3, -1)
    assert x[1, 2, 5, 7] == np.float32(raw[1, 1 + 2 * 1024 + 5 * 32 + 7]) / np.float32(255)
    packed = tmp_path_factory.mktemp("packed")
    with tarfile.open(packed / ARCHIVE, "w:gz") as tar:
        tar.add(folder / FOLDER, FOLDER)
    np.testing.assert_array_equal(cifar10(packed)[1][1], t_test)
    np.testing.assert_array_equal(cifar10(packed)[0][0], x)


def test_clear_errors(folder, tmp_path_factory):
    broken = folder / FOLDER / TRAIN[2]
    broken.write_bytes(broken.read_bytes()[:-1])
    with pytest.raises(
        ValueError, match="data_batch_3.bin: 9218 bytes are no multiple of a record's 3073"
    ):
        cifar10(folder)
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(FileNotFoundError, match="lacks data_batch_1.bin"):
        cifar10(empty)
    (empty / ARCHIVE).write_bytes(b"not an archive")
    with pytest.raises(ValueError, match="cut off or another file"):
        cifar10(empty)
