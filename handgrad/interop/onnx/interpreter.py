"""Running a model over NumPy, node by node, by the table of operators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np

from handgrad.interop.onnx.graph import Function, Graph, Model, Node, Reference, all_nodes
from handgrad.interop.onnx.operators import Call, find

DEPTH = 64  # functions and subgraphs inside each other


class Scope:
    """Values by name; a subgraph sees those of the graph around it."""

    def __init__(self, values: dict[str, Any], outer: Scope | None = None, graph: Any = None):
        self.values, self.outer, self.graph = values, outer, graph

    def __getitem__(self, name: str) -> Any:
        scope: Scope | None = self
        while scope is not None:
            if name in scope.values:
                return scope.values[name]
            scope = scope.outer
        raise ValueError(f"onnx: nothing is called {name!r} where it is used")


class Interpreter:
    """A model that was checked: `run(feeds)` gives its outputs by name.

    Raises ValueError naming every operator that is missing, with its nodes.
    """

    def __init__(self, model: Model):
        self.model, self.depth = model, 0
        require_operators(model)

    def run(self, feeds: Mapping[str, Any], outputs: Sequence[str] | None = None) -> list[Any]:
        """The outputs (by default all) for these inputs."""
        graph = self.model.graph
        given = require_inputs(graph, feeds)
        scope = Scope({**graph.initializers, **given}, graph=graph)
        names = [v.name for v in graph.outputs] if outputs is None else list(outputs)
        with np.errstate(all="ignore"):
            self.nodes(graph.nodes, scope, self.model.opsets, {}, names)
            return [scope[name] for name in names]

    def nodes(
        self, nodes: list[Node], scope: Scope, opsets: dict[str, int],
        attributes: dict[str, Any], keep: Sequence[str],
    ) -> None:  # fmt: skip
        """Run nodes in order; values that no later node needs are let go."""
        left = Counter(name for n in nodes for name in n.inputs)
        left.update(keep)
        held = any(a.op == "Gradient" for a in nodes)
        closed = {name for n in nodes for inner in [*all_nodes([n])][1:] for name in inner.inputs}
        for node in nodes:
            results = self.node(node, scope, opsets, attributes)
            for name, value in zip(node.outputs, results):
                if name:
                    scope.values[name] = value
            for name in node.inputs:
                left[name] -= 1
                if not left[name] and name not in closed and not held:
                    scope.values.pop(name, None)

    def node(
        self, node: Node, scope: Scope, opsets: dict[str, int], attributes: dict[str, Any]
    ) -> tuple[Any, ...]:
        """The outputs of one node."""
        inputs = [scope[name] if name else None for name in node.inputs]
        given = bound(node.attributes, attributes)
        function = self.model.functions.get((node.domain, node.op, node.overload))
        try:
            if function is not None:
                return self.function(function, inputs, given)
            entry = find(node.domain, node.op, opsets.get(node.domain, 1))
            assert entry is not None
            call = Call(
                node, opsets.get(node.domain, 1),
                lambda graph, values: self.graph(graph, values, scope, opsets, attributes), scope,
                opsets,
            )  # fmt: skip
            more = {"node": call} if entry.takes_node else {}
            result = entry.function(*inputs, **given, **more)
        except (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError,
                np.exceptions.AxisError, MemoryError) as error:  # fmt: skip
            raise explained(node, inputs, error) from error
        if isinstance(result, tuple | list):
            return tuple(result)
        return (result,)

    def graph(
        self, graph: Graph, values: Sequence[Any], outer: Scope, opsets: dict[str, int],
        attributes: dict[str, Any],
    ) -> list[Any]:  # fmt: skip
        """The outputs of a subgraph, which sees the values around it."""
        names = [v.name for v in graph.inputs]
        scope = Scope({**graph.initializers, **dict(zip(names, values))}, outer, graph)
        outputs = [v.name for v in graph.outputs]
        self.deeper(lambda: self.nodes(graph.nodes, scope, opsets, attributes, outputs))
        return [scope[name] for name in outputs]

    def function(self, f: Function, inputs: list[Any], given: dict[str, Any]) -> tuple[Any, ...]:
        """The outputs of an operator that the file defines."""
        padded = [*inputs, *[None] * (len(f.inputs) - len(inputs))]
        scope = Scope(dict(zip(f.inputs, padded)))
        opsets = {**self.model.opsets, **f.opsets}
        self.deeper(lambda: self.nodes(f.nodes, scope, opsets, {**f.defaults, **given}, f.outputs))
        return tuple(scope[name] for name in f.outputs)

    def deeper(self, run: Callable[[], None]) -> None:
        """Run something inside; not without end."""
        if self.depth >= DEPTH:
            raise ValueError(f"onnx: functions and graphs lie more than {DEPTH} deep")
        self.depth += 1
        try:
            run()
        finally:
            self.depth -= 1


def bound(attributes: dict[str, Any], outer: dict[str, Any]) -> dict[str, Any]:
    """Attributes with those of the function's caller in them; one that is not given is left out."""
    if not any(isinstance(v, Reference) for v in attributes.values()):
        return attributes
    found = {}
    for name, value in attributes.items():
        if not isinstance(value, Reference):
            found[name] = value
        elif value.name in outer:
            found[name] = outer[value.name]
    return found


def explained(node: Node, inputs: list[Any], error: BaseException) -> ValueError:
    """An error in one line, with the node and what came in."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    if text.startswith("onnx: "):
        return ValueError(text)
    shapes = ", ".join("none" if x is None else f"{getattr(x, 'dtype', type(x).__name__)}"
                       f"{list(np.shape(x))}" for x in inputs[:6])  # fmt: skip
    return ValueError(f"onnx: {node} cannot run on ({shapes}): {text}")


def require_operators(model: Model) -> None:
    """Raise ValueError naming all that is missing: operators, attributes."""
    missing: dict[str, list[str]] = {}
    wrong: list[str] = []
    bodies = [(model.graph.nodes, model.opsets)]
    bodies += [(f.nodes, {**model.opsets, **f.opsets}) for f in model.functions.values()]
    for training in model.training:
        graphs = (training["initialization"], training["algorithm"])
        bodies += [(g.nodes, model.opsets) for g in graphs if g is not None]
    for nodes, opsets in bodies:
        for node in all_nodes(nodes):
            if (node.domain, node.op, node.overload) in model.functions:
                continue
            entry = find(node.domain, node.op, opsets.get(node.domain, 1))
            if entry is None:
                missing.setdefault(node.operator, []).append(
                    node.name or next(iter(node.outputs), "")
                )
                continue
            unknown = node.attributes.keys() - entry.attributes
            wrong += [f"{node} has no attribute {name!r}" for name in sorted(unknown)]
            few, many = entry.inputs
            given = [i for i, name in enumerate(node.inputs) if name]
            if len(node.inputs) > many or any(i not in given for i in range(few)):
                wrong.append(f"{node} has inputs {node.inputs[:8]}, which are too few or too many")
            if not node.outputs:
                wrong.append(f"{node} has no output")
            lost = [name for name in entry.required if name not in node.attributes]
            wrong += [f"{node} needs the attribute {name!r}" for name in lost]
    if missing:
        named = "; ".join(
            f"{op} ({', '.join(map(repr, names[:5]))}{', …' * (len(names) > 5)})"
            for op, names in sorted(missing.items())
        )
        hint = "; a ZipMap turns an array into maps: load(path) takes the array" * (
            "ai.onnx.ml.ZipMap" in missing)  # fmt: skip
        raise ValueError(f"onnx: operators that are not known, with their nodes: {named}{hint}")
    if wrong:
        raise ValueError(f"onnx: {'; '.join(wrong[:10])}")


def require_inputs(graph: Graph, feeds: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs as arrays. Raises ValueError for one too few, too many or of another type."""
    known = {v.name: v for v in graph.inputs}
    needed = [name for name in known if name not in graph.initializers]
    if missing := [name for name in needed if name not in feeds]:
        raise ValueError(f"onnx: inputs are missing: {', '.join(missing)}")
    for name in feeds.keys() - known.keys() - graph.initializers.keys():
        lower = {n.lower(): n for n in known}
        close = [lower[n] for n in get_close_matches(name.lower(), lower, 1)]
        raise ValueError(
            f"onnx: there is no input {name!r}; " + (f"{close[0]!r} was meant" if close else
            f"there are {', '.join(known)}")
        )  # fmt: skip
    arrays = {}
    for name, given in feeds.items():
        array = given if isinstance(given, list) or given is None else np.asarray(given)
        value = known.get(name)
        if value is not None and value.dtype is not None and not isinstance(array, list):
            arrays[name] = _fitting(array, value)
        else:
            arrays[name] = array
    return arrays


def _fitting(array: Any, value: Any) -> Any:
    """An input of the dtype and shape that the graph states."""
    if array.dtype != value.dtype:
        raise ValueError(f"onnx: input {value.name!r} must be {value.dtype}, got {array.dtype}")
    shape = value.shape
    if shape is not None and (
        len(shape) != array.ndim
        or any(isinstance(n, int) and n not in (0, m) for n, m in zip(shape, array.shape))
    ):
        raise ValueError(
            f"onnx: input {value.name!r} must have the shape {shape}, got {array.shape}"
        )
    return array
