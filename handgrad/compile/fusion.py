"""Fusion: a node whose result only the next one reads may compute that one in its own rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from handgrad.compile.lowering.python import PythonRows
from handgrad.compile.lowering.registry import Lowering, lowering_of
from handgrad.compile.trace import Node
from handgrad.compile.values import NotNative

_PYTHON = PythonRows()


def lowering(node: Node) -> Lowering:
    """The lowering of a node. Raises NotNative where there is none; losses end a network."""
    found = _PYTHON if node.python else lowering_of(node.layer)
    if not isinstance(found, Lowering):
        raise NotNative(f"{node.name} inside the network")
    return found


@contextmanager
def naming(node: Node) -> Iterator[None]:
    """A reason that comes from inside gets the node's number."""
    try:
        yield
    except NotNative as reason:
        if reason.number is None:
            reason.number = node.number
        raise


def fuse(nodes: list[Node]) -> list[Node]:
    """The nodes without those that others compute now.

    Each lowering decides what its rows can compute besides, and writes it on the node.
    """
    left: list[Node] = []
    for node in nodes:
        maker = _only_maker(node)
        with naming(node):
            found = lowering(node)
        if maker is not None and lowering(maker).fuse(maker, node, found):
            maker.fused += (type(node.layer).__name__,)
            maker.outputs = node.outputs
            node.outputs[0].made_by = maker
        else:
            left.append(node)
    return left


def _only_maker(node: Node) -> Node | None:
    """The node that makes the only input of this one, if nothing else reads it."""
    if len(node.inputs) != 1 or node.inputs[0] is None or node.inputs[0].uses != 1:
        return None
    maker: Node | None = node.inputs[0].made_by
    return maker
