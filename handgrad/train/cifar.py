"""CIFAR-10 in its binary form, from a folder or the archive; no pickle is read."""

from __future__ import annotations

import tarfile
import zlib
from pathlib import Path

import numpy as np

from handgrad.arrays import Array
from handgrad.train.files import PathLike
from handgrad.train.images import Pair, data_folder

ARCHIVE, FOLDER = "cifar-10-binary.tar.gz", "cifar-10-batches-bin"
TRAIN = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
TEST = ("test_batch.bin",)
RECORD = 1 + 3 * 32 * 32  # a label, then red, green and blue, row by row

CIFAR_CLASSES = (
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
)  # fmt: skip


def cifar10(folder: PathLike | None = None) -> tuple[Pair, Pair]:
    """(x_train, t_train), (x_test, t_test): 50,000 and 10,000 colour pictures in ten classes.

    Shapes: x float32 (N, 3, 32, 32) in [0, 1]; t (N,) in 0…9.
    folder: where the six .bin files lie, or a folder with them in `cifar-10-batches-bin/`, or
    with the archive `cifar-10-binary.tar.gz`; by default that of HANDGRAD_DATA, else the cache.
    Raises FileNotFoundError where they are not, ValueError for a file that is cut off.
    Source: Krizhevsky, "Learning multiple layers of features from tiny images", 2009.
    """
    root = data_folder(folder)
    return _part(root, TRAIN), _part(root, TEST)


def _part(root: Path, names: tuple[str, ...]) -> Pair:
    parts = [_records(name, _bytes(root, name)) for name in names]
    records = np.concatenate(parts)
    pixels = records[:, 1:].reshape(-1, 3, 32, 32).astype(np.float32) / np.float32(255)
    return pixels, records[:, 0].astype(np.int64)


def _bytes(root: Path, name: str) -> bytes:
    for path in (root / name, root / FOLDER / name):
        if path.exists():
            return path.read_bytes()
    archive = root / ARCHIVE
    if not archive.exists():
        raise FileNotFoundError(
            f"cifar10: {root} lacks {name}; put the .bin files or {ARCHIVE} there, or name "
            "their folder (folder=, HANDGRAD_DATA)"
        )
    try:
        with tarfile.open(archive) as tar:
            member = tar.extractfile(f"{FOLDER}/{name}")
            return member.read() if member is not None else b""
    except (tarfile.TarError, EOFError, KeyError, OSError, zlib.error) as error:
        raise ValueError(f"{archive}: cut off or another file ({error})") from None


def _records(name: str, data: bytes) -> Array:
    if not data or len(data) % RECORD:
        raise ValueError(f"{name}: {len(data)} bytes are no multiple of a record's {RECORD}")
    records = np.frombuffer(data, np.uint8).reshape(-1, RECORD)
    if records[:, 0].max() > 9:
        raise ValueError(f"{name}: labels must lie from 0 to 9, got {records[:, 0].max()}")
    return records
