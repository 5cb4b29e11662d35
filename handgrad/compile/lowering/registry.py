"""The registry of lowerings: which class lowers which layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handgrad.compile.builder import Builder
from handgrad.compile.trace import Node
from handgrad.compile.values import Address, NotNative, Value

MOST_STEPS = 4096  # steps in one call of a program

LOWERINGS: dict[type, Any] = {}


class Lowering:
    """Rows for the forward of a layer, and rows for its backward.

    `finishes`: whether an activation that follows can be computed in the same row. Then the node
    has it as `finish`, with `finish_code` and `finish_options` for the kernel; the dy it is given
    already went back through the activation.
    """

    finishes = False
    integers = False  # whether it takes words that are int32; else such an input is not native

    def as_finish(self, layer: Any) -> tuple[int, tuple[float, ...]] | None:
        """For an activation whose slope is a function of y: its code and options in kernels."""
        return None

    def forward(self, b: Builder, node: Node) -> Value | tuple[Value, ...]:
        """Append the rows that compute the outputs, and return these."""
        raise NotNative(f"{node.name} has no native form")

    def backward(self, b: Builder, node: Node, *dy: Any) -> Any:
        """Append the rows that compute the gradients; return those of the inputs."""
        raise NotNative(f"{node.name} has no native backward")


class LossLowering:
    """Rows for a loss: the number itself, and its gradient by y, in one."""

    def loss(self, b: Builder, layer: Any, y: Value, t: Value, metrics: Address) -> Value:
        """Append the rows that store the loss of each step s at metrics + s, for labels the number
        of right answers at metrics + MOST_STEPS + s, and compute dy; return dy."""
        raise NotNative(f"{type(layer).__name__} has no native form")


def lowers(*layers: type) -> Callable[[type], type]:
    """Enter a lowering for these classes of layers."""

    def enter(cls: type) -> type:
        for layer in layers:
            LOWERINGS[layer] = cls()
        return cls

    return enter


def lowering_of(layer: Any) -> Any:
    """The lowering of a layer: of its very class, for a subclass may compute something else."""
    found = LOWERINGS.get(type(layer))
    if found is None:
        raise NotNative(f"{type(layer).__name__} has no native form")
    return found
