"""verify: the first layer in which a network and an ONNX file part, with both numbers."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.interop.compared import Compared, Verification, compare
from handgrad.interop.onnx.convert import gradient as gradient  # the operator Gradient
from handgrad.interop.onnx.convert.training import joined
from handgrad.interop.onnx.graph import Graph, Model, Node, read_model
from handgrad.interop.onnx.interpreter import Interpreter
from handgrad.layer import as_input, is_layer, slots, walk
from handgrad.network import Network
from handgrad.tensor import Tensor, calls_behind, learning

STEP = 1e-6  # of a central difference in float64
KINK = 1e-3  # of the derivatives, by which those from both sides differ where there is none


def verify(
    network: Network, against: str | os.PathLike[str], x: Any, *, loss: Any = None,
    gradients: bool = True, seed: int = 0,
) -> Verification:  # fmt: skip
    """Hold every layer's output and gradient against those of an ONNX file.

    A layer is found in the file by its name there, where the network was loaded from it or the
    file was written from it; else by order: the next value of the same shape. Gradients of layers'
    outputs, of the inputs, and of parameters that the file has under their names, are compared
    with central differences of the file, run in float64, along one random direction each.
    x: an input (N, …), or a tuple of several. loss: with a file that has a training graph, whose
    gradients are then compared: x is (x, …, t), and ours are of this loss. gradients: False leaves
    them out, which run a large file three times for each layer.
    Raises FileNotFoundError, and ValueError where the file cannot be run on these inputs.
    """
    if not isinstance(network, Network):
        raise ValueError(f"verify: network must be a Network, got {type(network).__name__}")
    model = read_model(against)
    given = list(x) if isinstance(x, tuple | list) else [x]
    if loss is not None and not (is_layer(loss) and len(given) > 1):
        raise ValueError("verify: with a loss of ours, x is (x, …, t), and t are its targets")
    t = given.pop() if loss is not None else None
    require_number(model, len(given))
    network.build(*given)
    wide = network.astype(np.float64)
    ours = _Ours(wide, [as_input(a, np.float64) for a in given], seed)
    theirs = _File(model, ours.inputs)
    found = _matched(ours, theirs)
    rows = [compare(label, "output", y.data, theirs.values[name], theirs.rtol)
            for label, y, name in found]  # fmt: skip
    rows.append(compare("the network", "output", ours.y.data, theirs.output, theirs.rtol))
    if gradients and all(row.right for row in rows):
        if loss is None:
            rows += _numerical(ours, theirs, found, np.random.default_rng(seed + 1))
        else:
            rows += _trained(wide, model, given, t, loss)
    return Verification(rows)


def require_number(model: Model, count: int) -> None:
    """Raise ValueError unless the file takes so many inputs."""
    names = [v.name for v in model.graph.inputs if v.name not in model.graph.initializers]
    if len(names) != count:
        raise ValueError(f"verify: the file takes {', '.join(names)}, got {count} inputs")


class _Ours:
    """The network's run: the layers that were used, in order, with their outputs."""

    def __init__(self, network: Network, inputs: list[Any], seed: int):
        self.network, self.inputs = network, inputs
        self.given = [Tensor(a) if a.dtype.kind == "f" else a for a in inputs]
        with network.evaluating(), learning():
            y = network(*self.given)
        self.y: Any = y[0] if isinstance(y, tuple) else y
        paths = {id(layer): (path, layer) for path, layer in walk(network) if path}
        self.calls: list[tuple[str, Any, Any]] = []
        for call in calls_behind(self.y):
            if id(call.original) in paths and (output := call.outputs[0]()) is not None:
                self.calls.append((*paths[id(call.original)], output))
        self.dy = np.random.default_rng(seed).standard_normal(self.y.data.shape)
        self.y.backward(self.dy, retain=True)


class _File:
    """The file in float64: all values of its graph by name, and again with one of them changed."""

    def __init__(self, model: Model, inputs: list[Any]):
        graph = model.graph
        halves = any(np.asarray(a).dtype == np.float16 for a in graph.initializers.values())
        self.rtol = 1e-2 if halves else 1e-5
        wide = {n: _wide(a) for n, a in graph.initializers.items()}
        names = [v.name for v in graph.inputs if v.name not in wide]
        self.graph = Graph([_uncast(n) for n in graph.nodes],
                           [replace(v, dtype=None) for v in graph.inputs], graph.outputs, wide,
                           graph.name)  # fmt: skip
        self.model = replace(model, graph=self.graph)
        self.feeds = dict(zip(names, inputs))
        self.order = [o for n in graph.nodes for o in n.outputs if o]
        made = Interpreter(self.model).run(self.feeds, self.order)
        self.values = {n: np.asarray(a) for n, a in zip(self.order, made)}
        self.output = self.values.get(graph.outputs[0].name, np.zeros(0))

    def value(self, name: str) -> Array:
        """A value, an input or a weight."""
        found: Array = {**self.feeds, **self.graph.initializers, **self.values}[name]
        return found

    def derivative(self, name: str, direction: Array, dy: Array) -> float | None:
        """The derivative of Σ output · dy along a direction of a value; None at a kink."""
        value = self.value(name)
        kept = [n for n in self.graph.nodes if name not in n.outputs]
        points = [self._run(kept, name, value + s * STEP * direction) for s in (-1, 0, 1)]
        below, here, above = (float(np.sum(y * dy)) for y in points)
        left, right = (here - below) / STEP, (above - here) / STEP
        if abs(right - left) > KINK * (abs(left) + abs(right) + float(np.abs(dy).max())):
            return None
        return (above - below) / (2 * STEP)

    def _run(self, nodes: list[Any], name: str, value: Array) -> Any:
        given = {**self.graph.initializers, name: value}
        inputs = [v for v in self.graph.inputs if v.name != name]
        graph = Graph(nodes, inputs, self.graph.outputs, given)
        feeds = {n: a for n, a in self.feeds.items() if n != name}
        output = self.graph.outputs[0].name
        if output == name:
            return value
        return Interpreter(replace(self.model, graph=graph)).run(feeds, [output])[0]


def _wide(a: Any) -> Any:
    array = np.asarray(a)
    return array.astype(np.float64) if array.dtype.kind == "f" else a


def _uncast(node: Node) -> Node:
    """A Cast to less than float64 among real numbers rounds no more."""
    if node.op == "Cast" and node.attributes.get("to") in (1, 10):
        return replace(node, attributes={**node.attributes, "to": 11})
    return node


def _matched(ours: _Ours, theirs: _File) -> list[tuple[str, Any, str]]:
    """(layer, our output, the file's name for it) of every layer that is found in the file."""
    by_path = _by_path(theirs.graph)
    uses = Counter(path for path, _, _ in ours.calls)
    seen: Counter[str] = Counter()
    found, at = [], 0
    for path, layer, y in ours.calls:
        k = seen[path]
        seen[path] += 1
        label = f"{path} ({type(layer).__name__})"
        names = getattr(layer, "onnx_values", None)
        name = names[k] if names and k < len(names) else None
        inside = by_path.get(path.removeprefix("nodes."), [])
        if name is None and inside and len(inside) % uses[path] == 0:
            name = inside[(k + 1) * len(inside) // uses[path] - 1]
        if name not in theirs.values:
            name = _next(theirs, y.data, at)
        if name is not None and theirs.values[name].shape == y.data.shape:
            at = max(at, theirs.order.index(name) + 1)
            found.append((label, y, name))
    return found


def _by_path(graph: Graph) -> dict[str, list[str]]:
    """The values that nodes named "path/operator" make, as this library's export names them."""
    found: dict[str, list[str]] = {}
    for node in graph.nodes:
        path, slash, _ = node.name.rpartition("/")
        if slash and node.outputs and not node.name.startswith("/"):
            found.setdefault(path, []).append(node.outputs[0])
    return found


def _next(theirs: _File, y: Array, at: int) -> str | None:
    """Of the values that follow and have this shape, the first that is equal, else the nearest."""
    nearest: tuple[float, str] | None = None
    for name in theirs.order[at:]:
        value = theirs.values[name]
        if value.shape != y.shape or value.dtype.kind != "f":
            continue
        error = compare("", "", y, value).error
        if error < 1e-5:
            return name
        if nearest is None or error < nearest[0]:
            nearest = error, name
    return nearest[1] if nearest else None


def _numerical(ours: _Ours, theirs: _File, found: Any, rng: Any) -> list[Compared]:
    """Gradients against central differences of the file, from the output on."""
    rows = []
    for label, y, name in reversed(found):
        rows += _along(theirs, label, "gradient of the output", name, y.grad, ours.dy, rng)
    for slot in slots(ours.network):
        array: Any = theirs.graph.initializers.get(slot.path.removeprefix("nodes."))
        if slot.grad is not None and np.shape(array) == np.shape(slot.grad):
            layer, _, last = slot.path.rpartition(".")
            name = slot.path.removeprefix("nodes.")
            rows += _along(theirs, layer or "the network", f"gradient of {last}", name, slot.grad,
                           ours.dy, rng)  # fmt: skip
    for name, x in zip(theirs.feeds, ours.given):
        if isinstance(x, Tensor):
            rows += _along(theirs, f"the input {name}", "gradient", name, x.grad, ours.dy, rng)
    return rows


def _along(
    theirs: _File, label: str, what: str, name: str, g: Any, dy: Array, rng: Any
) -> list[Compared]:  # fmt: skip
    """One gradient along a random direction: ours by the product, theirs by a difference.

    None at a kink, where the derivative from the left is another than that from the right.
    """
    value = theirs.value(name)
    g = np.zeros(value.shape) if g is None else np.asarray(g)
    direction = rng.standard_normal(g.shape)
    measured = theirs.derivative(name, direction, dy)
    if measured is None:  # mostly a tie of zeros, as a ReLU leaves them: they stay
        direction = direction * (value != 0)
        measured = theirs.derivative(name, direction, dy)
    if measured is None:
        return []
    mine = float(np.sum(g * direction))
    size = float(np.linalg.norm(g)) or 1.0
    error = abs(measured - mine) / size
    what = f"{what}, along a random direction,"
    return [Compared(label, what, error, error <= theirs.rtol, (), mine, measured)]


def _trained(network: Network, model: Model, given: list[Any], t: Any, loss: Any) -> list[Compared]:
    """The gradients of the loss against those of the file's training graph."""
    if not model.training:
        raise ValueError("verify: the file has no training graph; leave loss= out")
    graph = joined(model)
    node = next((n for n in graph.nodes if n.op == "Gradient"), None)
    if node is None:
        raise ValueError("verify: the file's training graph has no operator Gradient")
    wide = {n: _wide(a) for n, a in graph.initializers.items()}
    feeds = dict(zip([v.name for v in graph.inputs], [*given, t]))
    graph = Graph(graph.nodes, [replace(v, dtype=None) for v in graph.inputs], graph.outputs, wide)
    names = node.attributes["xs"]
    feeds = {n: _wide(a) for n, a in feeds.items()}
    found = Interpreter(replace(model, graph=graph)).run(feeds, node.outputs)
    theirs = dict(zip(names, found))
    y = network.forward(*[as_input(a, np.float64) for a in given])
    loss.forward(y, _wide(t))
    network.backward(loss.backward(1.0)[0])
    rows = []
    for slot in reversed(slots(network)):
        if slot.path in theirs:
            layer, _, last = slot.path.rpartition(".")
            rows.append(compare(layer, f"gradient of {last} in the training graph", slot.grad,
                                np.asarray(theirs[slot.path], np.float64), 1e-6))  # fmt: skip
    if not rows:
        raise ValueError(f"verify: no parameter is called as in the file: {', '.join(names)}")
    return rows
