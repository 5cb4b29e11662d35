"""PNG: a small picture as the text of a data address, without any other package.

Source: W3C, "Portable Network Graphics (PNG) Specification", third edition, 2025.
"""

from __future__ import annotations

import base64
import struct
import zlib

import numpy as np

from handgrad.arrays import Array

LARGEST = 64  # pixels of a side; larger pictures are thinned out


def png_of(picture: Array) -> str:
    """A picture (C, H, W), C = 1 or 3, as a data address.

    Values in [0, 1], or bytes, are shown as they are; others from the least to the largest. Pixels
    that are not finite are grey.
    """
    step = max(1, -(-max(picture.shape[1:]) // LARGEST))
    x = picture[:, ::step, ::step].astype(np.float64)
    finite = np.isfinite(x)
    low, high = (x[finite].min(), x[finite].max()) if finite.any() else (0.0, 1.0)
    if low >= 0 and high <= 255 and picture.dtype == np.uint8:
        low, high = 0.0, 255.0
    elif low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    scaled = np.where(finite, (x - low) / ((high - low) or 1), 0.5)
    return "data:image/png;base64," + base64.b64encode(encoded(np.rint(scaled * 255))).decode()


def encoded(picture: Array) -> bytes:
    """A PNG file of a picture (C, H, W) of numbers from 0 to 255, C = 1 or 3."""
    c, high, wide = picture.shape
    rows = picture.transpose(1, 2, 0).astype(np.uint8).reshape(high, wide * c)
    filtered = np.hstack([np.zeros((high, 1), np.uint8), rows])  # filter 0: as they are
    header = struct.pack(">IIBBBBB", wide, high, 8, 2 if c == 3 else 0, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(filtered.tobytes(), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(
        ">I", zlib.crc32(kind + content))  # fmt: skip
