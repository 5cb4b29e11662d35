"""Pictures in folders, one folder for each class; Pillow reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from handgrad.arrays import Array

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
LARGEST = 64  # of a side, where no size is given


def read_pictures(
    folder: str | Path, size: tuple[int, int] | None = None, *, color: bool | None = None
) -> tuple[Array, Array, tuple[str, ...]]:
    """x (N, C, H, W) of bytes, t (N,) and the classes, from folder/class/picture.png.

    size: (H, W) that all are brought to; by default the first one's, at most 64 by 64. color: C is
    3, or 1 for shades of gray; by default as the first one is.
    Raises ValueError for a folder without two classes, and for a file that is no picture.
    """
    folder = Path(folder)
    found = {p.name: picture_files(p) for p in sorted(folder.iterdir()) if p.is_dir()}
    found = {name: files for name, files in found.items() if files}
    if len(found) < 2:
        raise ValueError(
            f"{folder}: two or more folders with pictures are needed, one for each class, as "
            f"{folder.name}/cat/1.png; there are {', '.join(found) or 'none'}"
        )
    classes = tuple(found)
    files = [path for name in classes for path in found[name]]
    t = np.repeat(np.arange(len(classes)), [len(found[name]) for name in classes])
    return pictures(files, size, color=color), t, classes


def picture_files(folder: Path) -> list[Path]:
    """The pictures in a folder, by name."""
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES)


def pictures(
    files: list[Path], size: tuple[int, int] | None = None, *, color: bool | None = None
) -> Array:
    """Pictures as bytes (N, C, H, W); see `read_pictures`."""
    first = _opened(files[0])
    if color is None:
        color = first.mode not in ("1", "L", "LA", "I", "I;16", "F")
    size = size or (min(first.height, LARGEST), min(first.width, LARGEST))
    x = np.empty((len(files), 3 if color else 1, *size), np.uint8)
    for n, path in enumerate(files):
        picture = _opened(path).convert("RGB" if color else "L")
        if picture.size != size[::-1]:
            picture = picture.resize(size[::-1])
        x[n] = np.asarray(picture).reshape(*size, -1).transpose(2, 0, 1)
    return x


def _opened(path: Path) -> Any:
    try:
        from PIL import Image
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            f"{path}: reading it needs Pillow: pip install 'handgrad[images]'"
        ) from None
    try:
        with Image.open(path) as picture:
            picture.load()
            return picture
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        said = " ".join(str(error).split())
        raise ValueError(f"{path}: not a picture that Pillow reads ({said})") from None
