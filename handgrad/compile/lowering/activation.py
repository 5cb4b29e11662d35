"""Functions of each element: activations, exponentials, roots."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handgrad.compile.builder import Builder
from handgrad.compile.lowering.registry import Lowering, lowers
from handgrad.compile.trace import Node
from handgrad.compile.values import NotNative, Value
from handgrad.layers import (
    CELU,
    ELU,
    GELU,
    SELU,
    Abs,
    Erf,
    Exp,
    Expm1,
    HardSigmoid,
    HardSwish,
    LeakyReLU,
    Log,
    Log1p,
    Mish,
    Neg,
    ReLU,
    ReLU6,
    Sigmoid,
    SiLU,
    Softplus,
    Softsign,
    Sqrt,
    Step,
    Tanh,
)

Curve = tuple[int, tuple[float, ...]]  # its number in kernels, and its options

# Those whose slope is a function of y (native/activation.h); None where an option forbids it.
_BY_OUTPUT: dict[type, Callable[[Any], Curve | None]] = {
    ReLU: lambda layer: (1, ()),
    LeakyReLU: lambda layer: (2, (layer.slope,)) if layer.slope >= 0 else None,
    ELU: lambda layer: (3, (1.0, layer.alpha, 1.0)) if layer.alpha > 0 else None,
    CELU: lambda layer: (3, (1.0, layer.alpha, 1 / layer.alpha)),
    SELU: lambda layer: (3, (layer.scale, layer.scale * layer.alpha, 1.0)),
    Sigmoid: lambda layer: (4, ()),
    Tanh: lambda layer: (5, ()),
    Softplus: lambda layer: (6, ()),
    ReLU6: lambda layer: (7, (1.0, 0.0, 6.0)),
    HardSigmoid: lambda layer: (7, (1 / 6, 0.5, 1.0)),
    Softsign: lambda layer: (8, ()),
}

# Those that need x (native/curve.h).
LINE = 9  # a x + b
_BY_INPUT: dict[type, Callable[[Any], Curve]] = {
    Neg: lambda layer: (LINE, (-1.0,)),
    Step: lambda layer: (10, ()),
    SiLU: lambda layer: (11, ()),
    GELU: lambda layer: (13 if layer.approximate == "tanh" else 12, ()),
    HardSwish: lambda layer: (14, ()),
    Mish: lambda layer: (15, ()),
    Exp: lambda layer: (16, ()),
    Expm1: lambda layer: (17, ()),
    Log: lambda layer: (18, ()),
    Log1p: lambda layer: (19, ()),
    Sqrt: lambda layer: (20, ()),
    Abs: lambda layer: (22, ()),
    Erf: lambda layer: (23, ()),
}


def curve(b: Builder, x: Value, number: int, options: tuple[float, ...]) -> Value:
    """Append y = f(x)."""
    y = b.value(x.shape, last=x.last)
    b.row("curve", x.size, number, x, y, None, reals=options)
    return y


def ordered(b: Builder, value: Value, like: Value) -> Value:
    """The value with its channels where those of the other are."""
    value = b.gathered(value)
    return b.last(value) if like.last else b.plain(value)


@lowers(*_BY_OUTPUT)
class LowerActivation(Lowering):
    """y = f(x); dx = dy f'(x), from y."""

    def as_finish(self, layer: Any) -> Curve | None:
        return _BY_OUTPUT[type(layer)](layer)

    def forward(self, b: Builder, node: Node) -> Value:
        found = self.as_finish(node.layer)
        if found is None:
            raise NotNative(f"{node.name}: an option for which y does not tell the slope")
        node.kept["y"] = curve(b, b.gathered(node.inputs[0]), *found)
        return node.kept["y"]

    def backward(self, b: Builder, node: Node, dy: Value) -> Value:
        number, options = _BY_OUTPUT[type(node.layer)](node.layer) or (0, ())
        y = node.kept["y"]
        dx = b.value(y.shape, last=y.last)
        b.row("slope", y.size, number, ordered(b, dy, y), y, dx, reals=options)
        return dx


@lowers(*_BY_INPUT)
class LowerCurve(Lowering):
    """y = f(x), and in training f'(x) beside it; dx = dy f'(x)."""

    def forward(self, b: Builder, node: Node) -> Value:
        y = curve(b, b.gathered(node.inputs[0]), *_BY_INPUT[type(node.layer)](node.layer))
        node.kept["row"] = b.rows[-1]
        return y

    def backward(self, b: Builder, node: Node, dy: Value) -> Value:
        row = node.kept["row"]
        x = row.args[2]
        slopes, dx = b.value(x.shape, last=x.last), b.value(x.shape, last=x.last)
        row.args = (*row.args[:4], slopes)
        b.row("mul", x.size, ordered(b, dy, x), slopes, dx)
        return dx
