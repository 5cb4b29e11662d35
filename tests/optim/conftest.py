"""A stand-in for a network."""

import numpy as np
import pytest

SHAPES = {"W1": (4, 3), "b1": (3,), "W2": (3, 2), "b2": (2,)}


class Flat:
    """What an optimizer sees of a network: flat parameters, gradients, and their layout."""

    def __init__(self, dtype=np.float64, seed=0, shapes=SHAPES):
        self.rng = np.random.default_rng(seed)
        self.layout, size = [], 0
        for path, shape in shapes.items():
            stop = size + int(np.prod(shape))
            self.layout.append((path, size, stop, shape))
            size = stop
        self.parameters = self.rng.normal(size=size).astype(dtype)
        self.gradients = np.zeros(size, dtype)
        self.frozen = ()

    def draw(self):
        self.gradients[:] = self.rng.normal(size=self.gradients.size)
        return self

    def dicts(self):
        """Copies of the parameters and gradients as the dicts of the functional form."""
        return tuple(
            {path: flat[i:j].reshape(shape).copy() for path, i, j, shape in self.layout}
            for flat in (self.parameters, self.gradients)
        )

    def part(self, path):
        return next(self.parameters[i:j] for name, i, j, _ in self.layout if name == path)


@pytest.fixture
def flat():
    """The class Flat: `flat(dtype)` makes a network of two affine layers, `shapes=` another."""
    return Flat
