"""Spoilt files: `python -m tests.interop.file_fuzz [kind] [count] [seed]` reads many of them.

kind: safetensors, npz, pt, keras or h5. Each must be read, or refused by ValueError in one line,
within two seconds of processor time; nothing is executed.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from handgrad import Affine, BatchNorm, Convolution, Flatten, ReLU, Sequential
from handgrad.interop.files import load_weights, save_weights
from tests.interop.onnx_fuzz import SECONDS, answer, spoilt

KERAS = Path(__file__).parent / "keras"
ODD = (0, -1, 1 << 31, 1 << 62, 1.5, None, "x", [], {}, [3, 3], True, "valid", "channels_first")


def network() -> Sequential:
    """A small network with weights and buffers."""
    made = Sequential(Convolution(2, 3), BatchNorm(), ReLU(), Flatten(), Affine(2))
    return made.build(np.zeros((1, 1, 4, 4), np.float32))  # type: ignore[no-any-return]


def weights(kind: str) -> tuple[list[bytes], Callable[[Path], object]]:
    """Files of ours, and how they are read."""
    with tempfile.TemporaryDirectory() as folder:
        path = save_weights(network(), Path(folder) / f"w.{kind}")
        files = [path.read_bytes()]
    if kind == "npz":
        memory = io.BytesIO()
        np.savez_compressed(memory, a=np.arange(6.0).reshape(2, 3), b=np.float32(1), c=np.arange(4))
        files.append(memory.getvalue())
    held = network()
    return files, lambda path: load_weights(held, path, partial=True)


def tensors() -> tuple[list[bytes], Callable[[Path], object]]:
    """Files of PyTorch's."""
    import torch

    from handgrad.interop.torch import read_pt

    files = []
    for state in (torch.nn.Linear(3, 2).state_dict(), {"a": torch.arange(6).reshape(2, 3).T}):
        memory = io.BytesIO()
        torch.save(state, memory)
        files.append(memory.getvalue())
    return files, read_pt


def models(kind: str) -> tuple[list[bytes], Callable[[Path], object]]:
    """Files of Keras's: whole models, or their weights."""
    from handgrad.interop.keras import load
    from handgrad.interop.keras.archive import read_weights

    whole = [path.read_bytes() for path in sorted(KERAS.glob("*.keras"))]
    if kind == "keras":
        return whole, load
    return [zipfile.ZipFile(io.BytesIO(d)).read("model.weights.h5") for d in whole], read_weights


def zipped(data: bytes, rng: np.random.Generator) -> bytes:
    """An archive that is whole, one member of it spoilt: a structure twisted, or bytes changed."""
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    name = list(parts)[int(rng.integers(len(parts)))]
    parts[name] = twisted(parts[name], rng) if name == "config.json" else spoilt(parts[name], rng)
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as new:
        for name, part in parts.items():
            new.writestr(name, part)
    return memory.getvalue()


def headed(data: bytes, rng: np.random.Generator) -> bytes:
    """A safetensors file whose header is JSON of the length it says, but makes no sense."""
    size = int.from_bytes(data[:8], "little")
    header = twisted(data[8 : 8 + size], rng)
    return len(header).to_bytes(8, "little") + header + data[8 + size :]


def inside(data: bytes, kind: str, rng: np.random.Generator) -> bytes:
    """A file that is whole outside and spoilt inside, where its kind has an inside."""
    if kind == "h5":
        return spoilt(data, rng)
    return headed(data, rng) if kind == "safetensors" else zipped(data, rng)


def twisted(data: bytes, rng: np.random.Generator) -> bytes:
    """A structure in JSON with a few values that make no sense."""
    tree = json.loads(data)
    for _ in range(int(rng.integers(1, 4))):
        holders = [held for held in every(tree) if held]
        held = holders[int(rng.integers(len(holders)))]
        keys = list(held) if isinstance(held, dict) else list(range(len(held)))
        key = keys[int(rng.integers(len(keys)))]
        choice = rng.integers(4)
        if choice == 0 and isinstance(held, dict):
            del held[key]
        else:
            new = holders if choice == 1 else ODD  # a copy, lest it be put into itself
            held[key] = json.loads(json.dumps(new[int(rng.integers(len(new)))]))
    return json.dumps(tree).encode()


def every(tree: object) -> list[dict | list]:
    """All objects and lists in a tree."""
    if isinstance(tree, dict):
        return [tree, *(held for value in tree.values() for held in every(value))]
    if isinstance(tree, list):
        return [tree, *(held for value in tree for held in every(value))]
    return []


KINDS = {
    "safetensors": lambda: weights("safetensors"), "npz": lambda: weights("npz"), "pt": tensors,
    "keras": lambda: models("keras"), "h5": lambda: models("h5"),
}  # fmt: skip


def read_all(kind: str, count: int, seed: int) -> tuple[int, float]:
    """How many spoilt files were read nevertheless, and the longest time for one."""
    files, read = KINDS[kind]()
    rng, good, longest = np.random.default_rng(seed), 0, 0.0
    suffix = {"h5": "weights.h5"}.get(kind, kind)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"spoilt.{suffix}"
        for i in range(count):
            whole = files[i % len(files)]
            path.write_bytes(inside(whole, kind, rng) if rng.random() < 0.6 else spoilt(whole, rng))
            start = time.process_time()
            try:
                text = answer(read, path)
            except BaseException:
                kept = Path(tempfile.gettempdir()) / f"{seed}-{i}.{suffix}"
                kept.write_bytes(path.read_bytes())
                raise
            good += text == ""
            assert len(text.splitlines()) < 2, text
            longest = max(longest, time.process_time() - start)
            assert longest < SECONDS, f"file {i} of seed {seed} took {longest:.1f} s"
    return good, longest


def main() -> None:
    """Read as many spoilt files as asked for."""
    kind, count, seed = (*sys.argv[1:], *("safetensors", "100000", "0")[len(sys.argv) - 1 :])
    good, longest = read_all(kind, int(count), int(seed))
    print(
        f"{int(count):,} spoilt .{kind} files: {good:,} were read, the others were refused in one"
    )
    print(f"line; the longest took {longest:.2f} s")


if __name__ == "__main__":
    main()
