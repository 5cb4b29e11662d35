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

# Those whose derivative is a function of y (native/activation.h); None where an option forbids it.
_BY_OUTPUT: dict[type, Callable[[Any], Epilogue | None]] = {
    ReLU: lambda layer: Epilogue("relu"),
    LeakyReLU: lambda layer: Epilogue("leaky_relu", (layer.alpha,)) if layer.alpha >= 0 else None,
    ELU: lambda layer: Epilogue("elu", (1.0, layer.alpha, 1.0)) if layer.alpha > 0 else None,
    CELU: lambda layer: Epilogue("elu", (1.0, layer.alpha, 1 / layer.alpha)),
    SELU: lambda layer: Epilogue("elu", (layer.scale, layer.scale * layer.alpha, 1.0)),
    Sigmoid: lambda layer: Epilogue("sigmoid"),
    Tanh: lambda layer: Epilogue("tanh"),
    Softplus: lambda layer: Epilogue("softplus"),
    ReLU6: lambda layer: Epilogue("clip", (1.0, 0.0, 6.0)),
    HardSigmoid: lambda layer: Epilogue("clip", (1 / 6, 0.5, 1.0)),
    Softsign: lambda layer: Epilogue("softsign"),
}

# Those that need x (native/elementwise.h).
_BY_INPUT: dict[type, Callable[[Any], Epilogue]] = {
    Neg: lambda layer: Epilogue("line", (-1.0,)),
    Step: lambda layer: Epilogue("step"),
    SiLU: lambda layer: Epilogue("silu"),
    GELU: lambda layer: Epilogue("gelu_tanh" if layer.approximate == "tanh" else "gelu"),
    HardSwish: lambda layer: Epilogue("hard_swish"),
    Mish: lambda layer: Epilogue("mish"),
    Exp: lambda layer: Epilogue("exp"),
    Expm1: lambda layer: Epilogue("expm1"),
    Log: lambda layer: Epilogue("log"),
    Log1p: lambda layer: Epilogue("log1p"),
    Sqrt: lambda layer: Epilogue("sqrt"),
    Abs: lambda layer: Epilogue("abs"),
    Erf: lambda layer: Epilogue("erf"),
}


def elementwise(b: Builder, x: Value, f: Epilogue, derivative: Value | None = None) -> Value:
    """Append y = f(x), and f'(x) beside it where there is a value for it."""
    y = b.value(x.shape, last=x.last)
    b.row("elementwise", count=x.size, x=x, y=y, derivative=derivative, **f.arguments)
    return y


def linear(b: Builder, x: Value, factor: float, more: float = 0.0) -> Value:
    """Append y = factor · x + more."""
    return elementwise(b, x, Epilogue("line", (factor, more)))


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
        return _BY_OUTPUT[type(layer)](layer)

    def forward(self, b: Builder, node: Node) -> tuple[Value, Output]:
        y = elementwise(b, b.gathered(node.inputs[0]), self.function(node))
        return y, Output(y)

    def backward(self, b: Builder, node: Node, record: Output, dy: Value) -> Value:
        y, f = record.y, self.function(node)
        dx = b.value(y.shape, last=y.last)
        b.row("derivative", count=y.size, dy=ordered(b, dy, y), y=y, dx=dx, **f.arguments)
        return dx

    def function(self, node: Node) -> Epilogue:
        """The node's function."""
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
        return elementwise(b, x, _BY_INPUT[type(node.layer)](node.layer), at_x), Derivative(at_x)

    def backward(self, b: Builder, node: Node, record: Derivative, dy: Value) -> Value | None:
        if record.at_x is None:
            return None
        dx = b.value(record.at_x.shape, last=record.at_x.last)
        b.row("mul", count=dx.size, a=ordered(b, dy, dx), b=record.at_x, y=dx)
        return dx
