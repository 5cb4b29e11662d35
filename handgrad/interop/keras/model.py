"""load: a Keras model's file as a network of our layers, with its weights."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.interop.files.weights import listed
from handgrad.interop.keras import activations, images, others
from handgrad.interop.keras.archive import ERRORS, read_keras, said
from handgrad.interop.keras.builder import Builder, Convert, Value, need
from handgrad.interop.steps import Unsupported
from handgrad.layer import walk
from handgrad.network import Network
from handgrad.tensor import no_grad

CONVERT: dict[str, Convert] = {**activations.CONVERT, **images.CONVERT, **others.CONVERT}
MODELS = ("Sequential", "Functional", "Model")
# In a file of weights: what no layer's outputs depend on.
ASIDE = re.compile(r"(^|/)(optimizer|seed_generator|_?metrics?|loss_tracker)(/|$)|^vars/")
PROBED = 4096  # longest axis of an input on which the shapes are checked
ANY = 32  # the length that stands for one that the file leaves open


def load(path: str | Path, *, output: str | None = None) -> Network:
    """The network in a .keras file, with its weights; nothing in the file is executed.

    It takes and gives what the model does, images and sequences with their channels last; where
    layers need them first a Transpose turns them. A chain of layers is a `Sequential`. Layers with
    trainable=False are frozen. output: the name of the layer whose output is meant, where the
    model has several.
    Raises FileNotFoundError, ImportError without h5py, and ValueError for a file that is damaged,
    for layers and options that have no counterpart (all of them named), and for weights that are
    missing, too many, or of another shape.
    """
    config, arrays = read_keras(path)
    try:
        return _built(config, arrays, output)
    except ERRORS as error:
        raise ValueError(f"{path}: {said(error)}") from None


def _built(config: dict[str, Any], arrays: dict[str, Any], output: str | None) -> Network:
    b, wrong = Builder(_named(arrays)), dict[str, str]()
    if config.get("class_name") not in MODELS:
        raise ValueError(
            f"a model of class {config.get('class_name')!r}; Sequential and Functional are read"
        )
    y = _model(b, config, None, "", wrong, output)
    if wrong:
        raise ValueError(f"no counterpart for {'; '.join(f'{n} ({w})' for n, w in wrong.items())}")
    unused = sorted(n for n in b.arrays if n not in b.taken and not ASIDE.search(n))
    if unused:
        raise ValueError(f"weights of no use here: {listed(unused, b.taken)}")
    kinds = [a.dtype.name for n, a in b.arrays.items() if n in b.taken and a.dtype.kind == "f"]
    network = b.network(b.given(y), "float64" if "float64" in kinds else "float32")
    _try(network, b)
    paths = {id(layer): path for path, layer in walk(network)}
    fixed = [paths[id(layer)] for layer in b.fixed if any(True for _ in layer.params)]
    return network.freeze(*fixed) if fixed else network


def _named(arrays: dict[str, Any]) -> dict[str, Any]:
    """The arrays by names as newer versions write them."""
    return {n.replace("_layer_checkpoint_dependencies/", "layers/"): a for n, a in arrays.items()}


def _model(
    b: Builder, config: dict[str, Any], given: list[Value] | None, prefix: str,
    wrong: dict[str, str], output: str | None = None,
) -> Value:  # fmt: skip
    """The steps of a model. given: what it is called on, where it lies inside another."""
    groups, inner = _groups(config["config"]["layers"], prefix), config["config"]
    if config["class_name"] == "Sequential":
        return _sequential(b, inner["layers"], groups, given, wrong)
    values: dict[tuple[str, int], Value] = {}
    inputs = _keys(inner["input_layers"])
    for layer, x in zip(inputs, given or []):
        values[layer] = x
    by_name = {layer["name"]: layer for layer in inner["layers"]}
    if given is None:
        for name, k in inputs:
            values[name, k] = _input(b, by_name[name])
    calls = {(layer["name"], k): node for layer in inner["layers"]
             for k, node in enumerate(layer["inbound_nodes"])}  # fmt: skip
    for name, k in _in_order({key: _sources(node) for key, node in calls.items()}, values):
        args = _arguments(calls[name, k], values)
        values[name, k] = _layer(b, by_name[name], args, groups, wrong)
    return values[_chosen(_keys(inner["output_layers"]), output)]


def _in_order(
    needed: dict[tuple[str, int], list[tuple[str, int]]], known: dict[tuple[str, int], Value]
) -> Iterator[tuple[str, int]]:  # fmt: skip
    """The calls, each behind those whose outputs it takes."""
    left = {key: set(sources) - known.keys() for key, sources in needed.items()}
    users: dict[tuple[str, int], list[tuple[str, int]]] = {}
    for key, sources in left.items():
        for source in sources:
            users.setdefault(source, []).append(key)
    ready = deque(key for key, sources in left.items() if not sources and key not in known)
    while ready:
        key = ready.popleft()
        yield key
        for user in users.get(key, ()):
            left[user].discard(key)
            if not left[user]:
                ready.append(user)
    stuck = [name for (name, _), sources in left.items() if sources]
    if stuck:
        raise ValueError(f"{stuck[0]!r} takes what no layer gives")


def _sequential(
    b: Builder, inner: list[Any], groups: dict[str, str], given: list[Value] | None,
    wrong: dict[str, str],
) -> Value:  # fmt: skip
    first = inner[0]["class_name"] == "InputLayer"
    if given is None:
        if not first:
            raise ValueError("a Sequential without its Input; build it before it is saved")
        x = _input(b, inner[0])
    else:
        (x,) = given
    for layer in inner[first:]:
        x = _layer(b, layer, [x], groups, wrong)
    return x


def _keys(value: Any) -> list[tuple[str, int]]:
    """(layer, number of the call) of inputs or outputs; a single one lies without a list."""
    if len(value) == 3 and isinstance(value[0], str):
        value = [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [(name, int(node)) for name, node, _ in value]


def _chosen(outputs: list[tuple[str, int]], name: str | None) -> tuple[str, int]:
    names = [n for n, _ in outputs]
    if name is None and len(outputs) > 1:
        raise ValueError(f"the model has the outputs {', '.join(names)}; choose one by output=")
    if name is not None and name not in names:
        raise ValueError(f"there is no output {name!r}; there are {', '.join(names)}")
    return outputs[0 if name is None else names.index(name)]


def _sources(node: Any) -> list[tuple[str, int]]:
    """The calls whose outputs a node takes."""
    if isinstance(node, list):  # as older versions wrote it
        return [(one[0], one[1]) for one in node]
    return [key for arg in node["args"] for key in _tensors(arg)]


def _tensors(arg: Any) -> list[tuple[str, int]]:
    if isinstance(arg, list):
        return [key for one in arg for key in _tensors(one)]
    if isinstance(arg, dict) and arg.get("class_name") == "__keras_tensor__":
        name, node, _ = arg["config"]["keras_history"]
        return [(name, node)]
    return []


def _arguments(node: Any, values: dict[tuple[str, int], Value]) -> list[Any]:
    """What a node takes, in order: values and numbers."""
    if isinstance(node, list):
        return [values[key] for key in _sources(node)]
    extra = {k: v for k, v in node.get("kwargs", {}).items() if v not in (None, False)}
    if extra:
        told = ", ".join(f"{k}={v!r}" for k, v in extra.items())
        raise ValueError(f"a layer is called with {told}, which has no counterpart")
    flat = [one for arg in node["args"] for one in (arg if isinstance(arg, list) else [arg])]
    return [values[keys[0]] if (keys := _tensors(arg)) else arg for arg in flat]


def _layer(
    b: Builder, layer: dict[str, Any], args: list[Any], groups: dict[str, str],
    wrong: dict[str, str],
) -> Value:  # fmt: skip
    """The steps of one call of a layer; in `wrong`, why there are none."""
    name, kind, c = layer["config"]["name"], layer["class_name"], layer["config"]
    module, registered = layer.get("module") or "keras", layer.get("registered_name")
    with b.inside(name, groups.get(name, name), c.get("trainable", True) is not False):
        try:
            if module.startswith(("keras.src.ops", "keras.ops")):
                return _operation(b, kind, args)
            own = module.partition(".")[0] == "keras" and registered in (None, kind)
            need(own, f"{registered or module}, a class of the file's own, is never run")
            if kind in MODELS:
                return _model(b, layer, args, f"{b.group}/", wrong)
            if kind == "TimeDistributed" and c["layer"]["class_name"] == "Dense":
                b.group += "/layer"  # on the last axis it is the same
                return others.CONVERT["Dense"](b, c["layer"]["config"], *args)
            need(kind in CONVERT, f"{kind} has no layer here")
            need(all(isinstance(x, Value) for x in args), f"{kind} of numbers")
            return CONVERT[kind](b, c, *args)
        except Unsupported as error:
            wrong[name] = f"{kind}: {error}" if kind not in str(error) else str(error)
    given = [x for x in args if isinstance(x, Value)]
    if not given:
        raise ValueError(f"{name!r} takes no value")
    return given[0]  # for the layers behind it, all of which are looked at


def _operation(b: Builder, kind: str, args: list[Any]) -> Value:
    """Arithmetic with values and numbers."""
    need(kind in others.OPERATORS, f"the operation {kind}")
    need(all(isinstance(a, Value | int | float) for a in args), f"{kind} of {args!r:.60}")
    return others.combined(b, others.OPERATORS[kind], *args)


def _input(b: Builder, layer: dict[str, Any]) -> Value:
    c = layer["config"]
    shape = c.get("batch_shape") or c["batch_input_shape"]
    name = str(c["name"])
    b.inputs.append(name)
    b.shapes.append((tuple(shape[1:]), str(c.get("dtype"))))
    return Value(name, len(shape))


def _groups(inner: list[Any], prefix: str) -> dict[str, str]:
    """Where in the file of weights each layer's lie: numbered by class, in order."""
    used: dict[str, int] = {}
    found = {}
    for layer in inner:
        if str(layer.get("module")).startswith(("keras.src.ops", "keras.ops")):
            continue
        name = re.sub(r"(?<=.)(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", "_", layer["class_name"])
        name = name.lower()
        count = used[name] = used.get(name, -1) + 1
        found[layer["config"]["name"]] = f"{prefix}layers/{name}" + (f"_{count}" if count else "")
    return found


def _try(network: Network, b: Builder) -> None:
    """Run an empty batch through it, so that shapes that do not fit each other are told now."""
    examples = []
    for shape, _ in b.shapes:
        lengths = [ANY if n is None else n for n in shape]
        if not all(isinstance(n, int) and 0 <= n <= PROBED for n in lengths):
            return
        words = any(type(layer).__name__ == "Embedding" for _, layer in walk(network))
        examples.append(np.zeros((0, *lengths), np.int64 if words else network.dtype))
    with network.evaluating(), no_grad():
        network(*examples)
