"""A graph that is being written: nodes, initializers, and operators in the form of an opset."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.interop.onnx.messages import Message
from handgrad.interop.onnx.tensors import code_of, tensor_of

IR = ((21, 10), (19, 9), (15, 8), (12, 7), (11, 6), (10, 5), (0, 4))  # from opset → IR version


class NeedsOpset(Exception):
    """The operator is there from this opset on."""

    def __init__(self, opset: int):
        self.opset = opset


class NoForm(ValueError):
    """What has no form in ONNX, and why."""


class Builder:
    """Nodes in order; every value has a name of its own."""

    def __init__(self, opset: int, dtype: Any):
        self.opset, self.dtype = opset, np.dtype(dtype)
        self.nodes: list[Message] = []
        self.initializers: dict[str, Any] = {}
        self.names: set[str] = set()
        self.constants: dict[Any, str] = {}
        self.scope = ""
        self.domains: dict[str, int] = {}
        self.training = False  # whether layers are written as they are in training
        self.followed: dict[str, str] = {}  # then: which output replaces which initializer
        self.masks: list[str] = []  # and: what is drawn, a constant to the gradient
        self.code = code_of(self.dtype)

    def path(self, use: Any, name: str) -> str:
        """The name of a layer's parameter: its path, and its own."""
        return f"{self.scope}.{name}" if self.scope else name

    def since(self, opset: int) -> None:
        """Raise NeedsOpset where the file's opset is older."""
        if self.opset < opset:
            raise NeedsOpset(opset)

    def new(self, name: str) -> str:
        """A name that is not used yet."""
        found, i = name, 1
        while found in self.names:
            found, i = f"{name}_{i}", i + 1
        self.names.add(found)
        return found

    def node(
        self, op: str, inputs: list[Any], *, outputs: int = 1, domain: str = "", since: int = 1,
        **attributes: Any,
    ) -> Any:  # fmt: skip
        """A node; arrays among the inputs become initializers. Its output, or a list of them."""
        self.since(since)
        given = [self.constant(x) if isinstance(x, np.ndarray | np.generic) else x or ""
                 for x in inputs]  # fmt: skip
        label = f"{self.scope}/{op}" if self.scope else op
        name = self.new(label)
        made = [self.new(f"{name}:{i}" if outputs > 1 else f"{name}:y") for i in range(outputs)]
        fields = {"name": name, "op_type": op, "input": given, "output": made}
        if domain:
            fields["domain"] = domain
            self.domains[domain] = 1
        listed = [attribute(k, v) for k, v in attributes.items() if v is not None]
        self.nodes.append(Message("Node", **fields, attribute=listed))
        return made if outputs > 1 else made[0]

    def constant(self, value: Any, name: str = "constant") -> str:
        """An initializer; equal small ones are one."""
        array = np.asarray(value)
        if array.dtype.kind == "f":
            array = array.astype(self.dtype, copy=False)
        key = (array.dtype.str, array.shape, array.tobytes()) if array.size < 64 else None
        if key is not None and key in self.constants:
            return self.constants[key]
        found = self.new(name)
        self.initializers[found] = array
        if key is not None:
            self.constants[key] = found
        return found

    def weight(self, value: Any, name: str) -> str:
        """A parameter under its own name; of a layer that is used again, the same."""
        array = np.asarray(value).astype(self.dtype, copy=False)
        if name in self.initializers and np.array_equal(self.initializers[name], array):
            return name
        found = self.new(name)
        self.initializers[found] = array
        return found

    # -- operators whose form changed between opsets ----------------------------------------------

    def axes(self, op: str, x: str, axes: Any, changed: int, **attributes: Any) -> Any:
        """An operator whose axes are an attribute before an opset, an input from then on."""
        axes = [int(a) for a in axes]
        if self.opset < changed:
            return self.node(op, [x], axes=axes, **attributes)
        return self.node(op, [x, np.array(axes, np.int64)], **attributes)

    def unsqueeze(self, x: str, axes: Any) -> Any:
        return self.axes("Unsqueeze", x, axes, 13)

    def squeeze(self, x: str, axes: Any) -> Any:
        return self.axes("Squeeze", x, axes, 13)

    def reduce(self, op: str, x: str, axes: Any, keepdims: bool) -> Any:
        changed = 13 if op == "ReduceSum" else 18
        if axes is None:
            return self.node(op, [x], keepdims=int(keepdims))
        return self.axes(op, x, axes, changed, keepdims=int(keepdims))

    def clip(self, x: str, low: Any, high: Any) -> Any:
        if self.opset < 11:
            low, high = (None if v is None else float(v) for v in (low, high))
            return self.node("Clip", [x], min=low, max=high)
        ends_ = [None if v is None else self.dtype.type(v) for v in (low, high)]
        return self.node("Clip", [x, *ends_])

    def slice(self, x: str, axis: int, start: int, stop: int, step: int = 1) -> Any:
        if self.opset < 10 and step == 1:
            return self.node("Slice", [x], starts=[start], ends=[stop], axes=[axis])
        self.since(10)
        whole = (np.array([v], np.int64) for v in (start, stop, axis, step))
        return self.node("Slice", [x, *whole])

    def split(self, x: str, sizes: list[int], axis: int) -> Any:
        if self.opset < 13:
            return self.node("Split", [x], outputs=len(sizes), axis=axis, split=sizes)
        return self.node("Split", [x, np.array(sizes, np.int64)], outputs=len(sizes), axis=axis)

    def reshape(self, x: str, shape: Any) -> Any:
        return self.node("Reshape", [x, np.array(shape, np.int64)])

    def cast(self, x: str, code: int) -> Any:
        return self.node("Cast", [x], to=code)

    def pad(self, x: str, pads: list[int], mode: str, value: float) -> Any:
        if self.opset < 11:
            return self.node("Pad", [x], pads=pads, mode=mode, value=float(value))
        more = [self.dtype.type(value)] if mode == "constant" else []
        return self.node("Pad", [x, np.array(pads, np.int64), *more], mode=mode)

    # -- the whole --------------------------------------------------------------------------------

    def model(
        self, inputs: list[Message], outputs: list[Message], name: str,
        metadata: dict[str, str], training: list[Message] | None = None,
    ) -> Message:  # fmt: skip
        """The model's message."""
        opsets = [Message("Opset", domain="", version=self.opset)]
        opsets += [Message("Opset", domain=d, version=v) for d, v in self.domains.items()]
        graph = Message(
            "Graph", name=name, node=self.nodes, input=inputs, output=outputs,
            initializer=[tensor_of(n, a) for n, a in self.initializers.items()],
        )  # fmt: skip
        fields: dict[str, Any] = {"training_info": training} if training else {}
        return Message(
            "Model", ir_version=next(ir for o, ir in IR if self.opset >= o),
            producer_name="handgrad", graph=graph, opset_import=opsets,
            metadata_props=[Message("Entry", key=k, value=v) for k, v in metadata.items()],
            **fields,
        )  # fmt: skip


def attribute(name: str, value: Any) -> Message:
    """An attribute from a Python value."""
    if isinstance(value, bool | int | np.integer):
        return Message("Attribute", name=name, i=int(value), type=2)
    if isinstance(value, float | np.floating):
        return Message("Attribute", name=name, f=float(value), type=1)
    if isinstance(value, str):
        return Message("Attribute", name=name, s=value.encode(), type=3)
    if isinstance(value, np.ndarray):
        return Message("Attribute", name=name, t=tensor_of("", value), type=4)
    if isinstance(value, Message):
        return Message("Attribute", name=name, g=value, type=5)
    values = list(value)
    if values and isinstance(values[0], str):
        return Message("Attribute", name=name, strings=[v.encode() for v in values], type=8)
    if values and isinstance(values[0], float):
        return Message("Attribute", name=name, floats=values, type=6)
    return Message("Attribute", name=name, ints=[int(v) for v in values], type=7)


def value(name: str, dtype: Any, shape: Any) -> Message:
    """An input or output; lengths are numbers, or names where they vary."""
    dims = [Message("Dimension", **({"dim_param": n} if isinstance(n, str) else {"dim_value": n}))
            for n in shape]  # fmt: skip
    code = 8 if np.dtype(dtype) == object else code_of(dtype)  # texts are objects
    tensor = Message("TensorType", elem_type=code, shape=Message("Shape", dim=dims))
    return Message("Value", name=name, type=Message("Type", tensor_type=tensor))
