"""Forms: how a layer becomes calls of C functions, forward with backward below it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handgrad.compile.trace import Node
from handgrad.compile.values import NotNative, Value
from handgrad.interop.c.writer import Writer

FORMS: dict[type, Any] = {}


class Form:
    """A layer as calls. The node has its inputs and outputs as values of this program.

    forward returns the output (or several); backward the gradients of the inputs, None for those
    that are not needed. What backward needs besides is left in node.record.
    """

    integers: tuple[int, ...] = ()  # which inputs may be integers: ids, masks

    def forward(self, c: Writer, node: Node) -> Any:
        """Append the calls that compute the output."""
        raise NotNative("no form in C")

    def backward(self, c: Writer, node: Node, *dy: Any) -> Any:
        """Append the calls that compute the gradients."""
        raise NotNative("no backward in C")


def exports(*layers: type) -> Callable[[type], type]:
    """Enter a form for these classes of layers."""

    def enter(cls: type) -> type:
        for layer in layers:
            FORMS[layer] = cls()
        return cls

    return enter


def form_of(node: Node) -> Form:
    """The form of a node's layer: of its very class, for a subclass may compute something else."""
    found = FORMS.get(type(node.layer))
    if found is None:
        raise NotNative("no form in C")
    form: Form = found
    if any(v is not None and v.integer and i not in form.integers
           for i, v in enumerate(node.inputs)):  # fmt: skip
        raise NotNative("integers as input")
    if any(v is None and given is not None for v, given in zip(node.inputs, node.given)):
        raise NotNative("an input that Python computes, not a layer")
    return form


def output(c: Writer, node: Node, shape: tuple[int, ...] | None = None) -> Value:
    """A new value for the node's output."""
    return c.value(shape or ints(node.outputs[0].shape), f"y{node.number}")


def input_gradient(c: Writer, node: Node, i: int = 0) -> Value | None:
    """A new value for the gradient of an input; None where it is not needed."""
    if not node.needs_input_grad[i]:
        return None
    x = node.inputs[i]
    maker = x.made_by
    name = f"dy{maker.number}" if maker is not None else "dx"
    return c.value(ints(x.shape), name)


def ints(shape: Any) -> tuple[int, ...]:
    """A shape of this program: it has lengths alone."""
    return tuple(int(n) for n in shape)
