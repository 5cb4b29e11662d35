"""The registry of lowerings: which class lowers which layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from handgrad.compile.builder import Builder
from handgrad.compile.trace import Node
from handgrad.compile.values import Address, Epilogue, NotNative, Value

MOST_STEPS = 4096  # steps in one call of a program

LOWERINGS: dict[type, Any] = {}

Outputs = Value | tuple[Value, ...]


class Lowering:
    """Rows for the forward of a layer, and rows for its backward.

    forward returns the outputs, and a record of a type of its own for backward (None: nothing).
    `epilogues`: whether its rows can apply an activation to what they compute; the dy that such a
    node is given already went back through it.
    """

    epilogues = False
    integers = False  # whether it takes words that are int32; else such an input is not native
    constants = False  # whether it takes inputs that no layer made

    def epilogue(self, layer: Any) -> Epilogue | None:
        """For an activation whose derivative is a function of y: itself as an epilogue."""
        return None

    def fuse(self, node: Node, reader: Node, lowering: Lowering) -> bool:
        """Whether the node's rows compute its only reader too, which is then written on it."""
        found = lowering.epilogue(reader.layer)
        if found is None or not self.epilogues or node.fused:
            return False
        node.epilogue = found
        return True

    def forward(self, b: Builder, node: Node) -> tuple[Outputs, Any]:
        """Append the rows that compute the outputs."""
        raise NotNative(f"{node.name} has no native form")

    def backward(self, b: Builder, node: Node, record: Any, *dy: Any) -> Any:
        """Append the rows that compute the gradients; return those of the inputs."""
        raise NotNative(f"{node.name} has no native backward")


class Measured(NamedTuple):
    """What steps measure, a number for each of MOST_STEPS: the loss, by what D it was divided (1
    where no row says otherwise), of labels how many answers were right, and how many elements
    counted. Of a lowering the addresses, of a program the arrays."""

    losses: Any
    denominators: Any
    right: Any
    counted: Any


class LossLowering:
    """Rows for a loss: the number itself, and its gradient with respect to y, in one."""

    def loss(
        self, b: Builder, layer: Any, y: Value, t: Value, weights: Address | None, step: Measured
    ) -> Value:
        """Append the rows that store at `step` what it names, and compute dy; return dy. t: targets
        that the batch picks from the data; weights: those of the samples, picked likewise."""
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


def loss_lowering_of(loss: Any) -> LossLowering:
    """The lowering of a loss; NotNative for a layer that has only one of another kind."""
    found = lowering_of(loss)
    if not isinstance(found, LossLowering):
        raise NotNative(f"{type(loss).__name__} has no native form as a loss")
    return found
