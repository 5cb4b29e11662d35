"""Where a layer keeps its parameters and their gradients, whatever the style of the class."""

from __future__ import annotations

import enum
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.layer import Layer
from handgrad.layer import Parameter as TensorParameter
from handgrad.tensor import Tensor

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
        except Exception:  # a property may raise anything
            return None
    return thing


def attributes(owner: Any) -> dict[str, Any]:
    """What an object holds, in its `__dict__` or in slots."""
    held = dict(getattr(owner, "__dict__", {}))
    for cls in type(owner).__mro__:
        slots = vars(cls).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if hasattr(owner, name) and name not in ("__dict__", "__weakref__"):
                held[name] = getattr(owner, name)
    return held


def _computed(owner: Any, name: str) -> Any:
    """An attribute that is held, or worked out by a property; None where there is none."""
    held = attributes(owner)
    return held[name] if name in held else reach(owner, ((".", name),))


def _is_property(owner: Any, name: str) -> bool:
    kinds = (property, functools.cached_property)
    return isinstance(getattr(type(owner), name, None), kinds)


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


# A tensor is what a run has recorded; one that is a parameter is seen by its owner.
_LEAVES = (np.ndarray, type, ModuleType, FunctionType, str, Tensor, enum.Enum)


def _owners(value: Any, path: Path, seen: set[int]) -> Iterator[tuple[Any, Path]]:
    """Every object that can hold parameters, with its path."""
    if id(value) in seen or isinstance(value, _LEAVES):
        return
    seen.add(id(value))
    if isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _owners(inner, (*path, ("[]", index)), seen)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _owners(inner, (*path, ("[]", key)), seen)
    elif hasattr(value, "__dict__") or hasattr(type(value), "__slots__"):
        yield value, path
        for name, inner in attributes(value).items():
            if name != "followed_by" and name not in getattr(value, "_transient", ()):
                yield from _owners(inner, (*path, (".", name)), seen)


def _own(owner: Any, path: Path, missing: bool) -> Iterator[Parameter]:
    """The parameters that one object holds itself."""
    declared = owner.params if isinstance(owner, Layer) else ()
    held = attributes(owner)
    found, unset = [], []
    for name, value in held.items():
        where = (*path, (".", name))
        if isinstance(value, TensorParameter):
            found.append(Parameter(spell(where), (*where, (".", "data")), (*where, (".", "grad"))))
        elif name in declared or (_real(value) and name not in _STATE):
            gradient = _gradient_of(owner, held, name)
            if gradient is not None:
                found.append(Parameter(spell(where), where, (*path, *gradient)))
            elif (name in declared or name in _USUAL) and _array(value):
                unset.append(Parameter(spell(where), where, None))
    for left, right in _PAIRS:
        params, grads = held.get(left), _computed(owner, right)
        for parameter in _paired(params, grads, (*path, (".", left)), (*path, (".", right))):
            (unset if parameter.gradient is None else found).append(parameter)
    yield from found
    if missing and (found or declared):  # else nothing is learned here, whatever it is called
        yield from unset


def _gradient_of(owner: Any, held: dict[str, Any], name: str) -> Path | None:
    """The path from an object to the gradient of what it holds under this name."""
    for gradient in _gradient_names(name):
        if _is_property(owner, gradient):
            return ((".", gradient),)
        if gradient in held and (held[gradient] is None or _numeric(held[gradient])):
            return ((".", gradient),)
    grads = _computed(owner, "grads")
    if isinstance(grads, dict) and name in grads:
        return ((".", "grads"), ("[]", name))
    lone = name in ("value", "data", "val", "array") and "grad" in held
    return ((".", "grad"),) if lone else None


def _paired(params: Any, grads: Any, where: Path, there: Path) -> Iterator[Parameter]:
    """Parameters and gradients in two lists, or two dicts, side by side."""
    pairs: dict[Any, Any] = {}  # the key of a parameter, and that of its gradient
    if isinstance(params, dict) and isinstance(grads, dict) and grads:
        pairs = {key: next((k for k in (key, f"d{key}") if k in grads), None) for key in params}
    elif isinstance(params, list) and isinstance(grads, list | tuple) and len(params) == len(grads):
        pairs = {key: key for key in range(len(params))}
    for key, other in pairs.items():
        if _array(params[key]):
            at, gradient = (*where, ("[]", key)), (*there, ("[]", other))
            yield Parameter(spell(at), at, None if other is None else gradient)


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
    if array.dtype.kind in "fiubc":
        return array
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else None  # not NumPy's own
