"""save: the graph of a network's layers, written, read again and compared."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.interop.onnx.convert.network import Imported
from handgrad.interop.onnx.export.builder import Builder, NeedsOpset, NoForm, value
from handgrad.interop.onnx.export.emit import EMIT
from handgrad.interop.onnx.export.tables import entries, require_table, table_inputs
from handgrad.interop.onnx.export.traced import (
    Trace,
    Truths,
    Use,
    names_of_parameters,
    opened,
    trace,
)
from handgrad.interop.onnx.messages import Message
from handgrad.interop.onnx.operators.registry import NEWEST
from handgrad.interop.onnx.prepared import prepare
from handgrad.interop.onnx.wire import write
from handgrad.interop.steps import Imported as Traced
from handgrad.layer import Parameter, as_input
from handgrad.layers import Where
from handgrad.layers.checks import is_integer
from handgrad.network import Network
from handgrad.tensor import Tensor, no_grad
from handgrad.train.tables.frames import from_frame
from handgrad.train.write import write_whole

OLDEST = 7  # the first opset whose operators broadcast


def save(
    network: Any, path: str | os.PathLike[str], *, example: Any = None, opset: int | None = None,
    float16: bool = False, metadata: Mapping[str, Any] | None = None, table: Any = None,
) -> Path:  # fmt: skip
    """Write a network as an ONNX file for predictions, whose batch may have any size.

    example: a few samples (a tuple of arrays for several inputs); only shapes and dtypes count,
    and a network that begins with Affine needs none. opset: by default the lowest that has all
    operators. float16: weights and products in halves; inputs and outputs stay as they are.
    metadata: texts, or what JSON can hold, such as {"classes": ["cat", "dog"]}. Names of layers,
    parameters, and of an imported file's inputs and outputs are kept.
    table: the specification of a table's columns (data.table, saved.table): the columns are then
    the file's inputs, as `table_inputs` gives them, and what is done with them becomes nodes;
    example is rows of the table.
    The file is run once and compared with the network; nothing is left where they differ.
    Raises ValueError for layers that have no form in ONNX (all named), an opset that is too old or
    not known, and where the outputs differ.
    """
    path = Path(path)
    require_target(network, path, opset)
    feeds = None
    if table is not None:
        table = require_table(table, example)
        feeds, example = table_inputs(table, example), table.inputs(from_frame(example))
    inputs = examples(network, example)
    model = exported(network, inputs, opset, float16, texts(metadata), table)
    data = b"".join(bytes(piece) for piece in write(model))
    compare(network, inputs, data, float16, feeds)
    write_whole(path, data)
    return path


def require_target(network: Any, path: Path, opset: Any) -> None:
    """Raise ValueError for what is no network, no path of a file, or no opset."""
    if not isinstance(network, Network):
        raise ValueError(f"onnx: network must be a Network, got {type(network).__name__}")
    if path.is_dir():
        raise ValueError(f"onnx: {path} is a folder; give the path of a file")
    if opset is not None and not (is_integer(opset) and OLDEST <= opset <= NEWEST[""]):
        raise ValueError(f"onnx: opset must lie in [{OLDEST}, {NEWEST['']}], got {opset!r}")


def texts(metadata: Mapping[str, Any] | None) -> dict[str, str]:
    """Metadata as texts. Raises ValueError where it is none."""
    named = isinstance(metadata, Mapping) and all(isinstance(k, str) for k in metadata)
    if metadata is not None and not named:
        raise ValueError(f"onnx: metadata must be values by name, got {metadata!r:.60}")
    try:
        return {k: v if isinstance(v, str) else json.dumps(v) for k, v in (metadata or {}).items()}
    except TypeError as error:
        raise ValueError(f"onnx: metadata must be texts, or what JSON can hold: {error}") from None


def examples(network: Any, example: Any) -> list[Any]:
    """The example as a list of arrays."""
    if example is None:
        first = network.members[0] if network.members else None
        size = getattr(first, "inputs", None) if type(first).__name__ == "Affine" else None
        if size is None:
            raise ValueError("onnx: example=samples is needed, the shape of the input is not known")
        return [np.zeros((2, size), network.dtype)]
    given = list(example) if isinstance(example, tuple | list) else [example]
    arrays = [as_input(x, network.dtype) for x in given]
    if any(not a.ndim or not len(a) for a in arrays):
        raise ValueError("onnx: example must be samples (N, …) with N at least 1")
    return arrays


def require_call(network: Any, inputs: list[Any]) -> None:
    """Raise ValueError where the network takes another number of inputs."""
    try:
        signature(network.__call__).bind(*inputs)
    except TypeError as error:
        raise ValueError(
            f"onnx: {type(network).__name__} does not take {len(inputs)} inputs, as example has: "
            f"{error}"
        ) from None


def exported(
    network: Any, inputs: list[Any], opset: int | None, float16: bool, metadata: dict[str, str],
    table: Any = None,
) -> Message:  # fmt: skip
    """The model's message, in this opset or in the lowest that will do."""
    require_call(network, inputs)
    try:
        traced = trace(network, inputs)
    except NoForm as reason:
        raise ValueError(f"onnx: {type(network).__name__} cannot be exported: {reason}") from None
    target = OLDEST if opset is None else opset
    while True:
        dtype = np.float16 if float16 else network.dtype
        writer = Writer(network, traced, Builder(target, dtype))
        try:
            return writer.model(inputs, metadata, table)
        except NeedsOpset as needed:
            if opset is not None:
                raise ValueError(
                    f"onnx: {writer.at} needs opset {needed.opset}, got opset={opset}"
                ) from None
            target = needed.opset


class Writer:
    """From the uses of layers to nodes: what each tensor is called."""

    def __init__(self, network: Any, traced: Trace, builder: Builder):
        self.network, self.traced, self.b = network, traced, builder
        self.names: dict[int, str] = {}
        self.parameters = names_of_parameters(traced.keep[0][3])
        self.at = ""
        self.prefix = ""

    def model(self, inputs: list[Any], metadata: dict[str, str], table: Any = None) -> Message:
        """The whole model."""
        infos, made = self.graph(inputs, table)
        return self.b.model(infos, made, type(self.network).__name__, metadata)

    def graph(self, inputs: list[Any], table: Any = None) -> tuple[list[Message], list[Message]]:
        """Write the nodes of the network; its inputs and outputs."""
        b, halves = self.b, self.b.dtype == np.float16
        outputs = self.traced.outputs
        called, results = self.called(len(inputs), len(outputs))
        b.names |= {*called, *results} if table is None else {*results}
        infos: list[Message] = []
        for entry, x, name, grows in zip(self.traced.entries, inputs, called, self.traced.grows):
            if table is not None:
                infos, name = entries(b, table)
                self.names[id(entry)] = name
                continue
            infos.append(value(name, x.dtype, ("N", *x.shape[1:]) if grows else x.shape))
            real = x.dtype.kind == "f" and halves
            self.names[id(entry)] = b.cast(name, 10) if real else name
        self.uses(self.traced)
        back = {4: 1, 8: 11, 2: 10}[np.dtype(self.network.dtype).itemsize]
        made = []
        for tensor, name, shapes in zip(outputs, results, self.traced.shapes):
            last = self.names[id(tensor)]
            whole = tensor.data.dtype.kind in "iu"
            cast = halves and not whole
            self.rename(b.cast(last, back) if cast else b.node("Identity", [last]), name)
            shape = [n if n == m else ("N" if n == 2 else f"M{i}")
                     for i, (n, m) in enumerate(zip(*shapes))]  # fmt: skip
            made.append(value(name, np.int64 if whole else self.network.dtype, shape))
        return infos, made

    def called(self, inputs: int, outputs: int) -> tuple[list[str], list[str]]:
        """The names of the inputs and outputs: as they came in, else x and y."""
        taken, result = ["x"] if inputs == 1 else [f"x{i}" for i in range(inputs)], "y"
        if isinstance(self.network, Imported):
            taken, result = [name for name, _ in self.network.inputs], self.network.output
        elif isinstance(self.network, Traced):
            taken = list(self.network.inputs)
        return taken, [result] if outputs == 1 else [f"y{i}" for i in range(outputs)]

    def rename(self, name: str, wanted: str) -> None:
        """Give the last node's output another name; an Identity behind a node is left out."""
        last = self.b.nodes[-1]
        if last.op_type == "Identity" and len(self.b.nodes) > 1:
            before = self.b.nodes[-2]
            used = [n for node in self.b.nodes[:-1] for n in node.input]
            alone = len(self.traced.outputs) == 1
            if alone and last.input[0] in before.output and last.input[0] not in used:
                self.b.nodes.pop()
                before.output = [wanted if o == last.input[0] else o for o in before.output]
                return
        last.output = [wanted if o == name else o for o in last.output]

    def uses(self, traced: Trace) -> None:
        """Write the nodes of every use; all that have no form are named at once."""
        wrong = []
        for use in traced.uses:
            label = f"{use.path} {type(use.layer).__name__}".strip()
            self.at = label
            try:
                names = [self.input(use, i) for i in range(len(use.given[0]))]
                outputs = self.use(use, names)
            except NoForm as reason:
                wrong.append(f"{label} ({reason})")
                outputs = ["?"] * len(use.outputs)
            if isinstance(outputs, str):
                outputs = [outputs]
            for tensor, name in zip(use.outputs, outputs):
                if tensor is not None:
                    self.names[id(tensor)] = name
        if wrong:
            raise ValueError(f"onnx: no form in ONNX: {'; '.join(wrong[:10])}")

    def input(self, use: Use, i: int) -> str:
        """The name of an input: of a tensor, of a parameter, or of a constant that is written."""
        x, again = use.given[0][i], use.given[1][i]
        if x is None:
            return ""
        if id(x) in self.names:
            name = self.names[id(x)]
            number = isinstance(x, Truths) and not isinstance(use.layer, Where)
            return self.b.cast(name, self.b.code) if number else name
        if isinstance(x, Parameter) and id(x) in self.parameters:
            path = self.parameters[id(x)].removeprefix("nodes.")
            self.names[id(x)] = self.b.weight(x.data, path)
            return self.names[id(x)]
        array, other = (v.data if isinstance(v, Tensor) else np.asarray(v) for v in (x, again))
        array, other = without_copies(array, other)
        if array.shape != other.shape or not np.array_equal(array, other, equal_nan=True):
            raise NoForm("Python computes an input from the samples")
        return self.b.constant(array)

    def use(self, use: Use, names: list[str]) -> Any:
        """The nodes of a layer, or of the steps inside it."""
        emit = EMIT.get(type(use.layer))
        self.b.scope = use.path.removeprefix("nodes.") or self.prefix
        if emit is not None:
            return emit(self.b, use, names)
        inside = opened(use)
        if inside is None:
            raise NoForm("no operator does it, and its forward is not made of expressions that do")
        for entry, name in zip(inside.entries, names):
            self.names[id(entry)] = name
        before, self.prefix = self.prefix, self.b.scope
        self.parameters |= {
            i: f"{self.prefix}.{path}" if self.prefix else path
            for i, path in names_of_parameters(inside.keep[0][3]).items()
        }
        self.kept = (*getattr(self, "kept", ()), inside)
        try:
            self.uses(inside)
        finally:
            self.prefix = before
        return [self.names[id(y)] for y in inside.outputs]


def without_copies(a: Any, b: Any) -> tuple[Any, Any]:
    """Two arrays cut to one along each axis whose length is another, if all along it is alike."""
    if a.ndim != b.ndim:
        return a, b
    for axis, (n, m) in enumerate(zip(a.shape, b.shape)):
        if n == m or not n or not m:
            continue
        first = [v.take([0], axis) for v in (a, b)]
        if all((v == f).all() for v, f in zip((a, b), first)):
            a, b = first
    return a, b


def compare(
    network: Any, inputs: list[Any], data: bytes, float16: bool, feeds: Any = None
) -> None:  # fmt: skip
    """Raise ValueError where the file's outputs are not the network's, on the example and on
    other numbers in the opposite order. feeds: what the file takes for the example, if other."""
    prepared = prepare(data)
    other = [x[::-1] for x in inputs]
    if other[0].dtype.kind == "f":
        other[0] = other[0] * other[0].dtype.type(0.9375)
    if feeds is not None:
        other = [inputs[0][::-1]]
    for xs in (inputs, other):
        given: Any = xs
        if feeds is not None:
            given = {n: a if xs is inputs else a[::-1] for n, a in feeds.items()}
        with network.evaluating(), no_grad(), np.errstate(all="ignore"):
            expected = network(*xs)
        expected = expected if isinstance(expected, tuple | list) else (expected,)
        for y, e in zip(prepared.run(given), expected):
            differ(network, y, np.asarray(e.data if isinstance(e, Tensor) else e), float16)


def differ(network: Any, y: Any, expected: Any, float16: bool) -> None:
    """Raise ValueError where an output is not the network's."""
    if y.shape != expected.shape:
        raise ValueError(f"onnx: the file gives shape {y.shape}, the network {expected.shape}")
    relative = 2e-2 if float16 else 1e-9 if np.dtype(network.dtype) == np.float64 else 1e-4
    size = float(np.abs(expected[np.isfinite(expected)]).max(initial=1.0))
    close = np.isclose(y.astype(np.float64), expected, rtol=0, atol=relative * size, equal_nan=True)
    if not close.all():
        error = np.abs(y.astype(np.float64) - expected)[~close].max()
        raise ValueError(f"onnx: the file gives outputs that differ by {error:.1e}")
