"""Models in files: architecture, weights and the state of training in one safetensors file.

A file is written beside its path, flushed, and renamed: an existing file is whole before and
after. It carries a checksum, and what is read is checked against it and then against a schema.
Nothing in it is executed, and reading costs what the file's size pays for.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as read_safetensors
from safetensors.numpy import save as write_safetensors

from handgrad.arrays import Array, Stream
from handgrad.engines import NAMES
from handgrad.layer import parameter_names, slots, walk
from handgrad.network import Network
from handgrad.tensor import Tensor
from handgrad.train import schema
from handgrad.train.arguments import check_sizes
from handgrad.train.describe import construct, describe
from handgrad.train.dry import check_specs
from handgrad.train.registry import is_own
from handgrad.train.spec import InputSpec, OutputSpec
from handgrad.train.tables.frames import from_frame, is_frame
from handgrad.train.tables.spec import TableSpec, check_table
from handgrad.train.write import write_whole

FORMATS = ("handgrad 1", "handgrad 2")
TENSOR = "__tensor__"  # the key of a dict that stands for an array
ROOM = 2**16  # elements that a network's arguments may ask for beyond what the file holds
WORDS: schema.Check = schema.list_of(schema.integer(0, schema.WORD), 3)
OLD = {"architecture": schema.anything, "streams": schema.mapping(WORDS),
       "info": schema.mapping(schema.anything),
       "training": schema.optional(schema.mapping(schema.anything))}  # fmt: skip
PATHS = schema.list_of(schema.text)
NEW = OLD | {"library": schema.text, "input": schema.anything, "output": schema.anything,
             "tied": schema.mapping(schema.text)}  # fmt: skip
LATER = {
    "engine": schema.one_of(*NAMES),
    "frozen": PATHS,
    "evaluating": PATHS,
    "table": schema.anything,
}  # may be missing
DOCUMENTS = {"handgrad 1": schema.record(OLD), "handgrad 2": schema.record(NEW, LATER)}


@dataclass
class Checkpoint:
    """What a model file holds.

    The network, notes about the data, the state of training, what the network takes and gives
    (None where the file does not say), and the format and the version of handgrad that wrote it.
    """

    network: Any
    info: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] | None = None
    input: InputSpec | None = None
    output: OutputSpec | None = None
    library: str = ""
    format: str = FORMATS[-1]
    table: TableSpec | None = None

    def predict(self, x: Any) -> Array:
        """The network's outputs for data as they come, brought into what the input says.

        Of a model for tables x may be a data frame or a dict with the columns as they were; values
        of a regression are on the scale of its targets.
        """
        if self.table is not None and is_frame(x):
            x = self.table.inputs(from_frame(x))
        y: Array = self.network.predict(x if self.input is None else self.input.prepare(x))
        return y if self.output is None else self.output.values(y)


def save(
    network: Any,
    path: str | Path,
    *,
    input: Any = None,
    output: Any = None,
    table: TableSpec | None = None,
    info: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
) -> Path:
    """Write a whole model to `path`, or leave what is there as it is.

    input: what the network takes: an `InputSpec`, or data x (N, …) of which it is found.
    output: what it gives: an `OutputSpec`, or the names of the classes that its scores are for.
    table: how the columns of a table become that input.
    info: plain data about the model. training: state for an exact continuation, plain data and
    arrays (see `Trainer.state_dict`).
    Raises ValueError for a network that cannot be described or does not fit its input or
    output, OSError where nothing can be written.
    """
    return write_whole(
        Path(path),
        pack(network, input=input, output=output, table=table, info=info, training=training),
    )


def pack(
    network: Any, *, input: Any = None, output: Any = None, table: TableSpec | None = None,
    info: Mapping[str, Any] | None = None, training: Mapping[str, Any] | None = None,
) -> bytes:  # fmt: skip
    """The content of the file that `save` writes."""
    takes = input if input is None or isinstance(input, InputSpec) else InputSpec.of(input)
    gives = output if output is None or isinstance(output, OutputSpec) else OutputSpec(
        "scores", output)  # fmt: skip
    tensors: dict[str, Array] = {}
    first: dict[int, str] = {}
    tied: dict[str, str] = {}
    for slot in slots(network):
        if (value := slot.value) is None:
            raise ValueError(f"save: {slot.path} has no size yet; use the network once first")
        if (before := first.setdefault(id(value), slot.path)) == slot.path:
            tensors[f"parameters/{slot.path}"] = np.asarray(value)
        else:
            tied[slot.path] = before
    for name, layer, attribute in _buffers(network):
        tensors[name] = np.asarray(getattr(layer, attribute))
    kept: list[Array] = []
    document = {
        "architecture": describe(network),
        "streams": {where: _stream(s) for where, s in _streams(network)},
        "info": schema.plain(info or {}, "info"),
        "training": None if training is None else _replace(
            schema.plain(training, "training"), kept),
        "library": version(),
        "input": None if takes is None else takes.to_dict(),
        "output": None if gives is None else gives.to_dict(),
        "tied": tied,
        **({} if table is None else {"table": table.to_dict()}),
        "engine": getattr(network, "engine", "auto"),
        "frozen": sorted(network.frozen) if isinstance(network, Network) else [],
        "evaluating": [where for where, x in walk(network) if not getattr(x, "training", True)],
    }  # fmt: skip
    tensors |= {f"training/{i + 1}": array for i, array in enumerate(kept)}
    check_specs(network, takes, gives, _room(tensors))
    check_table(table, takes, network)
    # safetensors' NumPy writer takes the memory as it lies: give it C order, little endian.
    tensors = {k: np.array(v, v.dtype.newbyteorder("<"), order="C") for k, v in tensors.items()}
    text = json.dumps(document)
    schema.parse(text, "save: the description of the network")
    metadata = {"format": FORMATS[-1], "document": text, "checksum": _checksum(tensors, text)}
    return write_safetensors(tensors, metadata)


def load(path: str | Path, *, classes: Iterable[type] = ()) -> Any:
    """The network in a file that `save` wrote, in evaluation mode or not, as it was.

    classes: your own layer and network classes that it uses; nothing is imported by name.
    Raises ValueError for a file that is not one of handgrad's, cut off, changed, or with wrong
    content; FileNotFoundError where there is none.
    """
    return load_checkpoint(path, classes=classes).network


def load_checkpoint(path: str | Path, *, classes: Iterable[type] = ()) -> Checkpoint:
    """All that a model file holds; see `load`."""
    content = Path(path).read_bytes()
    try:
        return _unpack(content, classes)
    except ValueError as error:
        said = " ".join(str(error).split())
        said = said if len(said) <= 600 else f"{said[:300]} … {said[-300:]}"  # a path may be long
        raise ValueError(f"{path}: {said}") from None


def _unpack(content: bytes, classes: Iterable[type]) -> Checkpoint:
    format, tensors, document = _read(content)
    DOCUMENTS[format](document, "the document")
    room = _room(tensors)
    network = construct(document["architecture"], classes, room=room)
    tied = document.get("tied", {})
    _set_parameters(network, tensors, tied)
    buffers = {name: (layer, attribute) for name, layer, attribute in _buffers(network)}
    held = {name for name in tensors if name.startswith("buffers/")}
    if held != set(buffers):
        raise ValueError(f"its buffers do not fit: {', '.join(sorted(held ^ set(buffers)))}")
    for name, (layer, attribute) in buffers.items():
        setattr(layer, attribute, tensors[name])
        if is_own(type(layer)):
            _check_buffer(name, layer, tensors[name])
    layers = dict(walk(network))
    for where, words in document["streams"].items():
        if where not in layers:
            raise ValueError(f"the document has a random stream for {where!r}, which is no layer")
        layers[where].stream = Stream(*words)
    for where, layer in layers.items():
        if is_own(type(layer)):
            check_sizes(where, layer)
    _set_modes(network, layers, document)
    if isinstance(network, Network):
        network.engine = document.get("engine", network.engine)
    takes, gives = document.get("input"), document.get("output")
    takes = None if takes is None else InputSpec.from_dict(takes)
    gives = _old_output(document) if gives is None else OutputSpec.from_dict(gives)
    check_specs(network, takes, gives, room)
    table = document.get("table")
    table = None if table is None else TableSpec.from_dict(table)
    check_table(table, takes, network)
    training = document["training"]
    if training is not None:
        training = (_rejoin if format == FORMATS[0] else _restore)(training, tensors)
    return Checkpoint(network, document["info"], training, takes, gives,
                      document.get("library", ""), format, table)  # fmt: skip


def _room(tensors: Mapping[str, Array]) -> int:
    return ROOM + sum(array.size for array in tensors.values())


def _set_parameters(network: Any, tensors: Mapping[str, Array], tied: Mapping[str, str]) -> None:
    """Put the file's arrays in the layers, before anything could make arrays of declared sizes."""
    found = {slot.path: slot for slot in slots(network)}
    held = {name[11:] for name in tensors if name.startswith("parameters/")}
    if held | set(tied) != set(found) or held & set(tied) or not held >= set(tied.values()):
        wrong = sorted((held | set(tied)) ^ set(found)) or sorted(tied)
        raise ValueError(f"its parameters do not fit the classes given: {', '.join(wrong)}")
    for path, slot in found.items():
        value = tensors[f"parameters/{tied.get(path, path)}"]
        if value.dtype.kind != "f":
            raise ValueError(f"parameter {path} must hold real numbers, got {value.dtype}")
        held = vars(slot.owner).get(slot.name)  # asking the layer for it would make it
        if isinstance(held, Tensor):
            held.data = value
        else:
            setattr(slot.owner, slot.name, value)


def _set_modes(network: Any, layers: Mapping[str, Any], document: Mapping[str, Any]) -> None:
    """Freeze what was frozen, and put in evaluation mode what was in it."""
    for where in document.get("evaluating", ()):
        if not isinstance(getattr(layers.get(where), "training", None), bool):
            raise ValueError(f"evaluating names {schema.brief(where)}, which has no modes")
        layers[where].training = False
    if isinstance(network, Network):
        network._adopt()
        if frozen := document.get("frozen"):
            network.freeze(*frozen)


def _check_buffer(name: str, layer: Any, buffer: Array) -> None:
    """Raise ValueError unless a buffer has the shape and dtype of its layer's parameters."""
    like = next(iter(parameter_names(layer)), None)
    wanted = None if like is None else vars(layer)[like]
    if wanted is not None and (buffer.shape, buffer.dtype) != (wanted.shape, wanted.dtype):
        raise ValueError(
            f"{name} must have the shape {wanted.shape} and dtype {wanted.dtype} of {like}, got "
            f"{buffer.shape} and {buffer.dtype}"
        )


def _buffers(network: Any) -> list[tuple[str, Any, str]]:
    """(name in a file, layer, attribute) of every array that is saved but not learned."""
    return [
        (f"buffers/{where}.{name}".replace("/.", "/"), layer, name)
        for where, layer in walk(network)
        for name in getattr(layer, "buffers", ())
    ]


def _read(content: bytes) -> tuple[str, dict[str, Array], Any]:
    """The format, the arrays and the document of a file whose checksum is right."""
    try:
        tensors = read_safetensors(content)
        size = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + size]).get("__metadata__") or {}
    except (SafetensorError, ValueError, TypeError, KeyError, OverflowError, RecursionError,
            AttributeError) as error:  # fmt: skip
        raise ValueError(f"not a whole safetensors file ({error})") from None
    format = metadata.get("format", "no format of ours")
    if format not in FORMATS:
        raise ValueError(f"not a model of handgrad ({format}; {' or '.join(FORMATS)} is needed)")
    text = schema.text(metadata.get("document"), "the document")
    if metadata.get("checksum") != _checksum(tensors, text):
        raise ValueError("the content does not match its checksum; the file is damaged")
    return format, tensors, schema.parse(text, "the document")


def _checksum(tensors: Mapping[str, Array], text: str) -> str:
    digest = hashlib.sha256(text.encode(errors="surrogatepass"))
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tensors[name].shape}".encode())
        digest.update(tensors[name].tobytes())
    return digest.hexdigest()


def version() -> str:
    """Of handgrad."""
    return str(getattr(sys.modules[__name__.split(".")[0]], "__version__", "unknown"))


def _streams(network: Any) -> list[tuple[str, Stream]]:
    held = [(where, getattr(layer, "stream", None)) for where, layer in walk(network)]
    return [(where, stream) for where, stream in held if isinstance(stream, Stream)]


def _stream(stream: Stream) -> list[int]:
    return [int(stream.seed), int(stream.layer), int(stream.step)]


def _replace(value: Any, kept: list[Array]) -> Any:
    """Plain data with every array replaced by its name in the file; they are added to `kept`."""
    if isinstance(value, np.ndarray):
        kept.append(value)
        return {TENSOR: f"training/{len(kept)}"}
    if isinstance(value, dict):
        return {key: _replace(v, kept) for key, v in value.items()}
    return [_replace(v, kept) for v in value] if isinstance(value, list) else value


def _restore(value: Any, tensors: Mapping[str, Array]) -> Any:
    """Plain data with the arrays put back."""
    if isinstance(value, dict) and TENSOR in value:
        name = schema.text(value[TENSOR], TENSOR)
        if name not in tensors:
            raise ValueError(f"the training refers to {schema.brief(name)}, which is not there")
        return tensors[name]
    if isinstance(value, dict):
        return {key: _restore(v, tensors) for key, v in value.items()}
    return [_restore(v, tensors) for v in value] if isinstance(value, list) else value


def _rejoin(state: dict[str, Any], tensors: Mapping[str, Array]) -> dict[str, Any]:
    """Format 1: nested dicts with the arrays under their joined keys put back."""
    for name in (n for n in tensors if n.startswith("training/")):
        *keys, last = name.split("/")[1:]
        inner = state
        for key in keys:
            inner = inner.setdefault(key, {})
            if not isinstance(inner, dict):
                raise schema.refuse(f"the training's {key}", "a dict", inner)
        inner[last] = tensors[name]
    return state


def _old_output(document: Mapping[str, Any]) -> OutputSpec | None:
    """Format 1 had the names of classes among its notes, and no other meaning of outputs."""
    classes = document["info"].get("classes")
    if classes is None:
        return None
    schema.list_of(schema.text)(classes, "info.classes")
    return OutputSpec("scores", tuple(classes))
