"""From a graph to a network: constants folded, layers found, weights made parameters."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import numpy as np

from handgrad.interop.onnx.convert.forms import FORMS, Form, Seen, affine
from handgrad.interop.onnx.convert.inline import inlined
from handgrad.interop.onnx.convert.network import Imported, Step, interpret
from handgrad.interop.onnx.graph import Model, Node, subgraphs
from handgrad.interop.onnx.interpreter import Interpreter
from handgrad.interop.onnx.operators import Call, find
from handgrad.interop.onnx.operators.shape import LIMIT
from handgrad.layer import Parameter
from handgrad.network import Sequential

FOLDED_SIZE = 1 << 16  # elements of a constant that is computed when the file is read
MOVES = {"Identity", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Cast", "Flatten", "Constant"}
SHAPED = MOVES | {"Expand", "Slice", "Gather", "Concat", "Tile", "Split"}  # zeros stay zeros
BROADCAST = {
    "Add", "Sub", "Mul", "Div", "Mod", "Pow", "Min", "Max", "Sum", "Mean", "And", "Or", "Xor",
    "Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual", "Where", "CastLike", "Not", "Neg",
    "Abs", "Sqrt", "Floor", "Ceil", "Round", "Reciprocal", "Exp", "Log", "Clip", "Sign",
}  # fmt: skip
FOLDED = SHAPED | BROADCAST | {
    "Shape", "Size", "Range", "ConstantOfShape", "Trilu", "EyeLike", "CumSum", "NonZero",
    "ReduceSum", "ReduceProd", "ReduceMax", "ReduceMin", "ReduceMean",
}  # fmt: skip


class Builder:
    """What is known while the nodes are gone through in order."""

    def __init__(self, model: Model, output: str, dtype: Any):
        self.model, self.output = model, output
        self.opsets = dict(model.opsets)
        self.constants = dict(model.graph.initializers)
        self.weights = {n for n, a in self.constants.items() if is_weight(a)}
        self.dtype = dtype or self.found_dtype()
        self.nodes = needed(inlined(model), output)
        self.uses = Counter(name for n in self.nodes for name in read(n))
        self.steps: list[Step] = []
        self.layers: dict[str, Any] = {}
        self.same: dict[Any, str] = {}  # layers by what they are made of: used again, shared
        self.interpreter = Interpreter(model)
        self.zeros = {n for n, a in self.constants.items() if a.size and not np.any(a)}
        self.uses[output] += 1
        self.ranks = {v.name: len(v.shape) for v in model.graph.inputs if v.shape is not None}

    def found_dtype(self) -> Any:
        """The float dtype of most weights; float32 where there are none, or only halves."""
        sizes: Counter[Any] = Counter()
        for name in self.weights:
            sizes[self.constants[name].dtype] += self.constants[name].size
        for value in self.model.graph.inputs:
            if value.dtype is not None and value.dtype.kind == "f":
                sizes[value.dtype] += 1
        most = sizes.most_common(1)[0][0] if sizes else np.dtype(np.float32)
        return np.dtype(np.float32) if most == np.float16 else most

    def step(self, node: Node) -> None:
        """Fold a node, find its layer, or keep it as it is."""
        opset = node.opset or self.opsets.get(node.domain, 1)
        entry = find(node.domain, node.op, opset)
        step = Step(node, entry, Call(node, opset, no_graphs))
        if list(subgraphs(node)):
            step.around = tuple(dict.fromkeys(n for n in read(node) if n not in node.inputs))
            step.graphs = self.interpreter
        if self.folded(step):
            return
        made = FORMS.get(node.operator)
        self.trace_zeros(node)
        rank = self.ranks.get(node.inputs[0]) if node.inputs else None
        seen = Seen(node, opset, self.constants, self.dtype, self.zeros, self.uses, rank)
        step.form = made(seen) if made is not None else None
        if step.form is not None:
            self.register(step, opset)
            rank = {"Gemm": 2, "Flatten": 2}.get(node.op, rank if step.form.takes == (0,) else None)
            if rank is not None and step.form.after is None:
                self.ranks[node.outputs[0]] = rank
        self.steps.append(step)

    def trace_zeros(self, node: Node) -> None:
        """Note outputs that are zero whatever their shape: first states that an exporter makes."""
        given = node.inputs if node.op == "Concat" else node.inputs[:1]
        value = node.attributes.get("value", np.zeros(1))
        made = node.op == "ConstantOfShape" and not np.any(value)
        if made or (node.op in SHAPED and given and all(n in self.zeros for n in given)):
            self.zeros.update(n for n in node.outputs if n)

    def folded(self, step: Step) -> bool:
        """Whether the node was computed at once, from constants of a small size."""
        node = step.node
        names = [n for n in node.inputs if n]
        if node.domain or node.op not in FOLDED or any(n not in self.constants for n in names):
            return False
        arrays = [self.constants[n] for n in names]
        if not small(node.op, arrays):
            return False
        token = LIMIT.set(FOLDED_SIZE)
        try:
            given = [self.constants[n] if n else None for n in node.inputs]
            results = interpret(step, given)
        except (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError,
                MemoryError):  # fmt: skip
            return False  # it is said when the network runs
        finally:
            LIMIT.reset(token)
        for name, value in zip(node.outputs, results):
            self.constants[name] = np.asarray(value)
            if self.constants[name].size and not np.any(self.constants[name]):
                self.zeros.add(name)
            if any(n in self.weights for n in names) and is_weight(self.constants[name]):
                self.weights.add(name)
        return True

    def register(self, step: Step, opset: int) -> None:
        """Keep the layer under its node's name; one made of the same weights is used again."""
        form = step.form
        assert form is not None
        node = step.node
        weights = tuple(node.inputs[i] for i in form.weights if i < len(node.inputs))
        kept = (node.op, weights, repr(sorted(node.attributes.items(), key=lambda a: a[0])))
        if weights and kept in self.same and not self.untrained(weights):
            step.key = self.same[kept]
            return
        step.key = key_of(node.name or node.outputs[0], self.layers)
        self.layers[step.key] = form.layer
        self.same[kept] = step.key

    def untrained(self, names: tuple[str, ...]) -> bool:
        """Whether all is ones or zeros: exporters write equal initializers once, tied or not."""
        return all(not n or np.ptp(self.constants[n]) == 0 for n in names)

    def fuse_bias(self) -> None:
        """MatMul and the Add behind it, one Affine."""
        made = {name: s for s in self.steps for name in s.node.outputs if name}
        kept = []
        for step in self.steps:
            node = step.node
            sums = node.op == "Add" and not node.domain and len(node.inputs) == 2
            if not (sums and self.absorbed(step, made)):
                kept.append(step)
        self.steps = kept

    def absorbed(self, step: Step, made: dict[str, Step]) -> bool:
        """Whether the bias of this Add went into the Affine before it."""
        for y, bias in (step.node.inputs, step.node.inputs[::-1]):
            product, b = made.get(y), self.constants.get(bias)
            if product is None or product.node.op != "MatMul" or product.form is None or b is None:
                continue
            layer = self.layers[product.key]
            shared = sum(s.key == product.key for s in self.steps) > 1
            if b.shape != (layer.outputs,) or self.uses[y] > 1 or shared or layer.bias:
                continue
            self.layers[product.key] = affine(layer.W, b.astype(self.dtype, copy=False))
            product.form = Form(self.layers[product.key], weights=(1,))
            product.node = Node("MatMul", "", product.node.inputs, step.node.outputs,
                                product.node.attributes, product.node.name)  # fmt: skip
            made[step.node.outputs[0]] = product
            return True
        return False

    def finish(self) -> Any:
        """The network: a Sequential for a chain of layers, else one that goes node by node."""
        self.fuse_bias()
        self.note_values()
        inputs = [(v.name, v.dtype) for v in self.model.graph.inputs
                  if v.name not in self.model.graph.initializers]  # fmt: skip
        chain = self.chain(inputs)
        if chain is not None:
            return Sequential(*chain, dtype=self.dtype).build()
        read_by_steps = {n for s in self.steps for n in self.remaining(s)} | {self.output}
        weights: dict[str, str] = {}
        constants = {}
        network_attributes: dict[str, Any] = {}
        for name in read_by_steps & self.constants.keys():
            array = self.constants[name]
            if name in self.weights:
                weights[name] = key_of(name, network_attributes)
                network_attributes[weights[name]] = Parameter(array.astype(self.dtype, copy=False))
            else:
                real = array.dtype.kind == "f"
                constants[name] = array.astype(self.dtype) if real else np.array(array)
        self.lifetimes()
        if not inputs:
            raise ValueError("onnx: the graph has no input; use handgrad.onnx.prepare")
        shape = next(v.shape for v in self.model.graph.inputs if v.name == inputs[0][0])
        batch = shape[0] if shape and isinstance(shape[0], int) and shape[0] > 0 else None
        network = Imported(self.steps, self.layers, weights, constants, inputs, self.output,
                           self.dtype, batch)  # fmt: skip
        for attribute, parameter in sorted(network_attributes.items()):
            setattr(network, attribute, parameter)
        return network.build()

    def note_values(self) -> None:
        """Note at each layer which values of the file its calls make, for `verify`."""
        for step in self.steps:
            if step.form is not None and step.form.after is None:
                layer = self.layers[step.key]
                layer.onnx_values = [*getattr(layer, "onnx_values", ()), step.node.outputs[0]]

    def remaining(self, step: Step) -> list[str]:
        """The values that a step reads while it runs: not the weights of its layer."""
        form = step.form
        if form is None:
            return read(step.node)
        return [step.node.inputs[i] for i in form.takes]

    def lifetimes(self) -> None:
        """Note for each step which values no later one reads; drop the weights of layers."""
        seen = {self.output}
        for step in reversed(self.steps):
            if step.form is not None:
                keep = set(step.form.takes)
                step.node = Node(
                    step.node.op, step.node.domain,
                    [n if i in keep else "" for i, n in enumerate(step.node.inputs)],
                    step.node.outputs, step.node.attributes, step.node.name,
                )  # fmt: skip
            names = set(read(step.node))
            step.last = tuple(names - seen)
            seen |= names

    def chain(self, inputs: list[Any]) -> list[Any] | None:
        """The layers, where each takes the one before and nothing else happens."""
        if len(inputs) != 1 or not self.steps:
            return None
        value, layers = inputs[0][0], []
        for step in self.steps:
            form = step.form
            if form is None or form.before or form.after or len(form.takes) != 1:
                return None
            outputs = [n for n in step.node.outputs if n]
            if step.node.inputs[form.takes[0]] != value or self.uses[value] > 1:
                return None
            layers.append(self.layers[step.key])
            value = outputs[0]
        repeated = len({id(layer) for layer in layers}) < len(layers)
        return None if value != self.output or repeated else layers


def small(op: str, arrays: list[Any]) -> bool:
    """Whether an operator on these constants gives an array of a bounded size."""
    if op in MOVES:
        return True
    size = sum(np.size(a) for a in arrays)
    if op in BROADCAST:
        try:
            size = int(np.prod(np.broadcast_shapes(*(np.shape(a) for a in arrays)), dtype=float))
        except ValueError:
            return False
    elif op == "Gather":
        size = int(np.prod([float(np.size(a)) for a in arrays]))
    return size <= FOLDED_SIZE


def no_graphs(graph: Any, values: Any) -> Any:
    """An operator without subgraphs runs none."""
    raise ValueError("there are no graphs inside")


def is_weight(array: Any) -> bool:
    """Whether an initializer is learned: real, finite, and more than one number."""
    a = np.asarray(array)
    return a.dtype.kind == "f" and a.size > 1 and bool(np.isfinite(a.reshape(-1)[:64]).all())


def read(node: Node) -> list[str]:
    """The names that a node reads, its subgraphs too."""
    names = [n for n in node.inputs if n]
    for graph in subgraphs(node):
        own = {v.name for v in graph.inputs} | graph.initializers.keys()
        own |= {o for n in graph.nodes for o in n.outputs}
        names += [n for inner in graph.nodes for n in read(inner) if n not in own]
        names += [v.name for v in graph.outputs if v.name not in own]
    return names


def needed(nodes: list[Node], output: str) -> list[Node]:
    """The nodes on which the output depends."""
    wanted, kept = {output}, []
    for node in reversed(nodes):
        if wanted & set(node.outputs):
            wanted |= set(read(node))
            kept.append(node)
    return kept[::-1]


def key_of(name: str, taken: Any) -> str:
    """A name as an attribute, not used yet."""
    key = re.sub(r"\W+", "_", name.replace("/", "_")).strip("_") or "node"
    key = f"n{key}" if key[0].isdigit() else key
    found, i = key, 1
    while found in taken or found in RESERVED:
        found, i = f"{key}_{i}", i + 1
    return found


RESERVED = {*dir(Imported), "steps", "nodes", "weights", "constants", "inputs", "output", "batch",
            "metadata"}  # fmt: skip


def build(model: Model, output: str, dtype: Any) -> Any:
    """The network that gives this output."""
    builder = Builder(model, output, dtype)
    for node in builder.nodes:
        try:
            builder.step(node)
        except (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError
                ) as error:  # fmt: skip
            raise refused(node, error) from error
    return builder.finish()


def refused(node: Node, error: BaseException) -> ValueError:
    """Why a node cannot be taken in, in one line."""
    lines = str(error).splitlines() or [type(error).__name__]
    return ValueError(f"onnx: {node} cannot be taken in: {lines[0]}")
