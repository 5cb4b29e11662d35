"""A network's architecture as JSON, and back: names of classes and constructor arguments.

No code is stored and none is run: a class is looked up among handgrad's own layers and those
that the caller hands over.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

import numpy as np

import handgrad.layers
from handgrad import network as networks
from handgrad.layer import Layer, is_layer, parameter_names
from handgrad.layers.renamed import present_names

CONTAINERS = (networks.Sequential, networks.Residual, networks.Parallel)


def describe(layer: Any) -> dict[str, Any]:
    """A layer as {"class", "config", "members"}: JSON data that `construct` understands.

    Raises ValueError for a constructor argument that the layer does not keep under its own
    name, or that JSON cannot hold.
    """
    name = type(layer).__name__
    config = layer.config() if isinstance(layer, Layer) else _plain_config(layer)
    described: dict[str, Any] = {
        "class": name,
        "config": {key: _encode(value, f"{name}: {key}") for key, value in config.items()},
    }
    members = layer.members if isinstance(layer, Layer) else ()
    if members:
        described["members"] = [describe(member) for member in members]
    return described


def construct(description: dict[str, Any], classes: Iterable[type] = ()) -> Any:
    """The layer that was described. Raises ValueError for a class that nobody handed over."""
    known = {cls.__name__: cls for cls in (*_own_classes(), *classes)}
    name = description["class"]
    if name not in known:
        raise ValueError(
            f"the file needs your class {name}: hand it over as load(path, classes=[{name}])"
        )
    members = [construct(member, known.values()) for member in description.get("members", ())]
    config = {key: _decode(value) for key, value in description["config"].items()}
    if known[name] is getattr(handgrad.layers, name, None):
        config = present_names(name, config)
    try:
        return known[name](*members, **config)
    except TypeError as error:
        raise ValueError(f"{name} cannot be made from the file: {error}") from None


def _own_classes() -> list[type]:
    return [*CONTAINERS, *(getattr(handgrad.layers, name) for name in handgrad.layers.__all__)]


def _plain_config(layer: Any) -> dict[str, Any]:
    """Constructor arguments of a class without base: attributes of the same name."""
    if type(layer).__init__ is object.__init__:
        return {}
    arguments = list(inspect.signature(type(layer).__init__).parameters.values())[1:]
    missing = [a.name for a in arguments if not hasattr(layer, a.name)]
    if missing:
        raise ValueError(
            f"{type(layer).__name__} cannot be saved: keep the constructor argument "
            f"{missing[0]!r} as self.{missing[0]}"
        )
    parameters = parameter_names(layer)
    # A parameter's numbers come from the file's tensors; here only its shape is needed.
    return {
        a.name: np.zeros(getattr(layer, a.name).shape)
        if a.name in parameters else getattr(layer, a.name)
        for a in arguments
    }  # fmt: skip


def _encode(value: Any, where: str) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.dtype):
        return {"dtype": value.name}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return {"array": value.tolist(), "shape": list(value.shape), "type": value.dtype.name}
    if isinstance(value, slice):
        return {"slice": [value.start, value.stop, value.step]}
    if value is Ellipsis:
        return {"ellipsis": True}
    if isinstance(value, list | tuple):
        return [_encode(v, where) for v in value]
    if is_layer(value):
        return {"layer": describe(value)}
    if callable(value):
        return None  # a rule for initial weights: the weights are there already
    raise ValueError(f"{where} cannot be saved: {type(value).__name__} is not plain data")


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_decode(v) for v in value)
    if not isinstance(value, dict):
        return value
    if "dtype" in value:
        return np.dtype(value["dtype"])
    if "array" in value:
        return np.array(value["array"], value["type"]).reshape(value["shape"])
    if "slice" in value:
        return slice(*value["slice"])
    if "layer" in value:
        return construct(value["layer"])
    return Ellipsis
