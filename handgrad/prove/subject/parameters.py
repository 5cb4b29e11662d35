"""Where a layer keeps its parameters and their gradients, whatever the style of the class."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.layer import Layer
from handgrad.layer import Parameter as TensorParameter

Path = tuple[Any, ...]

# Names that a parameter usually has: used to notice one whose gradient is never set.
_USUAL = {"W", "w", "b", "weight", "weights", "bias", "gamma", "beta", "Wx", "Wh", "Wq", "Wk", "Wv"}
_USUAL |= {"Wo", "kernel", "kernels", "filters", "alpha", "scale", "shift", "U", "V", "Wi", "Wf"}
_STATE = {"x", "y", "t", "out", "h", "mask", "loss"}
_PAIRS = (("params", "grads"), ("params", "gradients"), ("parameters", "grads"))


@dataclass(frozen=True)
class Parameter:
    """A parameter by the path from the subject to it, and the path to its gradient."""

    name: str
    path: Path
    gradient: Path | None  # None: no gradient is ever set


def reach(thing: Any, path: Path) -> Any:
    """The value at the end of a path of attributes, indices and keys; None where it breaks."""
    for kind, key in path:
        try:
            thing = getattr(thing, key) if kind == "." else thing[key]
        except (AttributeError, KeyError, IndexError, TypeError):
            return None
    return thing


def put(thing: Any, path: Path, value: Any) -> None:
    """Put a value at the end of a path: into the array that is there if it fits, else instead."""
    held = reach(thing, path)
    value = np.asarray(value)
    if isinstance(held, np.ndarray) and held.dtype == value.dtype and held.flags.writeable:
        held[...] = value
        return
    owner, (kind, key) = reach(thing, path[:-1]), path[-1]
    new = value if isinstance(held, np.ndarray) else value[()]
    if kind == ".":
        setattr(owner, key, new)
    else:
        owner[key] = new


def discover(thing: Any, missing: bool = True) -> list[Parameter]:
    """Every parameter found in a subject on which forward and backward have run."""
    found: list[Parameter] = []
    owners: set[int] = set()
    arrays: set[int] = set()
    for owner, path in _owners(thing, (), owners):
        for parameter in _own(owner, path, missing):
            value = reach(thing, parameter.path)
            if isinstance(value, np.ndarray) and value.ndim:
                if id(value) in arrays:
                    continue
                arrays.add(id(value))
            found.append(parameter)
    return found


def owners(thing: Any) -> Iterator[Any]:
    """The object itself and every object inside."""
    return (owner for owner, _ in _owners(thing, (), set()))


def _owners(value: Any, path: Path, seen: set[int]) -> Iterator[tuple[Any, Path]]:
    """Every object that can hold parameters, with its path."""
    if id(value) in seen or isinstance(value, np.ndarray | type | ModuleType | FunctionType | str):
        return
    seen.add(id(value))
    if isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _owners(inner, (*path, ("[]", index)), seen)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _owners(inner, (*path, ("[]", key)), seen)
    elif hasattr(value, "__dict__"):
        yield value, path
        for name, inner in vars(value).items():
            if name != "followed_by":
                yield from _owners(inner, (*path, (".", name)), seen)


def _own(owner: Any, path: Path, missing: bool) -> Iterator[Parameter]:
    """The parameters that one object holds itself."""
    declared = owner.params if isinstance(owner, Layer) else ()
    names = vars(owner)
    for name, value in names.items():
        where = (*path, (".", name))
        if isinstance(value, TensorParameter):
            yield Parameter(spell(where), (*where, (".", "data")), (*where, (".", "grad")))
        elif name in declared or (_real(value) and name not in _STATE):
            gradient = next((g for g in _gradient_names(name) if g in names), None)
            if gradient is not None and (names[gradient] is None or _numeric(names[gradient])):
                yield Parameter(spell(where), where, (*path, (".", gradient)))
            elif isinstance(names.get("grads"), dict) and name in names["grads"]:
                yield Parameter(spell(where), where, (*path, (".", "grads"), ("[]", name)))
            elif missing and (name in declared or name in _USUAL) and _array(value):
                yield Parameter(spell(where), where, None)
    yield from _paired(names, path)


def _paired(names: dict[str, Any], path: Path) -> Iterator[Parameter]:
    """Parameters and gradients in two lists, or two dicts, side by side."""
    for left, right in _PAIRS:
        params, grads = names.get(left), names.get(right)
        if isinstance(params, dict) and isinstance(grads, dict):
            keys: list[Any] = [k for k in params if k in grads or f"d{k}" in grads]
        elif isinstance(params, list) and isinstance(grads, list) and len(params) == len(grads):
            keys = list(range(len(params)))
        else:
            continue
        for key in keys:
            if _array(params[key]):
                other = key if not isinstance(grads, dict) or key in grads else f"d{key}"
                where = (*path, (".", left), ("[]", key))
                yield Parameter(spell(where), where, (*path, (".", right), ("[]", other)))


def _gradient_names(name: str) -> tuple[str, ...]:
    swapped = name[0].swapcase() + name[1:]
    return (
        f"d{name}", f"grad_{name}", f"{name}_grad", f"g{name}", f"d_{name}", f"d{swapped}",
        f"grad{name}", f"g_{name}", f"_d{name.lstrip('_')}",
    )  # fmt: skip


def spell(path: Path) -> str:
    """A path as a reader writes it: layers[0].W becomes `0.W`, params["W1"] becomes `W1`."""
    hidden = ("layers", "params", "parameters", "data", "thing")
    parts = [str(key) for kind, key in path if not (kind == "." and key in hidden)]
    return ".".join(parts)


def _array(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size > 0


def _real(value: Any) -> bool:
    return _array(value) or isinstance(value, float | np.floating)


def _numeric(value: Any) -> bool:
    return isinstance(value, np.ndarray | float | int | np.generic | list | tuple)


def as_array(value: Any) -> Array | None:
    """A gradient as an array; None stays None, and so does what is not numbers."""
    if value is None or isinstance(value, str):
        return None
    try:
        array = np.asarray(value)
    except (ValueError, TypeError):
        return None
    return array if array.dtype.kind in "fiubc" else None
