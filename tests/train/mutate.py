"""Model files with wrong content and a right checksum, made by random changes of good ones."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import numpy as np
from safetensors.numpy import load as read_safetensors
from safetensors.numpy import save as write_safetensors

from handgrad.train.checkpoint import _checksum

VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2, 3, 7, 10**5, 10**9, 2**31, 2**63, 2**64, -(2**64), 10**30, 0.5,
    -1.5, 1e308, float("nan"), float("inf"), "", "a", "x" * 50, "Affine", "Network", "loss_for",
    "seed", "\ud800", [], [[]], [1, 2], [0, 0, 0], ["a"], [None], {}, {"same": 0}, {"same": 99},
    {"layer": None}, {"array": [1, [2]], "shape": [2], "type": "int8"},
    {"array": [], "shape": [0, 10**12], "type": "float64"}, {"dtype": "O"}, {"rule": "he"},
    {"type": "ReLU", "user": False}, {"slice": [0, 1]}, {"parameter": [10**9], "type": "float32"},
    {"parameter": [-1], "type": "float32"}, {"__tensor__": "parameters/1.W"}, {"__tensor__": 3},
    {"class": "Sequential", "config": {}}, {"class": "Tile", "config": {"times": 10**9}},
]  # fmt: skip


class Text(str):
    """A document that is given as text."""


def unpack(content: bytes) -> tuple[dict[str, np.ndarray], Any, str]:
    """The arrays, the document and the format of a model file."""
    size = int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + size])["__metadata__"]
    return read_safetensors(content), json.loads(metadata["document"]), metadata["format"]


def pack(tensors: dict[str, np.ndarray], document: Any, format: str) -> bytes:
    """A model file whose checksum is right, whatever it holds."""
    text = str(document) if isinstance(document, Text) else json.dumps(document)
    tensors = {k: np.array(v, order="C") for k, v in tensors.items()}
    checksum = _checksum(tensors, text)
    return write_safetensors(tensors, {"format": format, "document": text, "checksum": checksum})


def spots(value: Any) -> list[tuple[Any, Any]]:
    """(container, key) of everything in a document."""
    found, waiting = [], [value]
    while waiting:
        inner = waiting.pop()
        keys = list(inner) if isinstance(inner, dict) else range(len(inner))
        for key in keys:
            found.append((inner, key))
            if isinstance(inner[key], dict | list):
                waiting.append(inner[key])
    return found


def mutate(content: bytes, rng: random.Random) -> bytes:
    """One to three random changes of a model file."""
    tensors, document, format = unpack(content)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        if rng.random() < 0.25 and tensors:
            change_tensors(tensors, rng)
        else:
            document = change_document(document, rng)
    return pack(tensors, document, format)


def change_document(document: Any, rng: random.Random) -> Any:
    found = spots(document) if isinstance(document, dict | list) else []
    if not found or rng.random() < 0.01:
        return copy.deepcopy(rng.choice(VALUES))
    holder, key = rng.choice(found)
    what = rng.choice(["value", "value", "value", "drop", "swap", "size", "size", "rename",
                       "deep", "twice"])  # fmt: skip
    if what == "value":
        holder[key] = copy.deepcopy(rng.choice(VALUES))
    elif what == "drop":
        del holder[key]
    elif what == "swap":
        other, there = rng.choice(found)
        holder[key] = copy.deepcopy(other[there])
    elif what == "size" and isinstance(holder[key], int | float):
        holder[key] *= rng.choice([-1, 0, 2, 1000, 10**6, 10**12])
    elif what == "rename" and isinstance(holder, dict):
        holder[rng.choice(["class", "config", "W", "", "0", "inputs", "layers"])] = holder.pop(key)
    elif what == "deep":
        value: Any = holder[key]
        for _ in range(rng.choice([3, 150, 5000])):
            value = [value] if rng.random() < 0.5 else {"layer": value}
            if not isinstance(value, list) and rng.random() < 0.1:
                value = {"class": "Sequential", "config": {}, "members": [value]}
        holder[key] = value
        try:
            json.dumps(document)
        except RecursionError:  # cannot be written: the nesting is given as text
            holder[key] = None
            return Text(json.dumps(document).replace("null", "[" * 3000 + "]" * 3000, 1))
    elif what == "twice" and isinstance(holder[key], list) and holder[key]:
        holder[key] = holder[key] * rng.choice([2, 50])
    return document


def change_tensors(tensors: dict[str, np.ndarray], rng: random.Random) -> None:
    name = rng.choice(list(tensors))
    array = tensors[name]
    what = rng.choice(["drop", "type", "shape", "rename", "nan", "empty", "add"])
    if what == "drop":
        del tensors[name]
    elif what == "type":
        tensors[name] = array.astype(rng.choice(["f2", "f8", "i8", "u1", "?"]))
    elif what == "shape":
        tensors[name] = rng.choice([array.reshape(-1), array[None], array.T, array.reshape(-1)[:1]])
    elif what == "rename":
        tensors[rng.choice(["parameters/0.W", "buffers/x", "training/1", "other"])] = tensors.pop(
            name)  # fmt: skip
    elif what == "nan" and array.dtype.kind == "f":
        tensors[name] = np.full_like(array, np.nan)
    elif what == "empty":
        tensors[name] = array.reshape(-1)[:0]
    elif what == "add":
        tensors[f"parameters/{rng.randrange(9)}.W"] = np.ones((2, 2), np.float32)
