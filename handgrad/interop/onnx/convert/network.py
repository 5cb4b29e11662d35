"""The network that an imported file becomes."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np

from handgrad.interop.onnx.convert.expressions import EXPRESSIONS, NoExpression
from handgrad.interop.onnx.convert.forms import FORMS, Form, Seen
from handgrad.interop.onnx.graph import Node
from handgrad.interop.onnx.interpreter import Interpreter, Scope, explained
from handgrad.interop.onnx.operators import Call, Operator
from handgrad.layer import Layer, apply
from handgrad.network import Network
from handgrad.tensor import Tensor

WITHOUT_VALUES = ("Shape", "Size")  # they look at no element
SHOWN = 60  # nodes in the text of a network
FLAT = ("Sign", "Floor", "Ceil", "Round")  # their derivative is 0, where it exists


@dataclass
class Step:
    """One node: the layer that it is (by its key), or the operator that is run."""

    node: Node
    operator: Operator | None
    call: Call | None
    form: Form | None = None
    key: str = ""
    last: tuple[str, ...] = ()  # values that no later step reads
    around: tuple[str, ...] = ()  # values that its subgraphs read, and who runs these
    graphs: Interpreter | None = None


class Interpreted(Layer):
    """An operator that runs in NumPy and has no gradient here.

    Shapes: as the operator's. Gradient: none. Raises ValueError in backward.
    """

    def __init__(self, step: Step):
        self.step = step

    def forward(self, *inputs: Any) -> Any:
        return tuple(np.asarray(y) for y in interpret(self.step, list(inputs)))

    def backward(self, *gradients: Any) -> Any:
        raise ValueError(
            f"onnx: {self.step.node} has no gradient, so what lies before it cannot be trained; "
            "freeze that part (network.freeze), or use the file for predictions alone"
        )


def interpret(step: Step, given: list[Any]) -> tuple[Any, ...]:
    """The outputs of the operator on arrays."""
    assert step.operator is not None
    assert step.call is not None
    call = step.call
    if step.graphs is not None:  # what lies around its subgraphs came as further inputs
        given, around = given[: len(step.node.inputs)], given[len(step.node.inputs) :]
        scope, interpreter = Scope(dict(zip(step.around, around))), step.graphs
        opsets = {**interpreter.model.opsets, step.node.domain: call.opset}
        call = Call(
            step.node,
            call.opset,
            lambda graph, values: interpreter.graph(graph, values, scope, opsets, {}),
        )
    more = {"node": call} if step.operator.takes_node else {}
    with np.errstate(all="ignore"):
        result = step.operator.function(*given, **step.node.attributes, **more)
    return tuple(result) if isinstance(result, tuple | list) else (result,)


def on_tensors(step: Step, given: list[Any]) -> tuple[Any, ...]:
    """The outputs of an operator: an expression on tensors, a layer, or interpreted."""
    node = step.node
    if not any(isinstance(x, Tensor) for x in given):
        return interpret(step, given)
    if node.op in WITHOUT_VALUES:
        return interpret(step, [x.data if isinstance(x, Tensor) else x for x in given])
    result = differentiable(step, given)
    if result is None:
        arrays = [np.asarray(x) if isinstance(x, Tensor) else x for x in given]
        outputs = interpret(step, arrays)
        if node.op in FLAT or not any(y.dtype.kind == "f" for y in outputs):
            return outputs
        result = apply(Interpreted(step), *given)
    return result if isinstance(result, tuple) else (result,)


def differentiable(step: Step, given: list[Any]) -> Any:
    """The outputs by an expression or a layer; None where the operator is neither."""
    expression = None if to_integers(step.node) else EXPRESSIONS.get(step.node.operator)
    if expression is not None:
        more = {"node": step.call} if "node" in signature(expression).parameters else {}
        try:
            return expression(*given, **step.node.attributes, **more)
        except NoExpression:
            return None
    layer = layer_of(step, given)
    return None if layer is None else apply(layer, given[0])


def layer_of(step: Step, given: list[Any]) -> Any:
    """The layer without parameters that a node of one tensor is, None where there is none."""
    make = FORMS.get(step.node.operator)
    if make is None or any(isinstance(x, Tensor) for x in given[1:]):
        return None
    assert step.call is not None
    constants = dict(zip(step.node.inputs[1:], given[1:]))
    form = make(Seen(step.node, step.call.opset, constants, given[0].dtype))
    return None if form is None or form.weights or form.takes != (0,) or form.before else form.layer


class Imported(Network):
    """A network made of the nodes of an ONNX file, with its initializers as parameters.

    Nodes that are layers of ours lie in `nodes`, under their names; other weights are attributes.
    inputs: the names and dtypes of the inputs. batch: the fixed size of the batch in the file.
    """

    def __init__(
        self, steps: list[Step], layers: dict[str, Any], weights: dict[str, str],
        constants: dict[str, Any], inputs: list[tuple[str, Any]], output: str, dtype: Any,
        batch: int | None,
    ):  # fmt: skip
        self.steps, self.nodes, self.weights = steps, layers, weights
        self.constants, self.inputs, self.output = constants, inputs, output
        self.dtype, self.batch = np.dtype(dtype), batch

    def __repr__(self) -> str:
        lines = [f"\n    {self.nodes.get(step.key, step.node)!s}," for step in self.steps[:SHOWN]]
        more = len(self.steps) - SHOWN
        lines += [f"\n    … {more} nodes more"] if more > 0 else []
        names = ", ".join(name for name, _ in self.inputs)
        return f"{type(self).__name__}({names} → {self.output}:{''.join(lines)}\n)"

    def config(self) -> dict[str, Any]:
        """An imported network has no constructor to be called again: the file is its form."""
        raise ValueError(
            "Imported cannot be saved as layers and their arguments; handgrad.onnx.save(network, "
            "path, example=x) writes it as an ONNX file"
        )

    def __call__(self, *inputs: Any) -> Any:
        if len(inputs) != len(self.inputs):
            names = ", ".join(name for name, _ in self.inputs)
            raise ValueError(f"{type(self).__name__}: inputs are {names}, got {len(inputs)}")
        values: dict[str, Any] = dict(self.constants)
        for (name, dtype), x in zip(self.inputs, inputs):
            real = dtype is None or np.dtype(dtype).kind == "f"
            if not isinstance(x, Tensor) and real and np.asarray(x).dtype.kind in "iub":
                x = np.asarray(x).astype(self.dtype)
            values[name] = x
        values.update((name, getattr(self, attribute)) for name, attribute in self.weights.items())
        now = np.shape(inputs[0])[0] if np.ndim(inputs[0]) else None
        for step in self.steps:
            read = (*step.node.inputs, *step.around)
            given = [values[name] if name else None for name in read]
            try:
                outputs = self.run(step, given, now)
            except (ArithmeticError, AttributeError, IndexError, KeyError, np.exceptions.AxisError,
                    ValueError) as error:  # fmt: skip
                raise explained(step.node, given, error) from error
            for name, value in zip(step.node.outputs, outputs):
                if name:
                    values[name] = value
            for name in step.last:
                values.pop(name, None)
        return values[self.output]

    def run(self, step: Step, given: list[Any], batch: int | None) -> tuple[Any, ...]:
        """The outputs of a step: of its layer, of an expression on tensors, or interpreted."""
        form = step.form
        if form is not None and is_real(given[form.takes[0]], self.nodes[step.key]):
            xs = [given[i] for i in form.takes]
            x = form.before(xs[0]) if form.before else xs[0]
            y = apply(self.nodes[step.key], x, *xs[1:])
            result = form.after(y, x) if form.after else y
            return result if isinstance(result, tuple) else (result,)
        if step.node.op == "Reshape" and self.batch is not None:
            given[1] = self.rebatched(given[0], given[1], batch)
        return on_tensors(step, given)

    def rebatched(self, x: Any, shape: Any, batch: int | None) -> Any:
        """A stated shape that begins with the file's fixed batch, for a batch of another size."""
        shape = np.asarray(shape)
        if batch in (None, self.batch) or not shape.size or shape[0] != self.batch:
            return shape
        return np.concatenate([[batch], shape[1:]]) if x.shape and x.shape[0] == batch else shape


def to_integers(node: Node) -> bool:
    """Whether a Cast leaves the real numbers."""
    return node.op == "Cast" and node.attributes.get("to") not in (1, 10, 11, "FLOAT", "DOUBLE")


def is_real(x: Any, layer: Any) -> bool:
    """Whether the layer is meant for x: real numbers, or indices for an embedding."""
    if isinstance(x, Tensor):
        return True
    return np.asarray(x).dtype.kind == "f" or type(layer).__name__ == "Embedding"
