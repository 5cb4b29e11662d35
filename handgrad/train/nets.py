"""The network that a training by the command is of: sizes such as 64-100-10, or a Python file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from handgrad.arrays import ShapeError
from handgrad.layers import Affine, ReLU, Standardize
from handgrad.network import Network, Sequential
from handgrad.train.dataset import Dataset
from handgrad.train.heads import head_layers
from handgrad.train.module import load_module


def network_for(net: str | None, dataset: Dataset, seed: int) -> tuple[Network, list[type]]:
    """The network that --net names, and the classes of its file."""
    features = dataset.x_train.shape[1]
    outputs, last = dataset.outputs, head_layers([*map(len, dataset.heads or ())])
    text = net or f"{features}-100-{outputs}"
    embedding = None if dataset.table is None else dataset.table.embedding()
    first: list[Any] = [] if embedding is None else [embedding]
    if ".py" in text:
        network, classes = network_from_file(text)
        around = bool(first or last)
        return (Sequential(*first, network, *last, seed=seed) if around else network), classes
    try:
        sizes = [int(part) for part in text.split("-")]
    except ValueError:
        sizes = []
    if len(sizes) < 2 or min(sizes, default=0) < 1:
        raise ValueError(f"--net: sizes such as 64-100-10, or FILE.py, are needed; got {text!r}")
    if sizes[0] != features or sizes[-1] != outputs:
        raise ValueError(
            f"--net: {dataset.name} needs {features} inputs and {outputs} outputs, got {text}; "
            f"{features}-{'-'.join(map(str, [*sizes[1:-1], outputs]))} would do"
        )
    scaled = len(dataset.shape) > 1 or dataset.table is not None
    layers = first if scaled else [Standardize.of(dataset.x_train)]
    for size in sizes[1:-1]:
        layers += [Affine(size), ReLU()]
    return Sequential(*layers, Affine(outputs), *last, seed=seed), []


def network_from_file(text: str, option: str = "--net") -> tuple[Network, list[type]]:
    """The network in FILE.py[:name]: an instance, or a class or function that makes one.

    Raises ValueError, which begins with the option, where there is none.
    """
    path, _, name = text.partition(":")
    return network_in(load_module(Path(path)), path, name, option)


def network_in(module: Any, path: str, name: str, option: str) -> tuple[Network, list[type]]:
    """The network of this name in a module, or its only one; see `network_from_file`."""
    members = {k: v for k, v in vars(module).items() if not k.startswith("_")}
    own = [v for v in members.values() if isinstance(v, type) and v.__module__ == module.__name__]
    if not name:
        found = [k for k, v in members.items() if isinstance(v, Network)]
        name = "network" if "network" in members else found[0] if len(found) == 1 else ""
        if not name:
            raise ValueError(
                f"{option}: {path} needs a variable `network`; or say which, as {path}:name; "
                f"networks there: {', '.join(found) or 'none'}"
            )
    if name not in members:
        raise ValueError(f"{option}: {path} has no {name!r}; there are {', '.join(members)}")
    made = members[name]
    network = made if isinstance(made, Network) or not callable(made) else made()
    if not isinstance(network, Network):
        raise ValueError(f"{option}: {name} in {path} is {type(network).__name__}, not a Network")
    return network, own


def fitted(network: Network, dataset: Dataset, option: str = "--net") -> Dataset:
    """The data in the shape that the network takes: vectors, or else pictures.

    Raises ValueError, which begins with the option, unless the network takes them and gives what
    there is to learn.
    """
    try:
        y = network.predict(dataset.x_train[:2])
    except ShapeError as error:
        if len(dataset.shape) == 1:
            raise
        dataset = dataset.as_pictures()
        try:
            y = network.predict(dataset.x_train[:2])
        except ShapeError:
            raise error from None
    shape = (len(dataset.heads), max(map(len, dataset.heads))) if dataset.heads else (
        dataset.outputs,)  # fmt: skip
    if y.shape[1:] != shape:
        needed, given = (f"(N{''.join(f', {n}' for n in sizes)})" for sizes in (shape, y.shape[1:]))
        raise ValueError(
            f"{option}: {dataset.name} needs an output of shape {needed}, the network gives {given}"
        )
    return dataset
