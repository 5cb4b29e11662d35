"""Functions of each element: activations, exponentials, roots."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from handgrad.compile.builder import Builder
from handgrad.compile.lowering.registry import Lowering, lowers
from handgrad.compile.trace import Node
from handgrad.compile.values import Epilogue, NotNative, Value
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

Elementwise = tuple[int, tuple[float, ...]]  # its code in kernels, and its options

# Those whose derivative is a function of y (native/activation.h); None where an option forbids it.
_BY_OUTPUT: dict[type, Callable[[Any], Elementwise | None]] = {
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
LINEAR = 9  # a x + b
_BY_INPUT: dict[type, Callable[[Any], Elementwise]] = {
    Neg: lambda layer: (LINEAR, (-1.0,)),
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


def elementwise(
    b: Builder, x: Value, code: int, options: tuple[float, ...], derivative: Value | None = None
) -> Value:
    """Append y = f(x), and f'(x) beside it where there is a value for it."""
    y = b.value(x.shape, last=x.last)
    b.row("curve", x.size, code, x, y, derivative, reals=options)
    return y


def linear(b: Builder, x: Value, factor: float, more: float = 0.0) -> Value:
    """Append y = factor · x + more."""
    return elementwise(b, x, LINEAR, (factor, more))


def ordered(b: Builder, value: Value, like: Value) -> Value:
    """The value with its channels where those of the other are."""
    value = b.gathered(value)
    return b.last(value) if like.last else b.plain(value)


@dataclass
class Output:
    """The y at which the derivative is taken."""

    y: Value


@lowers(*_BY_OUTPUT)
class LowerActivation(Lowering):
    """y = f(x); dx = dy f'(x), from y."""

    def epilogue(self, layer: Any) -> Epilogue | None:
        found = _BY_OUTPUT[type(layer)](layer)
        return None if found is None else Epilogue(*found)

    def forward(self, b: Builder, node: Node) -> tuple[Value, Output]:
        y = elementwise(b, b.gathered(node.inputs[0]), *self.function(node))
        return y, Output(y)

    def backward(self, b: Builder, node: Node, record: Output, dy: Value) -> Value:
        y, (code, options) = record.y, self.function(node)
        dx = b.value(y.shape, last=y.last)
        b.row("slope", y.size, code, ordered(b, dy, y), y, dx, reals=options)
        return dx

    def function(self, node: Node) -> Elementwise:
        """Code and options of the node's function."""
        found = _BY_OUTPUT[type(node.layer)](node.layer)
        if found is None:
            raise NotNative(f"{node.name}: an option for which y does not tell the derivative")
        return found


@dataclass
class Derivative:
    """f'(x), where the gradient of x is needed."""

    at_x: Value | None


@lowers(*_BY_INPUT)
class LowerElementwise(Lowering):
    """y = f(x), and in training f'(x) beside it; dx = dy f'(x)."""

    def forward(self, b: Builder, node: Node) -> tuple[Value, Derivative]:
        x = b.gathered(node.inputs[0])
        at_x = b.value(x.shape, last=x.last) if node.needs_input_grad[0] else None
        return elementwise(b, x, *_BY_INPUT[type(node.layer)](node.layer), at_x), Derivative(at_x)

    def backward(self, b: Builder, node: Node, record: Derivative, dy: Value) -> Value | None:
        if record.at_x is None:
            return None
        dx = b.value(record.at_x.shape, last=record.at_x.last)
        b.row("mul", dx.size, ordered(b, dy, dx), record.at_x, dx)
        return dx
