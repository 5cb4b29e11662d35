"""Correlation, the sum inside a convolution, and its two gradients: each a layer of two arrays.

Each is linear in both of its arrays, and the backward of each is made of the other two; so a
convolution has derivatives of every order. Blocks of images are written out as columns, meet the
filters in a matrix product, and are forgotten: columns are many times larger than images.
"""

from __future__ import annotations

from math import prod

from handgrad.arrays import Array, array_module
from handgrad.layer import Layer
from handgrad.layers.convolution.input_gradient import send_back
from handgrad.layers.convolution.unfold import all_columns, all_rows, blocks, columns
from handgrad.layers.convolution.window import Grid


def channel_sum(dy: Array) -> Array:
    """Σ dy over all axes but the channels: db, because one b was copied to every position."""
    return dy.sum(axis=(0, *range(2, dy.ndim)))


class Bilinear(Layer):
    """Base: a product of two arrays, on a grid; channels are cut into groups."""

    def __init__(self, grid: Grid, groups: int):
        self.grid, self.groups = grid, groups


class Correlate(Bilinear):
    """y[n, f, o] = b[f] + Σ W[f, c, k] · x[n, c, o·stride + k·dilation − pad] over c and k.

    Shapes: x (N, C, *sizes), W (F, C/groups, *kernel), b (F), y (N, F, *outputs).
    Gradient: dx = CorrelateDx of dy and W, dW = CorrelateDW of x and dy, db = Σ dy over all but F.
    """

    def forward(self, x: Array, W: Array, b: Array | float = 0.0) -> Array:
        self.x, self.W = x, W
        xp, each = array_module(x), len(W) // self.groups
        y = xp.empty((len(x), self.groups, each, prod(self.grid.outputs)), x.dtype)
        filters = W.reshape(self.groups, each, -1)
        offset = xp.broadcast_to(xp.asarray(b, x.dtype), len(W)).reshape(self.groups, each, 1)
        for part in blocks(x, self.grid):
            xp.matmul(filters, columns(x[part], self.grid, self.groups), out=y[part])
            y[part] += offset
        return y.reshape(len(x), len(W), *self.grid.outputs)

    def backward(self, dy: Array) -> tuple[Array, Array, Array]:
        on = self.grid, self.groups
        return CorrelateDx(*on)(dy, self.W), CorrelateDW(*on)(self.x, dy), channel_sum(dy)


class CorrelateDx(Bilinear):
    """dx[n, c, o·stride + k·dilation − pad] += W[f, c, k] · dy[n, f, o], summed over f.

    Wᵀ @ dy is what each window sends back; where windows overlap it adds up.
    Shapes: dy (N, F, *outputs), W (F, C/groups, *kernel), dx (N, C, *sizes).
    Gradient: with g that of dx: of dy, Correlate of g and W; of W, CorrelateDW of g and dy.
    """

    def forward(self, dy: Array, W: Array) -> Array:
        self.dy, self.W = dy, W
        channels, each = W.shape[1] * self.groups, len(W) // self.groups
        dx = array_module(dy).empty((len(dy), channels, *self.grid.sizes), dy.dtype)
        send_back(W.reshape(self.groups, each, -1).swapaxes(1, 2), dy, dx, self.grid)
        return dx

    def backward(self, g: Array) -> tuple[Array, Array]:
        options = self.grid, self.groups
        return Correlate(*options)(g, self.W), CorrelateDW(*options)(g, self.dy)


class CorrelateDW(Bilinear):
    """dW[f, c, k] = Σ dy[n, f, o] · x[n, c, o·stride + k·dilation − pad] over n and o.

    Shapes: x (N, C, *sizes), dy (N, F, *outputs), dW (F, C/groups, *kernel).
    Gradient: with g that of dW: of x, CorrelateDx of dy and g; of dy, Correlate of x and g.
    """

    def forward(self, x: Array, dy: Array) -> Array:
        self.x, self.dy = x, dy
        filters, channels = dy.shape[1], x.shape[1] // self.groups
        each, cells = filters // self.groups, channels * prod(self.grid.kernel)
        dW = array_module(x).zeros((self.groups, each, cells), x.dtype)
        for part in blocks(x, self.grid):
            if prod(self.grid.outputs) >= cells:  # image by image: no product is larger than dy
                rows = dy[part].reshape(-1, self.groups, each, prod(self.grid.outputs))
                dW += (rows @ columns(x[part], self.grid, self.groups).swapaxes(2, 3)).sum(axis=0)
            else:
                rows = all_rows(dy[part], self.groups)
                dW += rows @ all_columns(x[part], self.grid, self.groups).swapaxes(1, 2)
        return dW.reshape(filters, channels, *self.grid.kernel)

    def backward(self, g: Array) -> tuple[Array, Array]:
        options = self.grid, self.groups
        return CorrelateDx(*options)(self.dy, g), Correlate(*options)(self.x, g)
