"""load_training: an ONNX file that goes on learning, step by step."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.arrays import Stream
from handgrad.interop.onnx.convert import gradient as gradient
from handgrad.interop.onnx.convert import load
from handgrad.interop.onnx.graph import Graph, Model, bare, model_of, require_bytes
from handgrad.interop.onnx.interpreter import Interpreter
from handgrad.interop.onnx.messages import Message
from handgrad.interop.onnx.operators.random import unseeded
from handgrad.interop.onnx.tensors import External, tensor_of
from handgrad.interop.onnx.wire import WireError, read, write
from handgrad.train.write import write_whole


class Training:
    """A training graph with its present values.

    step(x, …, t): one execution; returns the loss, its first output. `values` holds the
    initializers by name: parameters, accumulated gradients, learning rate, step number.
    """

    def __init__(self, message: Message, model: Model):
        training = model.training[0]
        self.message, self.bindings = message, training["update"]
        graph = joined(model)
        self.values, inputs = graph.initializers, graph.inputs
        self.inputs = [v.name for v in inputs]
        self.outputs = [v.name for v in graph.outputs]
        self.stream = Stream(layer=int(np.max(self.values.get("step", 0))))  # of masks
        self.interpreter = Interpreter(Model(graph, model.opsets, model.functions))
        produced = {o for n in graph.nodes for o in n.outputs}
        for name, output in self.bindings.items():
            if name not in self.values or output not in produced:
                raise ValueError(f"onnx: the update of {name!r} by {output!r} names nothing")

    def step(self, *arrays: Any) -> float:
        """Learn from one batch. Raises ValueError for inputs that do not fit."""
        if len(arrays) != len(self.inputs):
            raise ValueError(f"onnx: step takes {', '.join(self.inputs)}, got {len(arrays)}")
        wanted = [self.outputs[0], *self.bindings.values()]
        token = unseeded.set(self.stream)
        try:
            loss, *new = self.interpreter.run(dict(zip(self.inputs, arrays)), wanted)
        finally:
            unseeded.reset(token)
        for name, value in zip(self.bindings, new):
            old = self.values[name]
            if np.shape(value) != old.shape:
                raise ValueError(f"onnx: {name!r} has shape {old.shape}, its update {value.shape}")
            self.values[name] = np.asarray(value, old.dtype)
        self.interpreter.model.graph.initializers = self.values
        return float(np.asarray(loss).reshape(-1)[0])

    def network(self) -> Any:
        """The network with the present parameters, as `load` makes it."""
        return load(b"".join(bytes(p) for p in write(self.updated())))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the file with the present values."""
        write_whole(Path(path), b"".join(bytes(p) for p in write(self.updated())))
        return Path(path)

    def updated(self) -> Message:
        """The model's message with the present values."""
        graphs: Sequence[Message] = (self.message.graph, self.message.training_info[0].algorithm)
        for graph in graphs:
            graph.initializer = [tensor_of(t.name, self.values[t.name]) for t in graph.initializer]
        return self.message


def joined(model: Model) -> Graph:
    """The model's graph and its training graph as one, which has copies of all values."""
    main, algorithm = model.graph, model.training[0]["algorithm"]
    values = {n: np.array(a) for n, a in {**main.initializers, **algorithm.initializers}.items()}
    inputs = [v for v in (*main.inputs, *algorithm.inputs) if v.name not in values]
    return Graph([*main.nodes, *algorithm.nodes], inputs, algorithm.outputs, values)


def load_training(source: Any) -> Training:
    """The training graph of an ONNX file (a path, or the bytes), ready to go on.

    Raises FileNotFoundError, and ValueError as `load` does, or where there is no training graph.
    """
    from_path = isinstance(source, str | os.PathLike)
    if from_path and not Path(source).is_file():
        raise FileNotFoundError(f"onnx: there is no file {source}")
    data = Path(source).read_bytes() if from_path else require_bytes(source)
    try:
        message = read(data)
    except WireError as error:
        named = source if from_path else "the bytes"
        raise WireError(f"{named}: not a whole ONNX file: {bare(error)}") from None
    folder = Path(source).parent if from_path else None
    model = model_of(message, External(folder))
    if not model.training or model.training[0]["algorithm"] is None:
        raise ValueError("onnx: the file has no training graph; handgrad.onnx.load takes it")
    return Training(message, model)
