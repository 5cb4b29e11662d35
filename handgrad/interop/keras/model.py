"""load: a Keras model's file as a network of our layers, with its weights."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.interop.files.weights import listed
from handgrad.interop.keras import activations, attention, images, masks, others, recurrent
from handgrad.interop.keras.archive import ERRORS, read_keras, said
from handgrad.interop.keras.builder import Builder, Convert, Value, need
from handgrad.interop.keras.calls import Made, arguments, chosen, in_order, keys, output_of, sources
from handgrad.interop.steps import Unsupported
from handgrad.layer import walk
from handgrad.network import Network
from handgrad.tensor import no_grad

CONVERT: dict[str, Convert] = {
    **activations.CONVERT, **images.CONVERT, **others.CONVERT, **recurrent.CONVERT,
    **attention.CONVERT, **masks.CONVERT,
}  # fmt: skip
# What a layer may be called with besides its inputs.
CALLED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys((*recurrent.CELLS, "Bidirectional"), ("mask", "initial_state")),
    "GlobalAveragePooling1D": ("mask",), "Attention": ("mask", "use_causal_mask"),
    "AdditiveAttention": ("mask", "use_causal_mask"),
    "TimeDistributed": ("mask",),
    "MultiHeadAttention": ("query_mask", "value_mask", "key_mask", "attention_mask",
                           "use_causal_mask", "value", "key"),
}  # fmt: skip
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
        raise ValueError(f"weights of no use here: {listed(unused, ())}")
    kinds = [a.dtype.name for n, a in b.arrays.items() if n in b.taken and a.dtype.kind == "f"]
    if isinstance(y, list):
        raise ValueError("the model's one output is several")
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
) -> Made:  # fmt: skip
    """The steps of a model. given: what it is called on, where it lies inside another."""
    groups, inner = _groups(config["config"]["layers"], prefix), config["config"]
    if config["class_name"] == "Sequential":
        return _sequential(b, inner["layers"], groups, given, wrong)
    values: dict[tuple[str, int], Made] = {}
    inputs = keys(inner["input_layers"])
    for (name, k, _), x in zip(inputs, given or []):
        values[name, k] = x
    by_name = {layer["name"]: layer for layer in inner["layers"]}
    if given is None:
        for name, k, _ in inputs:
            values[name, k] = _input(b, by_name[name])
    calls = {(layer["name"], k): node for layer in inner["layers"]
             for k, node in enumerate(layer["inbound_nodes"])}  # fmt: skip
    for name, k in in_order({key: sources(node) for key, node in calls.items()}, values):
        args, options = arguments(calls[name, k], values, wrong)
        values[name, k] = _layer(b, by_name[name], args, options, groups, wrong)
    found = keys(inner["output_layers"])
    if given is not None and len(found) > 1:
        return [output_of(key, values, wrong) for key in found]
    return output_of(chosen(found, output), values, wrong)


def _sequential(
    b: Builder, inner: list[Any], groups: dict[str, str], given: list[Value] | None,
    wrong: dict[str, str],
) -> Made:  # fmt: skip
    first = inner[0]["class_name"] == "InputLayer"
    mask: Value | None = None
    if given is None:
        if not first:
            raise ValueError("a Sequential without its Input; build it before it is saved")
        x = _input(b, inner[0])
    else:
        (x,) = given
    for layer in inner[first:]:
        kind, c = layer["class_name"], layer["config"]
        needs = mask is not None and kind in (*masks.ASKING, *masks.OTHERWISE)
        mask = masks.begun(b, kind, c, x) or mask
        made = _layer(b, layer, [x], {"mask": mask} if needs else {}, groups, wrong)
        if isinstance(made, list):
            raise ValueError(f"{c['name']!r} gives several outputs inside a chain")
        x, mask = made, masks.after(kind, c, mask)
    return x


def _layer(
    b: Builder, layer: dict[str, Any], args: list[Any], options: dict[str, Any],
    groups: dict[str, str], wrong: dict[str, str],
) -> Made:  # fmt: skip
    """The steps of one call of a layer; in `wrong`, why there are none."""
    name, kind, c = layer["config"]["name"], layer["class_name"], layer["config"]
    module, registered = layer.get("module") or "keras", layer.get("registered_name")
    with b.inside(name, groups.get(name, name), c.get("trainable", True) is not False):
        try:
            extra = sorted(set(options) - set(CALLED.get(kind, ())))
            need(not extra, f"{kind} called with {', '.join(extra)}")
            if module.startswith(("keras.src.ops", "keras.ops")):
                return _operation(b, kind, c, args)
            own = module.partition(".")[0] == "keras" and registered in (None, kind)
            need(own, f"{registered or module}, a class of the file's own, is never run")
            if kind in MODELS:
                return _model(b, layer, args, f"{b.group}/", wrong)
            if kind == "TimeDistributed" and c["layer"]["class_name"] == "Dense":
                b.group += "/layer"  # on the last axis it is the same
                dense: Value = others.CONVERT["Dense"](b, c["layer"]["config"], *args)
                return dense
            need(kind in CONVERT, f"{kind} has no layer here")
            need(all(isinstance(x, Value) for x in args), f"{kind} of numbers")
            convert: Callable[..., Made] = CONVERT[kind]
            takes = inspect.signature(convert)
            need(_fits(takes, b, c, *args, **options), f"{kind} of {len(args)} inputs")
            return convert(b, c, *args, **options)
        except Unsupported as error:
            wrong[name] = f"{kind}: {error}" if kind not in str(error) else str(error)
    given = [x for x in args if isinstance(x, Value)]
    if not given:
        raise ValueError(f"{name!r} takes no value")
    return given[0]  # for the layers behind it, all of which are looked at


def _fits(signature: inspect.Signature, *args: Any, **options: Any) -> bool:
    """Whether a function takes these."""
    try:
        signature.bind(*args, **options)
    except TypeError:
        return False
    return True


def _operation(b: Builder, kind: str, c: dict[str, Any], args: list[Any]) -> Value:
    """Arithmetic with values and numbers, and masks."""
    if kind in masks.OPERATIONS:
        return masks.operation(b, kind, c, args)
    if kind == "GetItem" and isinstance(args[0], Value):
        return others.picked(b, *args)
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
