"""Program: a network as the calls of predict, backward and update, from the traced layers.

The rows of the native program fuse bias, activation and pooling into products over packed
matrices, and keep images channels last: fast there, and unreadable in C. So the plan is taken
before it is fused and packed: the same trace, the same order, the same lay-out of the arena, and
one call for each layer's forward and backward.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import prod
from typing import Any

from handgrad.arrays import Array
from handgrad.compile.arena import lay_out
from handgrad.compile.trace import Node, trace
from handgrad.compile.values import Address, NotNative, Value, lengths
from handgrad.interop.c import columns, dropout, elementwise, images, products, recurrent, strided
from handgrad.interop.c.forms import form_of, ints
from handgrad.interop.c.losses import write_loss, write_update
from handgrad.interop.c.writer import Call, Memory, Writer
from handgrad.layer import walk
from handgrad.network import Network

Inputs = tuple[Array, ...]  # x, or x and a mask of steps
ALIGN = 4  # words: what vectors of small processors ask for; more would waste their memory
FAMILIES = (
    products,
    recurrent,
    strided,
    elementwise,
    images,
    columns,
    dropout,
)  # whose forms are entered when they are imported


@dataclass
class Program:
    """The calls of each function, the names and places of their arrays, and the memory they need.

    mask: the shape of a mask of steps, where the network takes one beside x. arena: words of it,
    shared by predict and backward, which do not run at the same time.
    """

    memory: Memory
    x_shape: tuple[int, ...]
    y_shape: tuple[int, ...]
    predict: Writer
    mask: tuple[int, ...] | None = None
    backward: Writer | None = None
    update: list[Call] = field(default_factory=list)
    arena: int = 0


def plan(
    network: Network, inputs: Inputs, batch: int, *, training: bool, loss: Any, optimizer: Any,
    int8: bool,
) -> Program:  # fmt: skip
    """The program for the inputs. Raises NotNative with all layers that have no form in C."""
    flat = network.flat
    paths = {id(s.view): s.path for s in flat.segments}
    for path, layer in walk(network):
        for name in getattr(layer, "buffers", ()):
            paths[id(getattr(layer, name, None))] = f"{path}.{name}".lstrip(".")
    memory = Memory(paths, flat.frozen, int8)
    wrong: dict[str, None] = {}
    with network.evaluating():
        predict, x_shape, y = forward_calls(network, inputs, memory, batch, "y", None, wrong)
    mask = (batch, *inputs[1].shape[1:]) if len(inputs) > 1 else None
    program = Program(memory, x_shape, lengths(y.shape, batch), predict, mask)
    if training:
        with network.mode(True):
            program.backward = forward_calls(network, inputs, memory, batch, "", loss, wrong)[0]
    if wrong:
        raise NotNative("; ".join(wrong))
    words = [lay_out(predict.calls, 1, ALIGN)]  # type: ignore[arg-type]
    if program.backward is not None:
        words.append(lay_out(program.backward.calls, 1, ALIGN))  # type: ignore[arg-type]
        memory.sort()
        if not memory.gradients:
            raise NotNative("a training in which no parameter learns; give training=False")
        program.update = write_update(memory, optimizer)
    memory.sort()
    program.arena = max(words)
    return program


def forward_calls(
    network: Network,
    inputs: Inputs,
    memory: Memory,
    batch: int,
    target: str,
    loss: Any,
    wrong: dict[str, None],
) -> tuple[Writer, tuple[int, ...], Value]:
    """Forward alone, its output in `target`; or, where that is "", with loss and backward.

    Layers without a form are entered in `wrong`.
    """
    x, *more = inputs
    traced, trains = trace(network, x[:3], more=[m[:3] for m in more]), not target
    mark(traced.nodes, trains)
    c = Writer(memory, batch, trains)
    c.uses = Counter(id(n.layer.stream) for n in traced.nodes if getattr(n.layer, "stream", None))
    shape = lengths(traced.x.shape, batch)
    now: dict[Value, Value] = {traced.x: Value(shape, address=Address("x"))}
    now[traced.x].integer = x.dtype.kind in "iub"
    for mask in traced.more:
        now[mask] = Value(lengths(mask.shape, batch), address=Address("mask"), integer=True)
    for node in traced.nodes:
        adopt(node, c, now)
        before, c.label = node.outputs, node.name
        node.outputs = [Value(lengths(v.shape, batch)) for v in before]
        try:
            made = form_of(node).forward(c, node)
        except NotNative as reason:
            wrong[f"{node.name} ({reason})"] = None
            made = tuple(node.outputs)
        node.outputs = list(made) if isinstance(made, tuple) else [made]
        for old, new in zip(before, node.outputs):
            new.made_by = node
            now[old] = new
    y = now[traced.y]
    if wrong:
        return c, shape, y
    if trains:
        dy = Value(y.shape, address=Address("dy")) if loss is None else write_loss(c, loss, y, "t")
        backward_calls(c, traced.nodes, y, dy)
    elif y.owner is y and y.address is None:
        y.address = Address(target)
    else:  # a view, of x or of what lies in the arena
        c.label = "output"
        c.call("memcpy", target, y, f"sizeof *{target} * {y.size}")
    return c, shape, y


def mark(nodes: list[Node], trains: bool) -> None:
    """Say of each node which gradients of its inputs are needed: where something learns behind."""
    for node in nodes:
        node.needs_input_grad = [
            trains
            and v is not None
            and (v.parameter is not None or (v.made_by is not None and v.made_by.learns))
            for v in node.inputs
        ]
        node.learns = trains and (bool(node.parameters) or any(node.needs_input_grad))


def adopt(node: Node, c: Writer, now: dict[Value, Value]) -> None:
    """Give a node the inputs of this program; a parameter of the network itself is one."""
    for v in node.inputs:
        if v is not None and v.parameter is not None and v not in now:
            address = Address(c.memory.weight(v.parameter))
            now[v] = Value(v.shape, parameter=v.parameter, address=address)
    node.inputs = [None if v is None else now[v] for v in node.inputs]


def backward_calls(c: Writer, nodes: list[Node], y: Value, dy: Value) -> None:
    """Every node's backward, the last first; gradients of what is used twice are added."""
    gradients: dict[Value, Value] = {y: dy}
    for node in reversed(nodes):
        dys = [gradients.pop(value, None) for value in node.outputs]
        if all(dy is None for dy in dys) or not node.learns:
            continue
        c.label = f"{node.name} backward"
        results = form_of(node).backward(c, node, *dys)
        results = results if isinstance(results, tuple) else (results,)
        for x, dx, needed in zip(node.inputs, results, node.needs_input_grad):
            if dx is None or not needed:
                continue
            if x in gradients:
                c.label = f"the gradients of both uses of {x.made_by.name if x.made_by else 'x'}"
                total = c.value(ints(x.shape), "dsum")
                c.call("add_forward", prod(ints(total.shape)), gradients[x], dx, total)
                dx = total
            gradients[x] = dx
    for x, dx in gradients.items():
        if x.parameter is not None and (into := c.memory.gradient(x.parameter)) is not None:
            c.call("add_forward", prod(ints(x.shape)), dx, into, into)
