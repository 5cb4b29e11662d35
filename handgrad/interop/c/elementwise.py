"""Functions of each element, sums and products of arrays, and shapes in C."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from handgrad.compile.trace import Node
from handgrad.compile.values import NotNative, Value
from handgrad.interop.c.forms import Form, exports, input_gradient, ints, output
from handgrad.interop.c.writer import Writer
from handgrad.layers import (
    CELU,
    ELU,
    GELU,
    GLU,
    SELU,
    Abs,
    Add,
    Concat,
    Erf,
    Exp,
    Expm1,
    Flatten,
    HardSigmoid,
    HardSwish,
    LeakyReLU,
    Log,
    Log1p,
    LogSoftmax,
    Mish,
    Mul,
    Neg,
    PReLU,
    ReLU,
    ReLU6,
    Reshape,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Sqrt,
    Standardize,
    Sub,
    Tanh,
)

# The functions' name in C, and of which of x and y backward makes the derivative.
_FUNCTIONS: dict[type, tuple[str, str]] = {
    ReLU: ("relu", "y"), LeakyReLU: ("leaky_relu", "x"), ReLU6: ("relu6", "y"),
    ELU: ("elu", "x"), SELU: ("selu", "x"), CELU: ("celu", "x"), Softplus: ("softplus", "x"),
    Sigmoid: ("sigmoid", "y"), Tanh: ("tanh", "y"), HardSigmoid: ("hard_sigmoid", "y"),
    Softsign: ("softsign", "x"), SiLU: ("silu", "x"), GELU: ("gelu", "x"),
    HardSwish: ("hard_swish", "x"), Mish: ("mish", "x"), Neg: ("neg", ""), Exp: ("exp", "y"),
    Expm1: ("expm1", "y"), Log: ("log", "x"), Log1p: ("log1p", "x"), Sqrt: ("sqrt", "y"),
    Abs: ("abs", "x"), Erf: ("erf", "x"),
}  # fmt: skip
_OPTIONS: dict[type, Callable[[Any], tuple[float, ...]]] = {
    LeakyReLU: lambda layer: (float(layer.alpha),),
    ELU: lambda layer: (float(layer.alpha),),
    CELU: lambda layer: (float(layer.alpha),),
    SELU: lambda layer: (layer.scale, layer.alpha),
}


@exports(*_FUNCTIONS)
class ElementwiseForm(Form):
    """y = f(x); dx = dy f'(x), from x or y."""

    def forward(self, c: Writer, node: Node) -> Value:
        (name, _), x, y = self.function(node), node.inputs[0], output(c, node)
        c.call(f"{name}_forward", prod(x.shape), *self.options(node), x, y)
        node.record = y
        return y

    def backward(self, c: Writer, node: Node, *dy: Any) -> Value | None:
        (name, by), x, dx = self.function(node), node.inputs[0], input_gradient(c, node)
        if dx is not None:
            saved = {"x": (x,), "y": (node.record,), "": ()}[by]
            c.call(f"{name}_backward", prod(x.shape), *self.options(node), *saved, dy[0], dx)
        return dx

    def function(self, node: Node) -> tuple[str, str]:
        """The name in C, and what backward needs."""
        if isinstance(node.layer, GELU) and node.layer.approximate == "tanh":
            return "gelu_tanh", "x"
        return _FUNCTIONS[type(node.layer)]

    def options(self, node: Node) -> tuple[float, ...]:
        """The numbers that the function takes."""
        return _OPTIONS.get(type(node.layer), lambda layer: ())(node.layer)


@exports(PReLU)
class PReLUForm(Form):
    """A coefficient for each channel, or one for all."""

    def forward(self, c: Writer, node: Node) -> Value:
        y = output(c, node)
        a = c.memory.weight(node.layer.a)
        c.call("prelu_forward", *self.sizes(node), node.inputs[0], a, y)
        return y

    def backward(self, c: Writer, node: Node, *dy: Any) -> Value | None:
        a, dx, m = node.layer.a, input_gradient(c, node), c.memory
        sizes, x = self.sizes(node), node.inputs[0]
        c.call("prelu_backward", *sizes, x, m.weight(a), dy[0], dx, m.gradient(a))
        return dx

    def sizes(self, node: Node) -> tuple[int, int, int]:
        """N, C, P; all is one channel where the coefficient is shared."""
        shape = ints(node.inputs[0].shape)
        N, C, P = (*shape[:2], prod(shape[2:])) if node.layer.per_channel else (1, 1, prod(shape))
        return N, C, P


def around(shape: tuple[int, ...], axis: int) -> tuple[int, int, int]:
    """How many elements lie before, on and after an axis."""
    axis %= len(shape)
    return prod(shape[:axis]), shape[axis], prod(shape[axis + 1 :])


@exports(Softmax, LogSoftmax)
class SoftmaxForm(Form):
    """Along any axis."""

    def forward(self, c: Writer, node: Node) -> Value:
        x, y = node.inputs[0], output(c, node)
        c.call(f"{self.name(node)}_forward", *self.sizes(node), x, y)
        node.record = y
        return y

    def backward(self, c: Writer, node: Node, *dy: Any) -> Value | None:
        dx = input_gradient(c, node)
        if dx is not None:
            c.call(f"{self.name(node)}_backward", *self.sizes(node), node.record, dy[0], dx)
        return dx

    def name(self, node: Node) -> str:
        """The functions' name."""
        return "softmax" if isinstance(node.layer, Softmax) else "log_softmax"

    def sizes(self, node: Node) -> tuple[int, int, int]:
        """n, C, P."""
        return around(ints(node.inputs[0].shape), node.layer.axis)


@exports(GLU)
class GLUForm(Form):
    """One half times the sigmoid of the other."""

    def forward(self, c: Writer, node: Node) -> Value:
        y = output(c, node)
        c.call("glu_forward", *self.sizes(node), node.inputs[0], y)
        return y

    def backward(self, c: Writer, node: Node, *dy: Any) -> Value | None:
        dx = input_gradient(c, node)
        if dx is not None:
            c.call("glu_backward", *self.sizes(node), node.inputs[0], dy[0], dx)
        return dx

    def sizes(self, node: Node) -> tuple[int, int]:
        """n, and the elements of a half."""
        n, C, P = around(ints(node.inputs[0].shape), node.layer.axis)
        return n, C // 2 * P


@exports(Add, Sub, Mul)
class PairForm(Form):
    """Two arrays of one shape, element by element."""

    def forward(self, c: Writer, node: Node) -> Value:
        a, b = node.inputs
        if ints(a.shape) != ints(b.shape):
            raise NotNative("arrays of two shapes")
        y = output(c, node)
        c.call(f"{type(node.layer).__name__.lower()}_forward", prod(ints(y.shape)), a, b, y)
        return y

    def backward(self, c: Writer, node: Node, *dy: Any) -> Any:
        n = prod(ints(dy[0].shape))
        if isinstance(node.layer, Add):
            return dy[0], dy[0]
        da = dy[0] if isinstance(node.layer, Sub) else input_gradient(c, node, 0)
        db = input_gradient(c, node, 1)
        if isinstance(node.layer, Mul):
            c.call("mul_backward", n, *node.inputs, dy[0], da, db)
        elif db is not None:
            c.call("neg_backward", n, dy[0], db)
        return da, db


@exports(Concat)
class ConcatForm(Form):
    """Arrays side by side along an axis that is not the batch."""

    def forward(self, c: Writer, node: Node) -> Value:
        y = output(c, node)
        for x, sizes in zip(node.inputs, self.sizes(node)):
            c.call("concat_forward", *sizes, x, y)
        return y

    def backward(self, c: Writer, node: Node, *dy: Any) -> Any:
        gradients = [input_gradient(c, node, i) for i in range(len(node.inputs))]
        for dx, sizes in zip(gradients, self.sizes(node)):
            if dx is not None:
                c.call("concat_backward", *sizes, dy[0], dx)
        return tuple(gradients)

    def sizes(self, node: Node) -> list[tuple[int, ...]]:
        """n, D, M, P of each input, and where it begins in y."""
        found: list[tuple[int, ...]] = []
        first = 0
        _, M, _ = around(ints(node.outputs[0].shape), node.layer.axis)
        for x in node.inputs:
            n, D, P = around(ints(x.shape), node.layer.axis)
            found.append((n, D, M, P, first))
            first += D
        return found


@exports(Reshape, Flatten)
class ReshapeForm(Form):
    """The same memory under another shape: no call at all."""

    integers = (0,)

    def forward(self, c: Writer, node: Node) -> Value:
        return c.view(node.inputs[0], ints(node.outputs[0].shape))

    def backward(self, c: Writer, node: Node, *dy: Any) -> Value:
        return c.view(dy[0], ints(node.inputs[0].shape))


@exports(Standardize)
class StandardizeForm(Form):
    """(x − mean) / scale of the data; it stands before all that learns."""

    def forward(self, c: Writer, node: Node) -> Value:
        layer, x, y = node.layer, node.inputs[0], output(c, node)
        if node.needs_input_grad[0]:
            raise NotNative("parameters before it")
        arrays = [
            c.memory.constant(getattr(layer, name), f"{node.path}.{name}".lstrip("."))
            for name in ("center", "factor")
        ]
        D = len(layer.center)
        c.call("standardize_forward", prod(x.shape) // D, D, x, *arrays, y)
        return y
