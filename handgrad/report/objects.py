"""Options of a training as plain data, and back: optimizers, schedules, averages, transforms.

As with layers, a name is looked up in one table, and nothing is imported by name or executed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from inspect import isfunction
from typing import Any

import numpy as np

from handgrad import optim
from handgrad.attributes import arguments, short
from handgrad.optim.names import OPTIMIZERS
from handgrad.train import EMA, SWA, EarlyStopping, augment, schema

SCHEDULES = (
    "Constant", "CosineDecay", "CosineRestarts", "Cyclic", "ExponentialDecay", "OneCycle",
    "Plateau", "StepDecay", "WarmUp",
)  # fmt: skip
TRANSFORMS = ("Augment", "Brightness", "Crop", "Flip", "Noise", "Rotate", "Shift", "Warp", "Zoom")
KNOWN: dict[str, type] = {
    cls.__name__: cls
    for cls in (
        *OPTIMIZERS.values(), optim.LBFGS, optim.LevenbergMarquardt, EMA, SWA, EarlyStopping,
        *(getattr(optim, name) for name in SCHEDULES),
        *(getattr(augment, name) for name in TRANSFORMS),
    )
}  # fmt: skip
OBJECT: schema.Check = schema.record(
    {"class": schema.one_of(*KNOWN), "options": schema.mapping(schema.anything)},
    {"members": schema.list_of(schema.anything)},
)


def describe_object(thing: Any, where: str) -> dict[str, Any]:
    """{"class", "options", "members"} of one of the classes above, JSON data.

    Raises ValueError, naming `where`, for anything else.
    """
    cls = type(thing)
    if KNOWN.get(cls.__name__) is not cls:
        what = f"the function {thing.__name__}" if isfunction(thing) else short(thing)
        raise ValueError(f"{where} is {what}, which a file cannot hold; handgrad's own it can")
    described: dict[str, Any] = {"class": cls.__name__, "options": {
        name: _value(getattr(thing, name), f"{where}.{name}") for name in arguments(cls)
    }}  # fmt: skip
    if cls is augment.Augment:
        described["members"] = [describe_object(t, where) for t in thing.transforms]
    return described


def make_object(described: Any, where: str) -> Any:
    """The object that was described. Raises ValueError for what is no description."""
    OBJECT(described, where)
    members = [make_object(m, where) for m in described.get("members", ())]
    options = {k: _made(v, f"{where}.{k}") for k, v in described["options"].items()}
    try:
        return KNOWN[described["class"]](*members, **options)
    except TypeError as error:
        raise ValueError(f"{where}: {error}") from None


def plain(value: Any) -> Any:
    """JSON data in which numbers that are not finite are text, "NaN" or "Infinity"."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list | tuple | np.ndarray) else value


def _value(value: Any, where: str) -> Any:
    if value is None or isinstance(value, bool | int | float | str | np.generic):
        return plain(value)
    if isinstance(value, list | tuple):
        return [_value(v, where) for v in value]
    if isinstance(value, dict):
        return {"dict": {k: _value(v, where) for k, v in value.items()}}
    return describe_object(value, where)


def _made(value: Any, where: str) -> Any:
    if isinstance(value, list):
        return [_made(v, where) for v in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"dict"}:
        return {k: _made(v, where) for k, v in schema.mapping(schema.anything)(value["dict"], where)
                .items()}  # fmt: skip
    return make_object(value, where)
