"""load: an ONNX file as a network of our layers, which predicts, is proved, and learns on."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np

from handgrad.arrays import float_dtype
from handgrad.interop.onnx.convert import classical as classical
from handgrad.interop.onnx.convert import forms as forms
from handgrad.interop.onnx.convert import gradient as gradient
from handgrad.interop.onnx.convert import recurrent as recurrent
from handgrad.interop.onnx.convert.build import build, needed
from handgrad.interop.onnx.convert.network import Imported
from handgrad.interop.onnx.graph import Model, Node, read_model
from handgrad.interop.onnx.interpreter import require_operators

__all__ = ["Imported", "load"]


def load(source: Any, *, output: str | None = None, dtype: Any = None) -> Any:
    """The network in an ONNX file (a path, or the bytes), in evaluation mode as exported.

    Nodes become layers of ours with their weights as parameters, where there is such a layer; other
    operators become expressions on tensors; what has no gradient is interpreted, and says so when
    it is trained. A chain of layers is a `Sequential`. output: the name of the output, or of a
    value inside, and what it does not depend on is left out; by default the first output. A
    `ZipMap`, which makes maps of an array, is left out too; `metadata["classes"]` names its
    columns. dtype: of the parameters; by default that of the file, float32 for float16. `metadata`
    holds the file's own.
    Raises FileNotFoundError, and ValueError for a file that is cut, or needs operators, opsets or
    element types that are not known (all named), and for an output that it has not.
    """
    dtype = None if dtype is None else float_dtype(dtype)
    model = read_model(source)
    names, graph = [v.name for v in model.graph.outputs], model.graph
    inside = {name for node in graph.nodes for name in node.outputs} | set(names)
    if output is not None and output not in inside:
        raise ValueError(f"onnx: there is no output {output!r}; there are {', '.join(names)}")
    if not names:
        raise ValueError("onnx: the graph has no output")
    nodes = graph.nodes if output is None else needed(graph.nodes, output)
    nodes = [unzipped(model, node) for node in nodes]
    model = replace(model, graph=replace(graph, nodes=nodes))
    require_operators(model)
    with np.errstate(all="ignore"):  # NaN among the constants is no fault of the reader
        network = build(model, output or names[0], dtype)
    network.metadata = dict(model.metadata)
    return network.eval()


def unzipped(model: Model, node: Node) -> Node:
    """A ZipMap as the array that it takes, its classes among the metadata; any other node."""
    if node.operator != "ai.onnx.ml.ZipMap":
        return node
    classes = node.attributes.get("classlabels_strings") or node.attributes.get(
        "classlabels_int64s", ())  # fmt: skip
    model.metadata.setdefault("classes", json.dumps(list(classes)))
    return Node("Identity", "", node.inputs, node.outputs, {}, node.name)
