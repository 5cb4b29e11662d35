"""Weights by name, from and to safetensors and npz files, whoever wrote them."""

from __future__ import annotations

import difflib
import io
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as read_safetensors
from safetensors.numpy import save as write_safetensors

from handgrad.arrays import Array
from handgrad.layer import is_layer, slots, walk
from handgrad.train.npz import read_npz
from handgrad.train.write import write_whole

Names = Mapping[str, str] | Callable[[str], str]
KINDS = (".safetensors", ".npz")
SHOWN = 5  # names of one kind in an error


def save_weights(network: Any, path: str | Path) -> Path:
    """Write all parameters and buffers by their paths, such as "0.W", and nothing else.

    The file's suffix says its format: .safetensors or .npz, both without pickle. `save` writes
    the whole model, from which `load` makes it again; this file needs a network to go into.
    Raises ValueError for another suffix and for a network that is not built.
    """
    path = Path(path)
    kind = _kind(path)
    arrays = {name: np.ascontiguousarray(array) for name, array in _held(network).items()}
    if kind == ".npz":
        memory = io.BytesIO()
        np.savez(memory, **arrays)  # type: ignore[arg-type]
        return write_whole(path, memory.getvalue())
    return write_whole(path, write_safetensors(arrays))


def load_weights(
    network: Any, path: str | Path, *, names: Names | None = None,
    transpose: Collection[str] = (), partial: bool = False,
) -> list[str]:  # fmt: skip
    """Put a file's arrays into a network's parameters and buffers; which were set.

    path: a safetensors or npz file; nothing in it is executed, and no Python objects are read.
    names: the file's name for each of ours that has another there, as a mapping or a function.
    transpose: ours whose matrix lies the other way round in the file, as PyTorch's (M, D) for W.
    partial: leave alone what the file does not have, and what the network does not.
    Raises ValueError, and leaves the network as it was, where names are missing or too many, or
    shapes differ; all of them are told at once, with the nearest names.
    """
    if not (names is None or callable(names) or isinstance(names, Mapping)):
        raise ValueError(f"load_weights: names is a mapping or a function, got {names!r:.60}")
    path, ours = Path(path), _held(network)
    theirs = _read(path)
    given = {name: names(name) for name in ours} if callable(names) else dict(names or {})
    wanted = {name: given.get(name, name) for name in ours}
    if unknown := (set(transpose) | set(given)) - set(ours):
        raise ValueError(f"load_weights: the network has no {listed(sorted(unknown), ours)}")
    missing = [name for name, theirs_name in wanted.items() if theirs_name not in theirs]
    unused = sorted(set(theirs) - set(wanted.values()))
    found = {n: _turned(theirs[w], n in transpose) for n, w in wanted.items() if w in theirs}
    wrong = {n: a for n, a in found.items() if a.shape != ours[n].shape or a.dtype.kind != "f"}
    problems = []
    if missing and not partial:
        problems.append(f"missing: {listed([wanted[n] for n in missing], unused)}")
    if unused and not partial:
        problems.append(f"of no use here: {listed(unused, missing)}")
    if wrong:
        problems.append("; ".join(_misfit(n, ours[n], a) for n, a in wrong.items()))
    if problems or not found:
        said = "; ".join(problems) or f"none of its names is wanted: {listed(unused, missing)}"
        raise ValueError(f"{path}: {said}")
    for name, array in found.items():
        ours[name][...] = array
    return list(found)


def _held(network: Any) -> dict[str, Array]:
    """All parameters and buffers by path, each once; a tied parameter under its first path."""
    require_layer("weights", network)
    found: dict[str, Array] = {}
    seen: set[int] = set()
    for slot in slots(network):
        if slot.value is None:
            raise ValueError(f"weights: {slot.path} has no size yet; use the network once first")
        if id(slot.value) not in seen:
            seen.add(id(slot.value))
            found[slot.path] = slot.value
    for where, layer in walk(network):
        for name in getattr(layer, "buffers", ()):
            array = getattr(layer, name, None)
            if isinstance(array, np.ndarray):
                found[f"{where}.{name}" if where else name] = array
    return found


def require_layer(where: str, network: Any) -> None:
    """Raise ValueError for what is neither a network nor a layer."""
    if not is_layer(network):
        raise ValueError(f"{where}: a network or layer is needed, got {type(network).__name__}")


def _kind(path: Path) -> str:
    if path.suffix not in KINDS:
        raise ValueError(
            f"weights: a file ending in {' or '.join(KINDS)} is needed, got {path.name!r}"
        )
    return path.suffix


def _read(path: Path) -> dict[str, Array]:
    if _kind(path) == ".npz":
        return read_npz(path)
    try:
        return dict(read_safetensors(path.read_bytes()))
    except (SafetensorError, ValueError, KeyError, TypeError, OverflowError) as error:
        said = "bfloat16, which NumPy has not" if "bf16" in str(error).lower() else str(error)
        raise ValueError(f"{path}: not a safetensors file that can be read ({said:.120})") from None


def _turned(array: Array, turn: bool) -> Array:
    return array.T if turn else array


def _misfit(name: str, ours: Array, theirs: Array) -> str:
    if theirs.dtype.kind != "f":
        return f"{name} holds {theirs.dtype}, real numbers are needed"
    hint = f"; transpose=[{name!r}] would do" if theirs.shape == ours.shape[::-1] else ""
    return f"{name} has shape {theirs.shape}, the network's {ours.shape}{hint}"


def require_same(what: str, wanted: Mapping[str, Array], given: Mapping[str, Array]) -> None:
    """Raise ValueError unless the arrays have the same names and shapes: all that is wrong."""
    missing = [name for name in wanted if name not in given]
    unused = [name for name in given if name not in wanted]
    problems = []
    if missing:
        problems.append(f"missing: {listed(missing, unused)}")
    if unused:
        problems.append(f"of no use here: {listed(unused, missing)}")
    problems += [
        f"{name} has shape {given[name].shape}, the network's {array.shape}"
        for name, array in wanted.items()
        if name in given and given[name].shape != array.shape
    ]
    if problems:
        raise ValueError(f"{what}: {'; '.join(problems)}")


def listed(names: list[str], among: Collection[str]) -> str:
    """Some names, each with the nearest of those that it may have been meant for."""
    shown = []
    for name in names[:SHOWN]:
        near = difflib.get_close_matches(name, sorted(among), 1, 0.5)
        shown.append(f"{name!r}" + (f" (near: {near[0]!r})" if near else ""))
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(shown) + more
