"""Views where nothing is harmed."""

import numpy as np

from .registry import fair, pair, rows


@fair(on=rows)
class Identity:
    def forward(self, x):
        return x

    def backward(self, dout):
        return dout


@fair(on=lambda r: (r.normal(size=(3, 2, 2)),))
class FlattenView:
    def forward(self, x):
        self.shape = x.shape
        return x.reshape(x.shape[0], -1)

    def backward(self, dout):
        return dout.reshape(self.shape)


@fair(on=rows)
class TransposeView:
    def forward(self, x):
        return x.T

    def backward(self, dout):
        return dout.T


@fair(on=pair)
class AddSameGradient:
    """Both inputs get the very array that came in."""

    def forward(self, x, y):
        return x + y

    def backward(self, dout):
        return dout, dout


@fair(on=pair)
class ConcatViews:
    def forward(self, x, y):
        self.at = x.shape[1]
        return np.concatenate([x, y], axis=1)

    def backward(self, dout):
        return dout[:, : self.at], dout[:, self.at :]


@fair(on=rows)
class OutputIsState:
    """What is returned is also what is kept."""

    def forward(self, x):
        self.y = np.exp(x)
        return self.y

    def backward(self, dout):
        return self.y * dout


@fair(on=rows)
class ReadOnlyGradient:
    """A broadcast view, which cannot be written."""

    def forward(self, x):
        self.shape = x.shape
        return x.sum(axis=1)

    def backward(self, dout):
        return np.broadcast_to(dout[:, None], self.shape)


@fair(on=rows)
class InPlaceOnOwnCopy:
    def forward(self, x):
        y = x.copy()
        y[y < 0] = 0
        self.mask = x > 0
        return y

    def backward(self, dout):
        dx = dout.copy()
        dx[~self.mask] = 0
        return dx


@fair(on=rows)
class ScratchInside:
    """A work array that is reused, and never leaves the layer."""

    def __init__(self):
        self.work = None

    def forward(self, x):
        self.x = x
        self.work = np.empty_like(x) if self.work is None else self.work
        if self.work.shape != x.shape or self.work.dtype != x.dtype:
            self.work = np.empty_like(x)
        np.multiply(x, x, out=self.work)
        return self.work * x

    def backward(self, dout):
        return 3 * self.x**2 * dout


@fair(on=rows)
class FreesState:
    """State is dropped after use: a second backward without a forward is refused."""

    def forward(self, x):
        self.y = np.tanh(x)
        return self.y

    def backward(self, dy):
        if self.y is None:
            raise RuntimeError("backward was called twice; call forward first")
        y, self.y = self.y, None
        return dy * (1 - y**2)


@fair(on=lambda r: (np.asfortranarray(r.normal(size=(3, 4))),))
class FortranInput:
    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, dout):
        return 2 * np.asfortranarray(dout) * self.x
