"""Correlation, the sum inside a convolution, and its two gradients: each a layer of two arrays.

Each is linear in both of its arrays, and the backward of each is made of the other two; so a
convolution has derivatives of every order. Blocks of images are written out as columns, meet the
filters in a matrix product, and are forgotten: columns are many times larger than images. The
products of each image lie where they belong; only dW, a sum over images, wants them side by side.
"""

from __future__ import annotations

from math import prod

from handgrad.arrays import Array, array_module
from handgrad.layer import Layer
from handgrad.layers.columns import all_columns, all_rows, blocks, columns, fold
from handgrad.layers.windows import Grid


class Bilinear(Layer):
    """Base: a product of two arrays, on a grid; channels are cut into groups."""

    def __init__(self, grid: Grid, groups: int):
        self.grid, self.groups = grid, groups


class Correlate(Bilinear):
    """y[n, f, o] = Σ W[f, c, k] · x[n, c, o·stride + k·dilation − pad] over c and k.

    Shapes: x (N, C, *sizes), W (F, C/groups, *kernel), y (N, F, *outputs).
    Gradient: dx = CorrelateDx of dy and W, dW = CorrelateDW of x and dy.
    """

    def forward(self, x: Array, W: Array) -> Array:
        self.x, self.W = x, W
        xp, each = array_module(x), len(W) // self.groups
        y = xp.empty((len(x), self.groups, each, prod(self.grid.outputs)), x.dtype)
        filters = W.reshape(self.groups, each, -1)
        for part in blocks(x, self.grid):
            xp.matmul(filters, columns(x[part], self.grid, self.groups), out=y[part])
        return y.reshape(len(x), len(W), *self.grid.outputs)

    def backward(self, dy: Array) -> tuple[Array, Array]:
        options = self.grid, self.groups
        return CorrelateDx(*options)(dy, self.W), CorrelateDW(*options)(self.x, dy)


class CorrelateDx(Bilinear):
    """dx[n, c, o·stride + k·dilation − pad] += W[f, c, k] · dy[n, f, o], summed over f.

    Wᵀ @ dy is what each window sends back; where windows overlap it adds up.
    Shapes: dy (N, F, *outputs), W (F, C/groups, *kernel), dx (N, C, *sizes).
    Gradient: with g that of dx: of dy, Correlate of g and W; of W, CorrelateDW of g and dy.
    """

    def forward(self, dy: Array, W: Array) -> Array:
        self.dy, self.W = dy, W
        channels, each = W.shape[1] * self.groups, len(W) // self.groups
        dx = array_module(dy).zeros((len(dy), channels, *self.grid.sizes), dy.dtype)
        filters = W.reshape(self.groups, each, -1).swapaxes(1, 2)
        rows = dy.reshape(len(dy), self.groups, each, prod(self.grid.outputs))
        for part in blocks(dx, self.grid):
            cells = filters @ rows[part]
            cells = cells.reshape(-1, channels, *self.grid.kernel, *self.grid.outputs)
            fold(cells, dx[part], self.grid)
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
        matrix = (self.groups, filters // self.groups, channels * prod(self.grid.kernel))
        dW = array_module(x).zeros(matrix, x.dtype)
        for part in blocks(x, self.grid):
            cells = all_columns(x[part], self.grid, self.groups)
            dW += all_rows(dy[part], self.groups) @ cells.swapaxes(1, 2)
        return dW.reshape(filters, channels, *self.grid.kernel)

    def backward(self, g: Array) -> tuple[Array, Array]:
        options = self.grid, self.groups
        return CorrelateDx(*options)(self.dy, g), Correlate(*options)(self.x, g)
