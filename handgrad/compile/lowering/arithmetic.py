"""Arithmetic of two arrays of one shape, or of an array and a number."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.compile.builder import Builder
from handgrad.compile.lowering.activation import LINE, curve, ordered
from handgrad.compile.lowering.move import move, steps
from handgrad.compile.lowering.reduction import reduce
from handgrad.compile.lowering.registry import Lowering, lowers
from handgrad.compile.trace import Node
from handgrad.compile.values import NotNative, Value, at_most, times
from handgrad.layers import Add, Broadcast, Div, Mul, Sub
from handgrad.tensor import Tensor


def pair(b: Builder, kernel: str, one: Value, other: Value) -> Value:
    """Append y = a ∘ b, in the memory order of a."""
    y = b.value(one.shape, last=one.last)
    b.row(kernel, y.size, one, ordered(b, other, one), y)
    return y


def line(b: Builder, x: Value, factor: float, more: float = 0.0) -> Value:
    """Append y = factor · x + more."""
    return curve(b, x, LINE, (factor, more))


def number(node: Node, i: int) -> float | None:
    """The number that an input is filled with, the same in every batch; None for other inputs."""
    if node.inputs[i] is not None:
        maker = node.inputs[i].made_by
        return maker.kept.get("number") if maker is not None else None
    found = set()
    for given in (node.given[i], node.again[i]):
        found |= set(np.unique(given.data if isinstance(given, Tensor) else given).tolist())
    if len(found) != 1:
        raise NotNative(f"{node.name}: input {i} is an array that no layer made")
    return found.pop()


class _Pair(Lowering):
    """Both inputs from layers, or one of them a number."""

    def forward(self, b: Builder, node: Node) -> Value:
        for i in (0, 1):
            c = number(node, i)
            if c is not None and node.inputs[1 - i] is not None:
                return self.with_number(b, node, b.gathered(node.inputs[1 - i]), c, i == 0)
        if None in node.inputs:
            raise NotNative(f"{node.name} of two numbers")
        one = b.gathered(node.inputs[0])
        node.kept["x"] = one, ordered(b, node.inputs[1], one)
        return self.of_two(b, node, *node.kept["x"])

    def of_two(self, b: Builder, node: Node, one: Value, other: Value) -> Value:
        raise NotImplementedError

    def with_number(self, b: Builder, node: Node, x: Value, c: float, left: bool) -> Value:
        raise NotImplementedError


@lowers(Add)
class LowerAdd(_Pair):
    """y = a + b; both gradients are dy."""

    def of_two(self, b: Builder, node: Node, one: Value, other: Value) -> Value:
        return pair(b, "add", one, other)

    def with_number(self, b: Builder, node: Node, x: Value, c: float, left: bool) -> Value:
        return line(b, x, 1.0, c)

    def backward(self, b: Builder, node: Node, dy: Value) -> tuple[Value, Value]:
        return dy, dy


@lowers(Sub)
class LowerSub(_Pair):
    """y = a − b; da = dy, db = −dy."""

    def of_two(self, b: Builder, node: Node, one: Value, other: Value) -> Value:
        return pair(b, "sub", one, other)

    def with_number(self, b: Builder, node: Node, x: Value, c: float, left: bool) -> Value:
        return line(b, x, -1.0, c) if left else line(b, x, 1.0, -c)

    def backward(self, b: Builder, node: Node, dy: Value) -> tuple[Value, Value | None]:
        return dy, line(b, b.gathered(dy), -1.0) if node.wants[1] else None


@lowers(Mul)
class LowerMul(_Pair):
    """y = a · b; da = dy · b, db = dy · a."""

    def of_two(self, b: Builder, node: Node, one: Value, other: Value) -> Value:
        return pair(b, "mul", one, other)

    def with_number(self, b: Builder, node: Node, x: Value, c: float, left: bool) -> Value:
        node.kept["factor"] = c
        return line(b, x, c)

    def backward(self, b: Builder, node: Node, dy: Value) -> tuple[Any, Any]:
        dy = b.gathered(dy)
        if "factor" in node.kept:
            dx = line(b, dy, node.kept["factor"])
            return dx, dx
        one, other = node.kept["x"]
        return (
            pair(b, "mul", dy, other) if node.wants[0] else None,
            pair(b, "mul", dy, one) if node.wants[1] else None,
        )


@lowers(Div)
class LowerDiv(_Pair):
    """y = a / b; da = dy / b, db = −da · y."""

    def of_two(self, b: Builder, node: Node, one: Value, other: Value) -> Value:
        node.kept["y"] = pair(b, "div", one, other)
        return node.kept["y"]

    def with_number(self, b: Builder, node: Node, x: Value, c: float, left: bool) -> Value:
        if left:
            raise NotNative(f"{node.name}: a number divided by an array")
        node.kept["factor"] = 1 / c
        return line(b, x, 1 / c)

    def backward(self, b: Builder, node: Node, dy: Value) -> tuple[Any, Any]:
        dy = b.gathered(dy)
        if "factor" in node.kept:
            return line(b, dy, node.kept["factor"]), None
        da = pair(b, "div", dy, node.kept["x"][1])
        if not node.wants[1]:
            return da, None
        return da, line(b, pair(b, "mul", da, node.kept["y"]), -1.0)


@lowers(Broadcast)
class LowerBroadcast(Lowering):
    """Copies along axes where x has length 1, or none; dx is the sum along them."""

    def forward(self, b: Builder, node: Node) -> Value:
        shape = node.outputs[0].shape
        if node.inputs[0] is None:
            node.kept["number"] = c = number(node, 0)
            filled = np.full(at_most(times(*shape), b.batch), c, np.float32)
            return Value(shape, place=b.array(filled))
        x, y = b.plain(b.gathered(node.inputs[0])), b.value(shape)
        new = len(y.shape) - len(x.shape)
        from_x = [0] * new + [
            0 if n == 1 and n != m else step for n, m, step in zip(x.shape, y.shape[new:], steps(x))
        ]
        move(b, x, y, list(zip(y.shape, from_x, steps(y))))
        return y

    def backward(self, b: Builder, node: Node, dy: Value) -> Value:
        x, dy = node.inputs[0], b.plain(dy)
        new = len(dy.shape) - len(x.shape)
        for axis, length in enumerate(dy.shape):
            before = 1 if axis < new else x.shape[axis - new]
            if before != length:
                dy = reduce(b, dy, (axis,))[0]
        return b.view(dy, x.shape)
