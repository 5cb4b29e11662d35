"""Data sets: the embedded digits, and sets made from a formula and a seed.

Each function returns x (float32) and t: class indices (N,), or values (N, 1) for `sine`. Those of
images (`mnist`, `fashion_mnist`, `cifar10`) give such a pair for training and one for testing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from handgrad.arrays import Array, Stream
from handgrad.naming import names_of

if TYPE_CHECKING:
    from handgrad.train.cifar import cifar10
    from handgrad.train.images import fashion_mnist, mnist

__all__ = [
    "cifar10", "circles", "digits", "fashion_mnist", "gates", "mnist", "moons", "sine", "spiral",
]  # fmt: skip

# What reads archives and speaks to servers is imported when first asked for.
__getattr__, __dir__ = names_of(
    __name__,
    __all__,
    later={
        "handgrad.train.cifar": ("cifar10",),
        "handgrad.train.images": ("fashion_mnist", "mnist"),
    },
)

GATES = {"and": (0, 0, 0, 1), "or": (0, 1, 1, 1), "nand": (1, 1, 1, 0), "xor": (0, 1, 1, 0)}


def digits(*, images: bool = False) -> tuple[Array, Array]:
    """1,797 handwritten digits of 8×8 pixels, which come with the package.

    Shapes: x (1797, 64) in [0, 1], or (1797, 1, 8, 8) with images=True; t (1797,) in 0…9.

    Source: Alpaydin, Kaynak, "Optical recognition of handwritten digits", UCI Machine
    Learning Repository, 1998, CC BY 4.0 (see digits.txt).
    """
    with np.load(Path(__file__).with_name("digits.npz"), allow_pickle=False) as file:
        x, t = file["x"], file["t"]
    shape = (len(x), 1, 8, 8) if images else (len(x), 64)
    return x.reshape(shape).astype(np.float32) / np.float32(16), t.astype(np.int64)


def spiral(
    n: int = 100, *, classes: int = 3, noise: float = 0.2, seed: int = 0
) -> tuple[Array, Array]:
    """Interleaved arms of a spiral, n points to each class: no straight line divides them.

    Radius r from 0 to 1 along an arm, angle 4(r + class) plus noise. Shapes: x (n·classes, 2).
    """
    check_points("spiral", n)
    t = np.repeat(np.arange(classes), n)
    r = np.tile(np.arange(n) / n, classes)
    angle = 4 * (r + t) + noise * Stream(seed).generator().standard_normal(n * classes)
    return as_points(r * np.sin(angle), r * np.cos(angle)), t


def moons(n: int = 200, *, noise: float = 0.1, seed: int = 0) -> tuple[Array, Array]:
    """Two half circles that reach into each other. Shapes: x (n, 2), t (n,) of 0 and 1."""
    check_points("moons", n)
    t = np.arange(n) % 2
    angle = np.pi * np.arange(n) / n
    x = np.where(t == 0, np.cos(angle), 1 - np.cos(angle))
    y = np.where(t == 0, np.sin(angle), 0.5 - np.sin(angle))
    return with_noise(as_points(x, y), noise, seed), t


def circles(n: int = 200, *, noise: float = 0.05, seed: int = 0) -> tuple[Array, Array]:
    """A circle of radius 0.5 in one of radius 1. Shapes: x (n, 2), t (n,): 1 is the inner."""
    check_points("circles", n)
    t = np.arange(n) % 2
    angle, r = 2 * np.pi * np.arange(n) / n, np.where(t == 0, 1.0, 0.5)
    return with_noise(as_points(r * np.cos(angle), r * np.sin(angle)), noise, seed), t


def gates(name: str = "xor") -> tuple[Array, Array]:
    """The truth table of a logic gate: "and", "or", "nand" or "xor". Shapes: x (4, 2), t (4,)."""
    if name not in GATES:
        raise ValueError(f"gates: the gate must be one of {', '.join(GATES)}; got {name!r}")
    x = np.array([(0, 0), (0, 1), (1, 0), (1, 1)], dtype=np.float32)
    return x, np.array(GATES[name])


def sine(n: int = 200, *, noise: float = 0.1, seed: int = 0) -> tuple[Array, Array]:
    """t = sin x plus noise at n random x in [-π, π]. Shapes: x and t (n, 1)."""
    check_points("sine", n)
    random = Stream(seed).generator()
    x = random.uniform(-np.pi, np.pi, size=(n, 1))
    t = np.sin(x) + noise * random.standard_normal((n, 1))
    return x.astype(np.float32), t.astype(np.float32)


def as_points(x: Array, y: Array) -> Array:
    """Two columns as float32 points (N, 2)."""
    return np.stack([x, y], axis=1).astype(np.float32)


def with_noise(points: Array, noise: float, seed: int) -> Array:
    """The points, each moved by normal noise."""
    moved = points + noise * Stream(seed).generator().standard_normal(points.shape)
    return moved.astype(np.float32)


def check_points(name: str, n: int) -> None:
    """ValueError for a number of points that makes no data set."""
    if n < 1:
        raise ValueError(f"{name}: n must be an integer of at least 1, got {n}")
