"""The second book's three spirals."""

import numpy as np

from handgrad.arrays import Array


def load_data(seed: int = 1984) -> tuple[Array, Array]:
    """Points x (300, 2) and one-hot classes t (300, 3): 100 points on each of three arms."""
    np.random.seed(seed)
    arm, rate = np.repeat(np.arange(3), 100), np.tile(np.arange(100) / 100, 3)
    theta = 4.0 * arm + 4.0 * rate + np.random.randn(300) * 0.2
    x = np.stack([rate * np.sin(theta), rate * np.cos(theta)], axis=1)
    return x, np.eye(3, dtype=np.int32)[arm]
