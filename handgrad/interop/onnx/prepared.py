"""The standard backend interface: `prepare(model).run(inputs)`, by the interpreter in NumPy."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from handgrad.interop.onnx.convert import gradient as gradient  # the operator Gradient
from handgrad.interop.onnx.graph import Model, read_model
from handgrad.interop.onnx.interpreter import Interpreter


class Prepared:
    """A model that was read and checked, ready to run."""

    def __init__(self, model: Model):
        self.model, self.interpreter = model, Interpreter(model)
        graph = model.graph
        self.inputs = [v.name for v in graph.inputs if v.name not in graph.initializers]
        self.outputs = [v.name for v in graph.outputs]

    def run(self, inputs: Any, **options: Any) -> tuple[Any, ...]:
        """The outputs for inputs by order, by name, or for a single array."""
        if isinstance(inputs, np.ndarray):
            inputs = [inputs]
        if not isinstance(inputs, Mapping | Sequence) or isinstance(inputs, str):
            raise ValueError(
                "onnx: inputs must be an array, a list of arrays, or arrays by name, got "
                f"{type(inputs).__name__}"
            )
        if not isinstance(inputs, Mapping):
            inputs = self.named(inputs)
        return tuple(self.interpreter.run(inputs))

    def named(self, inputs: Sequence[Any]) -> dict[str, Any]:
        """Inputs by name. Raises ValueError for another number of them."""
        every = [v.name for v in self.model.graph.inputs]
        names = self.inputs if len(inputs) <= len(self.inputs) else every
        if len(inputs) != len(names):
            raise ValueError(
                f"onnx: {len(self.inputs)} inputs are needed ({', '.join(self.inputs)}), got "
                f"{len(inputs)}"
            )
        return dict(zip(names, inputs))


def source_of(model: Any) -> Any:
    """A path or bytes; the bytes of a model that the onnx package holds."""
    if isinstance(model, str | os.PathLike | bytes | bytearray | memoryview):
        return model
    return model.SerializeToString() if hasattr(type(model), "SerializeToString") else model


def prepare(model: Any, device: str = "CPU", **options: Any) -> Prepared:
    """A model (of the onnx package, a path, or bytes) that can run.

    Raises ValueError for operators that are not known, all of them named, or another device.
    """
    if not supports_device(device):
        raise ValueError(f"onnx: device must be 'CPU', got {device!r}")
    return Prepared(read_model(source_of(model)))


def supports_device(device: str) -> bool:
    """Whether a model can run there: on "CPU"."""
    return device.split(":")[0].upper() == "CPU"


def run_model(model: Any, inputs: Any, device: str = "CPU", **options: Any) -> tuple[Any, ...]:
    """prepare and run."""
    return prepare(model, device).run(inputs)


def __getattr__(name: str) -> Any:
    if name == "backend":  # its base class is the onnx package's, which need not be there
        return standard_backend()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@cache
def standard_backend() -> Any:
    """A subclass of `onnx.backend.base.Backend`, which the onnx package's own tests take."""
    from onnx.backend.base import Backend, BackendRep
    from onnx.helper import make_graph, make_model, make_opsetid, make_tensor_value_info
    from onnx.helper import np_dtype_to_tensor_dtype as code

    base: Any = Backend
    rep: Any = BackendRep

    class HandgradRep(Prepared, rep):
        """A prepared model as the onnx package names it."""

    class HandgradBackend(base):
        """ONNX models in NumPy."""

        @classmethod
        def prepare(cls, model: Any, device: str = "CPU", **options: Any) -> Any:
            return HandgradRep(prepare(model, device).model)

        @classmethod
        def supports_device(cls, device: str) -> bool:
            return supports_device(device)

        @classmethod
        def run_model(cls, model: Any, inputs: Any, device: str = "CPU", **options: Any) -> Any:
            return run_model(model, inputs, device)

        @classmethod
        def run_node(
            cls, node: Any, inputs: Any, device: str = "CPU", outputs_info: Any = None,
            opset: int = 28, **options: Any,
        ) -> Any:  # fmt: skip
            names = [n for n in node.input if n]
            infos = [make_tensor_value_info(n, code(np.asarray(x).dtype), np.shape(x))
                     for n, x in zip(names, inputs)]  # fmt: skip
            results = [make_tensor_value_info(n, 0, None) for n in node.output if n]
            graph = make_graph([node], "node", infos, results)
            made = make_model(graph, opset_imports=[make_opsetid(node.domain, opset)])
            return run_model(made, [np.asarray(x) for x in inputs], device)

    return HandgradBackend
