"""Arithmetic of two arrays of one shape, or of an array and a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from handgrad.compile.builder import Builder
from handgrad.compile.lowering.activation import linear, ordered
from handgrad.compile.lowering.reduction import reduce
from handgrad.compile.lowering.registry import Lowering, lowers
from handgrad.compile.lowering.strided import copy, strides
from handgrad.compile.trace import Node
from handgrad.compile.values import NotNative, Value, at_most, times
from handgrad.layers import Add, Broadcast, Div, Mul, Sub
from handgrad.tensor import Tensor


def pair(b: Builder, kernel: str, one: Value, other: Value) -> Value:
    """Append y = a ∘ b, in the memory order of a."""
    y = b.value(one.shape, last=one.last)
    b.row(kernel, count=y.size, a=one, b=ordered(b, other, one), y=y)
    return y


def constant_of(node: Node, i: int) -> float | None:
    """The number that an input is filled with, the same in every batch; None for other inputs."""
    value: Value | None = node.inputs[i]
    if value is not None:
        return value.constant
    found: set[float] = set()
    for given in (node.given[i], node.again[i]):
        found |= set(np.unique(given.data if isinstance(given, Tensor) else given).tolist())
    if len(found) != 1:
        raise NotNative(f"{node.name}: input {i} is an array that no layer made")
    return found.pop()


@dataclass
class Operands:
    """Both inputs, or x's factor where the other is a number; a quotient."""

    one: Value | None = None
    other: Value | None = None
    factor: float = 1.0
    y: Value | None = None


class _Pair(Lowering):
    """Both inputs from layers, or one of them a number."""

    constants = True
    kernel: str  # of two arrays

    def forward(self, b: Builder, node: Node) -> tuple[Value, Operands]:
        for i in (0, 1):
            c = constant_of(node, i)
            if c is not None and node.inputs[1 - i] is not None:
                factor, more = self.with_number(node, c, i == 0)
                y = linear(b, b.gathered(node.inputs[1 - i]), factor, more)
                return y, Operands(factor=factor)
        if None in node.inputs:
            raise NotNative(f"{node.name} of two scalars")
        one = b.gathered(node.inputs[0])
        other = ordered(b, node.inputs[1], one)
        y = pair(b, self.kernel, one, other)
        return y, Operands(one, other, y=y)

    def with_number(self, node: Node, c: float, left: bool) -> tuple[float, float]:
        """Factor and summand of the other input; left: whether the number comes first."""
        raise NotImplementedError

    def backward(self, b: Builder, node: Node, record: Operands, dy: Value) -> Any:
        if record.one is not None:
            return self.of_two(b, node, record, dy)
        dx = dy if record.factor == 1 else linear(b, b.gathered(dy), record.factor)
        return dx, dx

    def of_two(self, b: Builder, node: Node, record: Operands, dy: Value) -> Any:
        """The gradients of both inputs."""
        raise NotImplementedError


@lowers(Add)
class LowerAdd(_Pair):
    """y = a + b; both gradients are dy."""

    kernel = "add"

    def with_number(self, node: Node, c: float, left: bool) -> tuple[float, float]:
        return 1.0, c

    def of_two(self, b: Builder, node: Node, record: Operands, dy: Value) -> Any:
        return dy, dy


@lowers(Sub)
class LowerSub(_Pair):
    """y = a − b; da = dy, db = −dy."""

    kernel = "sub"

    def with_number(self, node: Node, c: float, left: bool) -> tuple[float, float]:
        return (-1.0, c) if left else (1.0, -c)

    def of_two(self, b: Builder, node: Node, record: Operands, dy: Value) -> Any:
        return dy, linear(b, b.gathered(dy), -1.0) if node.needs_input_grad[1] else None


@lowers(Mul)
class LowerMul(_Pair):
    """y = a · b; da = dy · b, db = dy · a."""

    kernel = "mul"

    def with_number(self, node: Node, c: float, left: bool) -> tuple[float, float]:
        return c, 0.0

    def of_two(self, b: Builder, node: Node, record: Operands, dy: Value) -> Any:
        dy, needs = b.gathered(dy), node.needs_input_grad
        return tuple(
            pair(b, "mul", dy, factor) if needed and factor is not None else None
            for factor, needed in zip((record.other, record.one), needs)
        )


@lowers(Div)
class LowerDiv(_Pair):
    """y = a / b; da = dy / b, db = −da · y."""

    kernel = "div"

    def with_number(self, node: Node, c: float, left: bool) -> tuple[float, float]:
        if left:
            raise NotNative(f"{node.name}: a number divided by an array")
        return 1 / c, 0.0

    def of_two(self, b: Builder, node: Node, record: Operands, dy: Value) -> Any:
        other, y = record.other, record.y
        assert other is not None
        assert y is not None
        da = pair(b, "div", b.gathered(dy), other)
        if not node.needs_input_grad[1]:
            return da, None
        return da, linear(b, pair(b, "mul", da, y), -1.0)


@lowers(Broadcast)
class LowerBroadcast(Lowering):
    """Copies along axes where x has length 1, or none; dx is the sum along them."""

    constants = True

    def forward(self, b: Builder, node: Node) -> tuple[Value, None]:
        shape = node.outputs[0].shape
        if node.inputs[0] is None:
            c = constant_of(node, 0)
            filled = np.full(at_most(times(*shape), b.batch), c, np.float32)
            return Value(shape, address=b.array(filled), constant=c), None
        x, y = b.plain(b.gathered(node.inputs[0])), b.value(shape)
        new = len(y.shape) - len(x.shape)
        from_x = [0] * new + [
            0 if n == 1 and n != m else s for n, m, s in zip(x.shape, y.shape[new:], strides(x))
        ]
        copy(b, x, y, list(zip(y.shape, from_x, strides(y))))
        return y, None

    def backward(self, b: Builder, node: Node, record: None, dy: Value) -> Value:
        x, dy = node.inputs[0], b.plain(dy)
        new = len(dy.shape) - len(x.shape)
        for axis, length in enumerate(dy.shape):
            before = 1 if axis < new else x.shape[axis - new]
            if before != length:
                dy = reduce(b, dy, (axis,))[0]
        return b.view(dy, x.shape)
