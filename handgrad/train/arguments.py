"""Arguments of handgrad's own constructors: their types as the signature says, and their sizes."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Sequence
from functools import cache
from typing import Any

from handgrad.train.schema import refuse

# Arguments that cost time or memory which no array in the file has paid for.
SIZES = ("kernel", "parts", "times", "pad", "output_pad", "dilation", "stride", "k",
         "classes", "length", "negatives")  # fmt: skip
# Arguments that say the size of a parameter.
PAID = ("outputs", "inputs", "vocabulary", "length", "hidden")


def check_arguments(cls: type, config: dict[str, Any], where: str) -> int:
    """Raise ValueError for arguments that the constructor does not have, or of another type.

    Returns the number of elements or loops that the sizes among them ask for.
    """
    hints = argument_types(cls)
    for name, value in config.items():
        if name not in hints:
            raise ValueError(f"{where}: {cls.__name__} has no argument {name!r}")
        if not fits(value, hints[name]):
            shown = str(hints[name]).replace("typing.", "") if not isinstance(
                hints[name], type) else hints[name].__name__  # fmt: skip
            raise refuse(f"{where}.config.{name}", shown, value)
    return sum(product_of(config[name]) for name in SIZES if name in config)


@cache
def argument_types(cls: type) -> dict[str, Any]:
    """The annotations of a constructor; Any where there is none."""
    constructor: Any = inspect.getattr_static(cls, "__init__")
    if constructor is object.__init__:
        return {}
    hints = typing.get_type_hints(constructor)
    parameters = list(inspect.signature(constructor).parameters.values())[1:]
    return {p.name: hints.get(p.name, Any) for p in parameters
            if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}  # fmt: skip


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is of the annotated type; an int is also a float, but no truth value is."""
    if hint is Any:
        return True
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, option) for option in inner)
    if origin is tuple:
        listed = isinstance(value, tuple | list)
        entries = inner[:1] * len(value) if listed and ... in inner else inner
        return (listed and len(value) == len(entries)
                and all(map(fits, value, entries)))  # fmt: skip
    if origin in (list, Sequence):
        return isinstance(value, tuple | list) and all(fits(v, inner[0]) for v in value)
    if hint is None or hint is type(None):
        return value is None
    if isinstance(value, bool):
        return hint is bool
    if hint is float:
        return isinstance(value, int | float)
    return not isinstance(hint, type) or isinstance(value, hint)


def product_of(value: Any) -> int:
    """The product of the sizes in nested tuples: what a loop over all of them costs."""
    if isinstance(value, tuple | list):
        count = 1
        for entry in value:
            count *= product_of(entry)
        return min(count, 2**64)
    is_size = isinstance(value, int | float) and not isinstance(value, bool)
    return max(1, int(min(abs(value), 2**64))) if is_size and value == value else 1


def check_sizes(path: str, layer: Any) -> None:
    """Raise ValueError where a size among the arguments of a layer of handgrad's is not one of its
    parameters': every axis is such a size, or several times it (the gates of an LSTM)."""
    axes = {n for name in layer.params for n in vars(layer)[name].shape}
    groups = getattr(layer, "groups", 1)
    for name in PAID:
        size = vars(layer).get(name)
        if isinstance(size, int) and axes and not any(
            axis % size == 0 or (name == "inputs" and axis * groups == size) for axis in axes
        ):  # fmt: skip
            raise ValueError(
                f"layer {path} ({type(layer).__name__}): {name}={size} does not fit its "
                f"parameters, whose axes are {', '.join(map(str, sorted(axes)))}"
            )
