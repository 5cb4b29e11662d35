"""load: an ONNX file as a network of our layers, which predicts, is proved, and learns on."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import float_dtype
from handgrad.interop.onnx.convert import classical as classical
from handgrad.interop.onnx.convert import forms as forms
from handgrad.interop.onnx.convert import gradient as gradient
from handgrad.interop.onnx.convert import recurrent as recurrent
from handgrad.interop.onnx.convert.build import build
from handgrad.interop.onnx.convert.network import Imported
from handgrad.interop.onnx.graph import read_model
from handgrad.interop.onnx.interpreter import require_operators

__all__ = ["Imported", "load"]


def load(source: Any, *, output: str | None = None, dtype: Any = None) -> Any:
    """The network in an ONNX file (a path, or the bytes), in evaluation mode as exported.

    Nodes become layers of ours with their weights as parameters, where there is such a layer;
    other operators become expressions on tensors; what has no gradient is interpreted, and says so
    when it is trained. A chain of layers is a `Sequential`. output: the name of the output, by
    default the first. dtype: of the parameters; by default that of the file, float32 for float16.
    `metadata` holds the file's own.
    Raises FileNotFoundError, and ValueError for a file that is cut, or needs operators, opsets or
    element types that are not known (all named), and for an output that it has not.
    """
    dtype = None if dtype is None else float_dtype(dtype)
    model = read_model(source)
    require_operators(model)
    names = [v.name for v in model.graph.outputs]
    if output is not None and output not in names:
        raise ValueError(f"onnx: there is no output {output!r}; there are {', '.join(names)}")
    if not names:
        raise ValueError("onnx: the graph has no output")
    with np.errstate(all="ignore"):  # NaN among the constants is no fault of the reader
        network = build(model, output or names[0], dtype)
    network.metadata = dict(model.metadata)
    return network.eval()
