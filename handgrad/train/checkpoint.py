"""Models in files: architecture, weights and the state of training in one safetensors file.

A file is written beside its place, flushed, and renamed: an existing file is whole before and
after. It carries a checksum, and what is read is checked against it. Nothing in it is executed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as read_safetensors
from safetensors.numpy import save as write_safetensors

from handgrad.arrays import Array, Stream
from handgrad.layer import slots, walk
from handgrad.network import Network
from handgrad.train.describe import construct, describe
from handgrad.train.files import write_whole

FORMAT = "handgrad 1"


@dataclass
class Checkpoint:
    """What a model file holds: the network, notes about the data, the state of training."""

    network: Any
    info: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] | None = None


def save(
    network: Any,
    path: str | Path,
    *,
    info: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
) -> Path:
    """Write a whole model to `path`, or leave what is there as it is.

    info: plain data about the model (names of classes, say). training: state for an exact
    continuation, plain data and arrays (see `Trainer.state_dict`).
    Raises ValueError for a network that cannot be described, OSError where nothing can be
    written.
    """
    tensors = {f"parameters/{s.path}": s.value for s in slots(network)}
    missing = [name for name, value in tensors.items() if value is None]
    if missing:
        raise ValueError(f"save: {missing[0][11:]} has no size yet; use the network once first")
    for where, layer in walk(network):
        for name in getattr(layer, "buffers", ()):
            tensors[f"buffers/{where}.{name}".replace("/.", "/")] = getattr(layer, name)
    tensors |= _arrays(training or {}, "training/")
    document = {
        "architecture": describe(network),
        "streams": {where: _stream(s) for where, s in _streams(network)},
        "info": dict(info or {}),
        "training": _plain(training) if training is not None else None,
    }
    # safetensors' NumPy writer takes the memory as it lies: give it C order, little endian.
    tensors = {k: np.array(v, v.dtype.newbyteorder("<"), order="C") for k, v in tensors.items()}
    text = json.dumps(document)
    metadata = {"format": FORMAT, "document": text, "checksum": _checksum(tensors, text)}
    return write_whole(Path(path), write_safetensors(tensors, metadata))


def load(path: str | Path, *, classes: Iterable[type] = ()) -> Any:
    """The network in a file that `save` wrote, in evaluation mode or not, as it was.

    classes: your own layer and network classes that it uses; nothing is imported by name.
    Raises ValueError for a file that is not one of handgrad's, cut off, or changed;
    FileNotFoundError where there is none.
    """
    return load_checkpoint(path, classes=classes).network


def load_checkpoint(path: str | Path, *, classes: Iterable[type] = ()) -> Checkpoint:
    """All that a model file holds; see `load`."""
    path = Path(path)
    tensors, document = _read(path)
    network = construct(document["architecture"], tuple(classes))
    if isinstance(network, Network):
        network._adopt()
    found = {f"parameters/{s.path}": s for s in slots(network)}
    held = {name for name in tensors if name.startswith("parameters/")}
    if held != set(found):
        raise ValueError(
            f"{path}: its parameters do not fit the classes given: "
            f"{', '.join(sorted(n[11:] for n in held ^ set(found)))}"
        )
    for name, slot in found.items():
        slot.set(tensors[name])
    for where, layer in walk(network):
        for name in getattr(layer, "buffers", ()):
            setattr(layer, name, tensors[f"buffers/{where}.{name}".replace("/.", "/")])
        if where in document["streams"]:
            layer.stream = Stream(*document["streams"][where])
    training = document["training"]
    if training is not None:
        training = _rejoin(training, tensors, "training/")
    return Checkpoint(network, document["info"], training)


def _read(path: Path) -> tuple[dict[str, Array], dict[str, Any]]:
    content = path.read_bytes()
    try:
        tensors = read_safetensors(content)
        size = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + size]).get("__metadata__", {})
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"{path}: not a whole safetensors file ({error})") from None
    if metadata.get("format") != FORMAT:
        found = metadata.get("format", "no format of ours")
        raise ValueError(f"{path}: not a model of handgrad ({found}; {FORMAT!r} is needed)")
    if metadata.get("checksum") != _checksum(tensors, metadata["document"]):
        raise ValueError(f"{path}: the content does not match its checksum; the file is damaged")
    return tensors, json.loads(metadata["document"])


def _checksum(tensors: Mapping[str, Array], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tensors[name].shape}".encode())
        digest.update(tensors[name].tobytes())
    return digest.hexdigest()


def _streams(network: Any) -> list[tuple[str, Stream]]:
    held = [(where, getattr(layer, "stream", None)) for where, layer in walk(network)]
    return [(where, stream) for where, stream in held if stream is not None]


def _stream(stream: Stream) -> list[int]:
    return [stream.seed, stream.layer, stream.step]


def _arrays(state: Mapping[str, Any], prefix: str) -> dict[str, Array]:
    """The arrays in nested dicts, under their joined keys."""
    found: dict[str, Array] = {}
    for key, value in state.items():
        if isinstance(value, Mapping):
            found |= _arrays(value, f"{prefix}{key}/")
        elif isinstance(value, np.ndarray):
            found[prefix + key] = value
    return found


def _plain(state: Mapping[str, Any]) -> dict[str, Any]:
    """The nested dicts without their arrays."""
    return {
        key: _plain(value) if isinstance(value, Mapping) else value
        for key, value in state.items()
        if not isinstance(value, np.ndarray)
    }


def _rejoin(plain: dict[str, Any], tensors: Mapping[str, Array], prefix: str) -> dict[str, Any]:
    """Nested dicts with the arrays under `prefix` put back."""
    for name in (n for n in tensors if n.startswith(prefix)):
        *keys, last = name[len(prefix) :].split("/")
        place = plain
        for key in keys:
            place = place.setdefault(key, {})
        place[last] = tensors[name]
    return plain
