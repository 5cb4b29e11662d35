"""Arithmetic as layers: sums, products, powers, on arrays of equal shape.

The operators on tensors (operators.py) put an explicit `Broadcast` before an operand of another
shape, so that its gradient is summed in a step one can see.
"""

from __future__ import annotations

from handgrad.arrays import Array, array_module
from handgrad.layer import Layer
from handgrad.layers.checks import require_equal_shapes


class Add(Layer):
    """y = a + b. Shapes: a, b, y (any, equal).

    Gradient: da = dy, db = dy.
    Raises ShapeError for unequal shapes.
    Source: Saito, "Deep Learning from Scratch", section 5.4.2.
    """

    linear = True

    def forward(self, a: Array, b: Array) -> Array:
        require_equal_shapes(self, a, b)
        return a + b

    def backward(self, dy: Array) -> tuple[Array, Array]:
        return dy, dy


class Sub(Layer):
    """y = a − b. Shapes: a, b, y (any, equal).

    Gradient: da = dy, db = −dy.
    Raises ShapeError for unequal shapes.
    """

    linear = True

    def forward(self, a: Array, b: Array) -> Array:
        require_equal_shapes(self, a, b)
        return a - b

    def backward(self, dy: Array) -> tuple[Array, Array]:
        return dy, -dy


class Mul(Layer):
    """y = a · b, elementwise. Shapes: a, b, y (any, equal).

    Gradient: da = dy · b, db = dy · a: each gets the other.
    Raises ShapeError for unequal shapes.
    Source: Saito, "Deep Learning from Scratch", section 5.4.1.
    """

    def forward(self, a: Array, b: Array) -> Array:
        require_equal_shapes(self, a, b)
        self.a, self.b = a, b
        return a * b

    def backward(self, dy: Array) -> tuple[Array, Array]:
        return dy * self.b, dy * self.a


class Div(Layer):
    """y = a / b, elementwise. Shapes: a, b, y (any, equal).

    Gradient: da = dy / b, db = −dy · a / b² = −dy · y / b.
    Raises ShapeError for unequal shapes; b = 0 gives NumPy's infinities and its warning.
    """

    def forward(self, a: Array, b: Array) -> Array:
        require_equal_shapes(self, a, b)
        self.b, self.y = b, a / b
        return self.y

    def backward(self, dy: Array) -> tuple[Array, Array]:
        da = dy / self.b
        return da, -da * self.y


class Neg(Layer):
    """y = −x. Shapes: x, y (any).

    Gradient: dx = −dy.
    """

    linear = True

    def forward(self, x: Array) -> Array:
        return -x

    def backward(self, dy: Array) -> Array:
        return -dy


class Pow(Layer):
    """y = x ** p, elementwise. Shapes: x, p, y (any, equal).

    Gradient: dx = dy · p · x^(p−1), dp = dy · y · ln x.
    At the edge: dx = 0 where p = 0; dp = 0 where x ≤ 0, where x ** p is real for single p only.
    Raises ShapeError for unequal shapes.
    """

    def forward(self, x: Array, p: Array) -> Array:
        require_equal_shapes(self, x, p)
        self.x, self.p, self.y = x, p, x**p
        return self.y

    def backward(self, dy: Array) -> tuple[Array, Array]:
        xp = array_module(dy)
        x, p = self.x, self.p
        dx = dy * p * xp.where(p == 0, 1, x) ** (p - 1)
        dp = dy * xp.where(x > 0, self.y * xp.log(xp.where(x > 0, x, 1)), 0)
        return dx, dp


class Sqrt(Layer):
    """y = √x, elementwise, for x ≥ 0. Shapes: x, y (any).

    Gradient: dx = dy / (2·y), infinite at x = 0.
    """

    def forward(self, x: Array) -> Array:
        self.y = array_module(x).sqrt(x)
        return self.y

    def backward(self, dy: Array) -> Array:
        return dy / (2 * self.y)
