"""Augmentation: pictures changed at random as they enter training, so that a network sees more.

All work on pictures x (N, C, H, W) and keep shape and dtype; what leaves the frame is lost, what
enters it is zero. Each picture draws its own numbers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from handgrad.arrays import Array, ShapeError, Stream

Transform = Callable[[Array, np.random.Generator], Array]

AUGMENT = 2**63 + 1  # the random stream of augmentation


class Augment:
    """Transforms one after the other, drawn from (seed, step) alone.

    `augment(x, step)` changes a batch; `fit(…, augment=Augment(Flip(), Crop(4)))` does so for
    each training batch. Raises ShapeError for x that is not (N, C, H, W).
    """

    def __init__(self, *transforms: Transform, seed: int = 0):
        self.transforms, self.seed = transforms, seed

    def __call__(self, x: Array, step: int = 0) -> Array:
        if x.ndim != 4:
            raise ShapeError(f"Augment: pictures (N, C, H, W) are needed, got shape {x.shape}")
        rng = Stream(self.seed, AUGMENT, step).generator()
        for transform in self.transforms:
            x = transform(x, rng)
        return x


class Flip:
    """Left and right exchanged, with probability `ratio`."""

    def __init__(self, ratio: float = 0.5):
        self.ratio = _between("Flip", "ratio", ratio, 0, 1)

    def __call__(self, x: Array, rng: np.random.Generator) -> Array:
        flipped = rng.random(len(x)) < self.ratio
        return np.where(flipped[:, None, None, None], x[..., ::-1], x)


class Shift:
    """Moved by up to `pixels` whole pixels in both directions."""

    def __init__(self, pixels: int):
        self.pixels = int(_between("Shift", "pixels", pixels, 0, np.inf))

    def __call__(self, x: Array, rng: np.random.Generator) -> Array:
        n, _, height, width = x.shape
        pad = self.pixels
        dy, dx = rng.integers(0, 2 * pad + 1, (2, n))
        padded = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), (2, 3))
        return windows[np.arange(n), :, dy, dx]


class Crop(Shift):
    """A random part of the picture's own size, out of the picture with `pad` zeros around it.

    The same as Shift(pad), under the name used for CIFAR.
    Source: He et al., "Deep residual learning for image recognition", CVPR 2016, section 4.2.
    """

    def __init__(self, pad: int = 4):
        super().__init__(pad)
        self.pad = pad


class Warp:
    """Rotated by up to `degrees` and scaled by a factor from `zoom`, around the middle.

    Every output pixel is read at the position it came from, between its four neighbours (bilinear).
    """

    def __init__(self, degrees: float = 0.0, zoom: tuple[float, float] = (1.0, 1.0)):
        self.degrees = _between("Warp", "degrees", degrees, 0, 180)
        self.zoom = zoom
        self.low, self.high = (_between("Warp", "zoom", z, 1e-3, np.inf) for z in zoom)

    def __call__(self, x: Array, rng: np.random.Generator) -> Array:
        n, _, height, width = x.shape
        angle = np.deg2rad(rng.uniform(-self.degrees, self.degrees, (n, 1, 1)))
        scale = rng.uniform(self.low, self.high, (n, 1, 1))
        cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
        middle_y, middle_x = (height - 1) / 2, (width - 1) / 2
        i = np.arange(height)[:, None] - middle_y
        j = np.arange(width) - middle_x
        return _bilinear(x, cos * i - sin * j + middle_y, sin * i + cos * j + middle_x)


class Rotate(Warp):
    """Rotated by up to `degrees` to either side."""

    def __init__(self, degrees: float):
        super().__init__(degrees)


class Zoom(Warp):
    """Scaled by a factor between low and high."""

    def __init__(self, low: float, high: float):
        super().__init__(zoom=(low, high))


class Brightness:
    """All pixels of a picture plus one number from [−amount, amount]."""

    def __init__(self, amount: float):
        self.amount = _between("Brightness", "amount", amount, 0, np.inf)

    def __call__(self, x: Array, rng: np.random.Generator) -> Array:
        change = rng.uniform(-self.amount, self.amount, (len(x), 1, 1, 1))
        changed: Array = x + change.astype(x.dtype)
        return changed


class Noise:
    """Each pixel plus a number from N(0, std²)."""

    def __init__(self, std: float):
        self.std = _between("Noise", "std", std, 0, np.inf)

    def __call__(self, x: Array, rng: np.random.Generator) -> Array:
        changed: Array = x + (self.std * rng.standard_normal(x.shape)).astype(x.dtype)
        return changed


def _bilinear(x: Array, y_from: Array, x_from: Array) -> Array:
    """x (N, C, H, W) read at real positions (N, H, W); zero outside."""
    _, _, height, width = x.shape
    top, left = np.floor(y_from).astype(int), np.floor(x_from).astype(int)
    result = np.zeros_like(x)
    rows = np.arange(len(x))[:, None, None]
    for i in (0, 1):
        for j in (0, 1):
            y, z = top + i, left + j
            weight = (1 - abs(y_from - y)) * (1 - abs(x_from - z))
            inside = (y >= 0) & (y < height) & (z >= 0) & (z < width)
            read = x[rows, :, np.clip(y, 0, height - 1), np.clip(z, 0, width - 1)]
            result += (read * (weight * inside)[..., None]).transpose(0, 3, 1, 2).astype(x.dtype)
    return result


def _between(name: str, option: str, value: float, low: float, high: float) -> float:
    if not low <= value <= high:
        raise ValueError(f"{name}: {option} must lie from {low:g} to {high:g}, got {value!r}")
    return value
