"""A network's architecture as JSON, and back: names of classes and constructor arguments.

No code is stored and none is run: a class is looked up in the registry of handgrad's layers or
among those that the caller hands over.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

import numpy as np

from handgrad.layer import Layer, is_layer, parameter_names, walk
from handgrad.layers.init import RULES
from handgrad.renamed import present_names
from handgrad.train import registry, schema
from handgrad.train.arguments import check_arguments

NODE: schema.Check = schema.record(
    {"class": schema.text, "config": schema.mapping(schema.anything)},
    {"members": schema.list_of(schema.anything), "user": schema.one_of(True)},
)
SAME: schema.Check = schema.record({"same": schema.integer(0, 2**31)})
NUMBERS = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
           "float16", "float32", "float64")  # fmt: skip
SIZES = schema.list_of(schema.integer(0, 2**48))
BOUND: schema.Check = schema.optional(schema.integer(-(2**63), 2**63))
VALUES: dict[frozenset[str], schema.Check] = {
    frozenset(form): schema.record(form)
    for form in (
        {"dtype": schema.one_of(*NUMBERS)},
        {"array": schema.anything, "shape": SIZES, "type": schema.one_of(*NUMBERS)},
        {"parameter": SIZES, "type": schema.one_of("float16", "float32", "float64")},
        {"slice": schema.list_of(BOUND, 3)},
        {"ellipsis": schema.one_of(True)},
        {"list": schema.list_of(schema.anything)},
        {"layer": schema.anything},
        {"rule": schema.one_of(*RULES)},
        {"type": schema.text, "user": schema.kind("a truth value", bool)},
    )
}  # fmt: skip


def describe(network: Any) -> dict[str, Any]:
    """A layer as {"class", "config", "members"}: JSON data that `construct` understands.

    A layer that is used twice is described once, and then as {"same": its number}.
    Raises ValueError for a constructor argument that the layer does not keep under its own
    name, or that a file cannot hold, and for two classes of one name.
    """
    try:
        return _Writer(network).node(network)
    except RecursionError:
        raise ValueError(
            "save: the network is nested too deeply, or an argument holds itself"
        ) from None


class _Writer:
    """Describes layers, numbered in the order in which they are finished."""

    def __init__(self, network: Any):
        self.paths = {id(layer): path for path, layer in walk(network)}
        self.numbers: dict[int, int] = {}
        self.classes: dict[str, type] = {}

    def node(self, layer: Any) -> dict[str, Any]:
        if id(layer) in self.numbers:
            return {"same": self.numbers[id(layer)]}
        cls = type(layer)
        if self.classes.setdefault(cls.__name__, cls) is not cls:
            raise ValueError(f"save: two classes are called {cls.__name__}; rename one of them")
        path = self.paths.get(id(layer))
        where = f"layer {path} ({cls.__name__})" if path else cls.__name__
        members = layer.members if isinstance(layer, Layer) else ()
        described: dict[str, Any] = {"class": cls.__name__}
        if not registry.is_own(cls):
            described["user"] = True
        if members:
            described["members"] = [self.node(member) for member in members]
        described["config"] = {
            name: self.value(value, f"{where}: {name}")
            for name, value in _config(layer, where).items()
        }
        self.numbers[id(layer)] = len(self.numbers)
        return described

    def value(self, value: Any, where: str) -> Any:
        if value is None or isinstance(value, bool | int | float | str | dict):
            return value if not isinstance(value, dict) else self.parameter(value, where)
        if isinstance(value, np.dtype):
            return {"dtype": schema.one_of(*NUMBERS)(value.name, where)}
        if isinstance(value, np.generic):
            return value.item()
        if isinstance(value, np.ndarray):
            name = schema.one_of(*NUMBERS)(value.dtype.name, f"{where}: the dtype")
            return {"array": value.tolist(), "shape": list(value.shape), "type": name}
        if isinstance(value, slice):
            return {"slice": [value.start, value.stop, value.step]}
        if value is Ellipsis:
            return {"ellipsis": True}
        if isinstance(value, list | tuple):
            entries = [self.value(v, where) for v in value]
            return entries if isinstance(value, tuple) else {"list": entries}
        if is_layer(value):
            return {"layer": self.node(value)}
        return self.callable(value, where)

    def parameter(self, value: dict[str, Any], where: str) -> dict[str, Any]:
        """What `_config` says of a parameter; any other dict is no plain data."""
        if set(value) != {"parameter", "type"}:
            raise ValueError(f"{where} cannot be saved: dict is not plain data")
        return value

    def callable(self, value: Any, where: str) -> dict[str, Any]:
        """Classes and rules by their names; other functions cannot be in a file."""
        if isinstance(value, type) and issubclass(value, np.generic):
            return {"dtype": schema.one_of(*NUMBERS)(np.dtype(value).name, where)}
        if registry.is_layer_class(value):
            return {"type": value.__name__, "user": not registry.is_own(value)}
        if name := registry.rule_name(value):
            return {"rule": name}
        if not callable(value):
            raise ValueError(f"{where} cannot be saved: {type(value).__name__} is not plain data")
        called = getattr(value, "__name__", type(value).__name__)
        raise ValueError(
            f"{where} is the function {called}, which a file cannot hold: set it to None or a "
            "name before saving, or write a layer class that has it inside"
        )


def _config(layer: Any, where: str) -> dict[str, Any]:
    """The constructor's arguments: attributes of the same name."""
    try:
        if isinstance(layer, Layer):
            return layer.config()
        if type(layer).__init__ is object.__init__:
            return {}
        names = [a.name for a in list(inspect.signature(type(layer).__init__).parameters.values())
                 if a.kind not in (a.VAR_POSITIONAL, a.VAR_KEYWORD)][1:]  # fmt: skip
        values = {name: getattr(layer, name) for name in names}
    except AttributeError as error:
        lost = getattr(error, "name", None)
        raise ValueError(
            f"{where} cannot be saved: keep the constructor argument {lost!r} as self.{lost}"
        ) from None
    # A parameter's elements come from the file's tensors; here only its shape is needed.
    own = set(parameter_names(layer))
    return {
        name: {"parameter": list(value.shape), "type": value.dtype.name} if name in own else value
        for name, value in values.items()
    }


def construct(description: Any, classes: Iterable[type] = (), *, room: int = 2**31) -> Any:
    """The layer that was described, without its parameters.

    room: how many elements its arguments may ask for, of parameters and of loops over sizes.
    Raises ValueError for a class that was not handed over, and for whatever is wrong.
    """
    return _Reader(registry.users(classes), room).node(description, "architecture")


class _Reader:
    """Makes layers from what a file says of them; nothing it says is taken on trust."""

    def __init__(self, given: dict[str, type], room: int):
        self.given, self.room = given, room
        self.made: list[Any] = []

    def node(self, node: Any, where: str) -> Any:
        if isinstance(node, dict) and "same" in node:
            number = SAME(node, where)["same"]
            if number >= len(self.made):
                raise schema.refuse(f"{where}.same", "the number of a layer before", number)
            return self.made[number]
        NODE(node, where)
        cls = self.find(node["class"], node.get("user"), where)
        members = [self.node(m, f"{where}.members[{i}]")
                   for i, m in enumerate(node.get("members", ()))]  # fmt: skip
        config = {key: self.value(value, f"{where}.config.{key}")
                  for key, value in node["config"].items()}  # fmt: skip
        if registry.is_own(cls):
            config = present_names(node["class"], config)
            self.spend(check_arguments(cls, config, where), where)
        try:
            layer = cls(*members, **config)
        except Exception as error:  # constructors are foreign code, and their arguments too
            said = " ".join(str(error).split()) or type(error).__name__
            raise ValueError(f"{node['class']} cannot be made from the file: {said}") from None
        self.made.append(layer)
        return layer

    def find(self, name: str, user: bool | None, where: str) -> type:
        if name in self.given:
            return self.given[name]
        if name in registry.LAYERS and not user:
            return registry.LAYERS[name]
        if not name.isidentifier():
            raise schema.refuse(f"{where}.class", "the name of a class", name)
        raise ValueError(
            f"the file needs your class {name}: hand it over as load(path, classes=[{name}])"
        )

    def spend(self, count: int, where: str) -> None:
        self.room -= count
        if self.room < 0:
            raise ValueError(f"{where}: its sizes are far beyond what the file holds")

    def value(self, value: Any, where: str) -> Any:
        if isinstance(value, list):  # a tuple, which JSON does not have
            return tuple(self.value(v, f"{where}[{i}]") for i, v in enumerate(value))
        if not isinstance(value, dict):
            return value
        check = VALUES.get(frozenset(value))
        if check is None:
            raise schema.refuse(where, "a constructor argument", value)
        check(value, where)
        if "list" in value:
            return list(self.value(value["list"], where))
        if "layer" in value:
            return self.node(value["layer"], f"{where}.layer")
        if "parameter" in value:
            self.spend(int(np.prod(value["parameter"], dtype=float)), where)
            return np.zeros(value["parameter"], value["type"])
        if "array" in value:
            return _array(value, where)
        if "dtype" in value:
            return np.dtype(value["dtype"])
        if "slice" in value:
            return slice(*value["slice"])
        if "rule" in value:
            return RULES[value["rule"]]
        return self.find(value["type"], value["user"], where) if "type" in value else Ellipsis


def _array(value: dict[str, Any], where: str) -> np.ndarray:
    try:
        return np.array(value["array"], value["type"]).reshape(value["shape"])
    except (ValueError, TypeError, OverflowError):
        raise schema.refuse(
            where, f"an array of shape {value['shape']} and dtype {value['type']}", value["array"]
        ) from None
