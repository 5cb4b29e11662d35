"""A model as plain data: graphs of nodes with their attributes as Python values."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.interop.onnx.messages import Message
from handgrad.interop.onnx.operators.registry import NEWEST
from handgrad.interop.onnx.tensors import DTYPES, External, array_of, dense, mapped
from handgrad.interop.onnx.wire import WireError, read

SPELLED = {"ai.onnx": ""}  # two names of one domain


@dataclass(frozen=True)
class Reference:
    """An attribute's value that a function is given by its caller."""

    name: str


@dataclass
class Node:
    """One use of an operator."""

    op: str
    domain: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]
    name: str = ""
    overload: str = ""
    opset: int | None = None  # where it is not the model's

    def __str__(self) -> str:
        """The node as messages name it."""
        called = self.name or next((o for o in self.outputs if o), "")
        return f"{self.operator} {called!r}" if called else self.operator

    @property
    def operator(self) -> str:
        """The operator's name with its domain, on one line whatever is in it."""
        full = f"{self.domain}.{self.op}" if self.domain else self.op
        return "".join(c if c.isprintable() else "?" for c in full)


@dataclass(frozen=True)
class Value:
    """What goes in or out: a name, a dtype (None: no tensor of numbers), dimensions."""

    name: str
    dtype: Any = None
    shape: tuple[int | str, ...] | None = None


@dataclass
class Graph:
    """Nodes in the order in which they run."""

    nodes: list[Node]
    inputs: list[Value]
    outputs: list[Value]
    initializers: dict[str, Any]
    name: str = ""


@dataclass
class Function:
    """An operator that the file defines by nodes of others."""

    inputs: list[str]
    outputs: list[str]
    nodes: list[Node]
    defaults: dict[str, Any]
    opsets: dict[str, int]


@dataclass
class Model:
    """A file: the graph, the opset of each domain, functions, metadata, training graphs."""

    graph: Graph
    opsets: dict[str, int]
    functions: dict[tuple[str, str, str], Function] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    training: list[Any] = field(default_factory=list)
    ir_version: int = 0
    producer: str = ""


def read_model(source: Any) -> Model:
    """A model from a path, or from the bytes of a file.

    Raises FileNotFoundError, and ValueError where the bytes are no model that can be run.
    """
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        if not path.is_file():
            raise FileNotFoundError(f"onnx: there is no file {path}")
        try:
            message = read(mapped(path))
        except WireError as error:
            raise WireError(f"{path}: not a whole ONNX file: {bare(error)}") from None
        try:
            return model_of(message, External(path.parent))
        except ValueError as error:
            raise type(error)(f"{path}: {bare(error)}") from None
    return model_of(read(require_bytes(source)), External(None))


def bare(error: ValueError) -> str:
    """What an error says, where the file is named before it."""
    return str(error).removeprefix("onnx: ")


def require_bytes(source: Any) -> Any:
    """The bytes of a file. Raises ValueError for what is neither they nor a path."""
    if not isinstance(source, bytes | bytearray | memoryview):
        raise ValueError(
            f"onnx: the path of a file, or its bytes, is needed, got {type(source).__name__}"
        )
    return source


def model_of(message: Message, files: External) -> Model:
    """The plain data of a message."""
    if message.graph is None:
        raise ValueError("onnx: the file has no graph")
    functions = {}
    for f in message.functions:
        defaults = {a.name: attribute_of(a, files) for a in f.attribute_proto}
        functions[_domain(f.domain), f.name, f.overload] = Function(
            list(f.input), list(f.output), [node_of(n, files) for n in f.node], defaults,
            opsets_of(f.opset_import),
        )  # fmt: skip
    training = [
        {
            "initialization": t.initialization and graph_of(t.initialization, files),
            "algorithm": t.algorithm and graph_of(t.algorithm, files),
            "initialize": {e.key: e.value for e in t.initialization_binding},
            "update": {e.key: e.value for e in t.update_binding},
        }
        for t in message.training_info
    ]
    opsets = opsets_of(message.opset_import) or {"": 1}
    model = Model(
        graph_of(message.graph, files), opsets, functions,
        {e.key: e.value for e in message.metadata_props}, training, message.ir_version,
        message.producer_name,
    )  # fmt: skip
    own = {domain for domain, _, _ in functions}
    for domain, version in opsets.items():
        if version > NEWEST.get(domain, version) and domain not in own:
            raise ValueError(
                f"onnx: opset {version} of {domain or 'ai.onnx'} is newer than "
                f"{NEWEST[domain]}, the newest that is known; export with opset_version="
                f"{NEWEST[domain]}"
            )
    return model


def _domain(name: str) -> str:
    return SPELLED.get(name, name)


def opsets_of(imports: list[Message]) -> dict[str, int]:
    """The version of each domain."""
    return {_domain(o.domain): o.version for o in imports}


def graph_of(message: Message, files: External) -> Graph:
    """A graph message as plain data."""
    initializers = {t.name: array_of(t, files) for t in message.initializer}
    for sparse in message.sparse_initializer:
        if sparse.values is not None:
            initializers[sparse.values.name] = dense(sparse, files)
    return Graph(
        [node_of(n, files) for n in message.node], [value_of(v) for v in message.input],
        [value_of(v) for v in message.output], initializers, message.name,
    )  # fmt: skip


def node_of(message: Message, files: External) -> Node:
    """A node message as plain data."""
    attributes = {a.name: attribute_of(a, files) for a in message.attribute}
    return Node(
        message.op_type, _domain(message.domain), list(message.input), list(message.output),
        attributes, message.name, message.overload,
    )  # fmt: skip


ATTRIBUTE = {
    1: "f", 2: "i", 3: "s", 4: "t", 5: "g", 6: "floats", 7: "ints", 8: "strings", 9: "tensors",
    10: "graphs", 11: "sparse_tensor", 13: "tp",
}  # fmt: skip


def attribute_of(message: Message, files: External) -> Any:
    """An attribute's value in Python's own types; a graph, an array or a reference."""
    if message.ref_attr_name:
        return Reference(message.ref_attr_name)
    kind = ATTRIBUTE.get(message.type)
    if kind is None:  # files before IR version 2 left the type out
        kind = next((k for k in ATTRIBUTE.values() if message.has(k)), "i")
    value = getattr(message, kind)
    if value is None:
        raise ValueError(f"onnx: attribute {message.name!r} has no value")
    convert: dict[str, Any] = {
        "s": _text, "strings": lambda v: [_text(s) for s in v], "t": lambda t: array_of(t, files),
        "tensors": lambda v: [array_of(t, files) for t in v], "g": lambda g: graph_of(g, files),
        "graphs": lambda v: [graph_of(g, files) for g in v],
        "floats": lambda v: [float(x) for x in v], "ints": lambda v: [int(x) for x in v],
        "sparse_tensor": lambda v: dense(v, files),
    }  # fmt: skip
    return convert.get(kind, lambda v: v)(value)


def _text(data: Any) -> str:
    return str(bytes(data), "utf-8", "replace")


def value_of(message: Message) -> Value:
    """An input or output: its name, dtype and shape as far as the file says them."""
    kind = message.type
    tensor = kind.tensor_type if kind is not None else None
    if tensor is None:
        return Value(message.name)
    dtype = np.dtype(DTYPES[tensor.elem_type]) if tensor.elem_type in DTYPES else None
    shape = None
    if tensor.shape is not None:
        shape = tuple(
            d.dim_value if d.has("dim_value") and d.dim_value >= 0 else d.dim_param or "?"
            for d in tensor.shape.dim
        )
    return Value(message.name, dtype, shape)


def subgraphs(node: Node) -> Iterator[Graph]:
    """The graphs in a node's attributes."""
    for value in node.attributes.values():
        if isinstance(value, Graph):
            yield value
        elif isinstance(value, list):
            yield from (v for v in value if isinstance(v, Graph))


def all_nodes(nodes: list[Node]) -> Iterator[Node]:
    """All nodes, with those of subgraphs."""
    for node in nodes:
        yield node
        for graph in subgraphs(node):
            yield from all_nodes(graph.nodes)
