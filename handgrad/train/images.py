"""MNIST and Fashion-MNIST in their original IDX files, from a folder or a download."""

from __future__ import annotations

import hashlib
import os
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handgrad.arrays import Array
from handgrad.train.files import PathLike, read_idx
from handgrad.train.write import write_whole

Pair = tuple[Array, Array]


@dataclass(frozen=True)
class Source:
    """Where a data set comes from: its name, which is its folder's too, its mirrors and files."""

    name: str
    mirrors: tuple[str, ...]
    sha256: dict[str, str]


MNIST = Source(
    name="mnist",
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ),
    sha256={
        "train-images-idx3-ubyte.gz": (
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"
        ),
        "train-labels-idx1-ubyte.gz": (
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"
        ),
        "t10k-images-idx3-ubyte.gz": (
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"
        ),
        "t10k-labels-idx1-ubyte.gz": (
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"
        ),
    },
)

FASHION = Source(
    name="fashion-mnist",
    mirrors=(
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    sha256={
        "train-images-idx3-ubyte.gz": (
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"
        ),
        "train-labels-idx1-ubyte.gz": (
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"
        ),
        "t10k-images-idx3-ubyte.gz": (
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"
        ),
        "t10k-labels-idx1-ubyte.gz": (
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"
        ),
    },
)

FASHION_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip


def mnist(
    folder: PathLike | None = None, *, download: bool = False, images: bool = False
) -> tuple[Pair, Pair]:
    """(x_train, t_train), (x_test, t_test): 60,000 and 10,000 handwritten digits of 28×28.

    Shapes: x float32 (N, 784) in [0, 1], or (N, 1, 28, 28) with images=True; t (N,) in 0…9.
    folder: where the four IDX files lie, or a folder with them in `mnist/`; by default that
    of the environment variable HANDGRAD_DATA, else ~/.cache/handgrad. download=True fetches
    the files that are missing there, and checks their SHA-256.

    Source: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document
    recognition", 1998.
    """
    return load(MNIST, folder, download, images)


def fashion_mnist(
    folder: PathLike | None = None, *, download: bool = False, images: bool = False
) -> tuple[Pair, Pair]:
    """(x_train, t_train), (x_test, t_test): pictures of clothes in ten classes, as `mnist`.

    The folder has the files themselves or has them in `fashion-mnist/`.

    Source: Xiao, Rasul, Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking
    machine learning algorithms", 2017.
    """
    return load(FASHION, folder, download, images)


def load(
    source: Source, folder: PathLike | None, download: bool, images: bool
) -> tuple[Pair, Pair]:
    """Both parts of a data set, from its files."""
    root = find(source, data_folder(folder))
    missing = [name for name in source.sha256 if not (root / name).exists()]
    if missing and not download:
        raise FileNotFoundError(
            f"{source.name}: {root} lacks {', '.join(missing)}; put the files there, name "
            "their folder (folder=, --data-dir, HANDGRAD_DATA), or let them be fetched "
            "(download=True, --download)"
        )
    for name in missing:
        fetch(source, name, root / name)
    train, test = (read_part(source, root, part, images) for part in ("train", "t10k"))
    return train, test


def data_folder(folder: PathLike | None = None) -> Path:
    """The folder of data sets: the one given, HANDGRAD_DATA, or the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "handgrad"
    return Path(folder or os.environ.get("HANDGRAD_DATA") or cache).expanduser()


def find(source: Source, folder: Path) -> Path:
    """The folder itself if the files lie in it, else its subfolder of the data set's name."""
    here = (folder / next(iter(source.sha256))).exists()
    return folder if here else folder / source.name


def read_part(source: Source, root: Path, part: str, images: bool) -> Pair:
    """Pictures and labels of one part, checked to belong together and to this source."""
    picture_file = root / f"{part}-images-idx3-ubyte.gz"
    label_file = root / f"{part}-labels-idx1-ubyte.gz"
    x, t = read_idx(picture_file), read_idx(label_file)
    if x.ndim != 3 or x.dtype != np.uint8:
        raise ValueError(f"{picture_file}: holds {x.dtype} {x.shape}, not pictures (N, H, W)")
    if t.shape != x.shape[:1] or t.max(initial=0) > 9:
        raise ValueError(f"{label_file}: holds {t.shape} labels, not {len(x)} from 0 to 9")
    digest = sha256_of(label_file.read_bytes())
    for other in (MNIST, FASHION):
        if other is not source and digest in other.sha256.values():
            raise ValueError(f"{label_file}: this is the file of {other.name}, not {source.name}")
    pixels = x.astype(np.float32) / np.float32(255)
    shape = (len(x), 1, *x.shape[1:]) if images else (len(x), -1)
    return pixels.reshape(shape), t.astype(np.int64)


def sha256_of(data: bytes) -> str:
    """The SHA-256 of some bytes, in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def fetch(source: Source, name: str, path: Path) -> None:
    """Download one file from the first mirror that has it right; write it beside, and rename.

    Raises ConnectionError with what each mirror said.
    """
    failures = []
    for mirror in source.mirrors:
        try:
            with urllib.request.urlopen(mirror + name, timeout=30) as response:
                data = response.read()
        except OSError as error:
            failures.append(f"{mirror}: {getattr(error, 'reason', error)}")
            continue
        if sha256_of(data) == source.sha256[name]:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, data)
            return
        failures.append(f"{mirror}: another file, by its SHA-256")
    raise ConnectionError(
        f"{source.name}: no mirror gave {name} ({'; '.join(failures)}); "
        f"put the file into {path.parent} by hand"
    )
