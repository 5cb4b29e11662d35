"""What to give a class that comes without a sample: constructor arguments and inputs.

A guess is read from the shapes in the docstrings, `x (N, D)`, where they are; otherwise from the
names and type hints of the arguments, in one world after another (dense, image, recurrent, …)
until forward and backward run through and give gradients of the right shapes.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from handgrad.arrays import Array

Shape = tuple[int, ...]

# Sizes of the letters in which docstrings give shapes; no two of a kind are equal.
LETTERS = {
    "N": 4, "B": 4, "D": 3, "H": 5, "W": 6, "C": 3, "T": 4, "S": 3, "F": 2, "K": 2, "KH": 2,
    "KW": 3, "FH": 2, "FW": 3, "OH": 4, "OW": 4, "V": 7, "E": 2, "M": 3, "I": 3, "O": 5, "L": 4,
}  # fmt: skip

LABELS = {"t", "label", "labels", "target", "targets", "y_true", "t_batch", "truth"}
INDICES = {"idx", "index", "indices", "ids", "tokens", "words", "word_ids"}
MASKS = {"mask", "masks", "keep"}
INSIDE = {"in_features", "input_size", "input_dim", "in_dim", "n_in", "in_size", "fan_in"}
OUTSIDE = {"out_features", "output_size", "output_dim", "out_dim", "n_out", "out_size", "fan_out"}
HIDDEN = {"hidden_size", "hidden_dim", "hidden", "n_hidden", "units"}


@dataclass(frozen=True)
class World:
    """Shapes that belong together: of parameters by name, and of inputs by name or by position."""

    weights: dict[str, Shape]
    inputs: dict[str, Shape]
    positional: tuple[Shape, ...]
    sizes: tuple[int, int, int] = (4, 5, 3)  # inside, hidden, outside


def _cell(gates: int) -> World:
    weights = {"Wx": (4, 3 * gates), "Wh": (3, 3 * gates), "b": (3 * gates,)}
    return World(weights, {}, ((5, 4), (5, 3), (5, 3)), (4, 3, 3))


def _sequence(gates: int) -> World:
    weights = {"Wx": (4, 3 * gates), "Wh": (3, 3 * gates), "b": (3 * gates,)}
    return World(weights, {}, ((2, 5, 4),), (4, 3, 3))


_COLUMN = {"gamma": (4,), "beta": (4,), "a": (4,), "alpha": (4,), "scale": (4,), "shift": (4,)}

WORLDS = (
    World({"W": (4, 3), "b": (3,), "V": (4, 3), "c": (3,)} | _COLUMN, {}, ((5, 4),) * 3),
    World({"W": (3, 4), "b": (3,)}, {}, ((5, 4),)),
    World(
        {"W1": (4, 5), "b1": (5,), "W2": (5, 3), "b2": (3,), "W3": (3, 2), "b3": (2,)}, {},
        ((6, 4),),
    ),
    World({"W": (3, 2, 3, 3), "b": (3,), "gamma": (2,), "beta": (2,)}, {}, ((2, 2, 6, 6),)),
    World({}, {"a": (3, 4), "b": (4, 2), "A": (3, 4), "B": (4, 2)}, ((3, 4), (4, 2))),
    _cell(1), _cell(4), _cell(3), _sequence(1), _sequence(4), _sequence(3),
    World({"W": (4, 3), "gamma": (4,), "beta": (4,)}, {"h": (2, 4), "a": (2, 3), "hs": (2, 3, 4)},
          ((2, 3, 4),) * 3),
    World({"W": (2, 3, 4)}, {}, ((2, 6, 3),)),
    World({"W": (4, 3), "b": (3,)}, {}, ((4,), (4,))),
    World({}, {}, ((), (), (), (), ())),
)  # fmt: skip


@dataclass(frozen=True)
class Guess:
    """One way to make the subject and to call it."""

    arguments: tuple[Any, ...]
    inputs: tuple[Any, ...]


def guesses(
    taken: list[inspect.Parameter], made: list[inspect.Parameter], text: str
) -> Iterator[Guess]:
    """Every guess worth a try, the likeliest first.

    `taken`: the parameters of forward; `made`: those of the constructor; `text`: docstrings.
    """
    taken, made = _required(taken), _required(made)
    documented = _documented(text)
    if documented:
        for labels in LABEL_KINDS:
            yield from _guess(made, taken, documented, WORLDS[0], labels)
    for labels in LABEL_KINDS if any(p.name in LABELS for p in taken) else LABEL_KINDS[:1]:
        for world in WORLDS:
            yield from _guess(made, taken, {}, world, labels)
    for world in WORLDS[:2]:
        yield from _guess(made, taken, {}, world, "real", positive=True)
        for whole in ((5,), (4, 2)):
            yield from _guess(made, taken, {}, world, "real", whole=whole)


LABEL_KINDS = ("class", "one-hot", "real")


def _guess(
    made: list[inspect.Parameter],
    taken: list[inspect.Parameter],
    documented: dict[str, Shape],
    world: World,
    labels: str,
    positive: bool = False,
    whole: Shape | None = None,
) -> Iterator[Guess]:
    rng = np.random.default_rng(0)
    try:
        arguments = tuple(_argument(p, documented, world, rng) for p in made)
        inputs: list[Any] = []
        for position, p in enumerate(taken):
            first = np.shape(inputs[0]) if inputs else ()
            shape = documented.get(p.name) or _input_shape(p, position, world, first)
            inputs.append(_input(p, shape, first or shape, labels, rng))
    except KeyError:  # this world has no such argument
        return
    if positive:
        inputs = [abs(x) + 0.5 if np.asarray(x).dtype.kind == "f" else x for x in inputs]
    if whole:
        inputs = [np.arange(np.prod(whole)).reshape(whole) % 3 for _ in inputs]
    yield Guess(arguments, tuple(inputs))


def _required(parameters: list[inspect.Parameter]) -> list[inspect.Parameter]:
    """The parameters without a default; two inputs where there may be any number."""
    keyword = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD)
    found = [p for p in parameters if p.default is p.empty and p.kind not in keyword]
    if any(p.kind is p.VAR_POSITIONAL for p in found):
        named = [p for p in found if p.kind is not p.VAR_POSITIONAL]
        extra = inspect.Parameter("more", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        return [*named, extra] if named else [extra, extra]
    return found


def _argument(
    p: inspect.Parameter, documented: dict[str, Shape], world: World, rng: np.random.Generator
) -> Any:
    """A value for a constructor's argument; KeyError where the world has none."""
    inside, hidden, outside = world.sizes
    for names, size in ((INSIDE, inside), (HIDDEN, hidden), (OUTSIDE, outside)):
        if p.name in names:
            return size
    if p.name in INDICES:
        return np.array([0, 2, 2, 1])
    if p.name in documented:
        return rng.normal(size=documented[p.name])
    hint = str(p.annotation)
    if "int" in hint or p.name in ("stride", "pool_h", "pool_w", "kernel_size", "size"):
        return 2
    if "float" in hint or p.name in ("ratio", "dropout_ratio", "p", "slope", "rate"):
        return 0.5
    return rng.normal(size=world.weights[p.name])


def _input_shape(p: inspect.Parameter, position: int, world: World, first: Shape) -> Shape:
    """The shape of an input by its name, its hint or its position; KeyError where there is none."""
    if p.name in INDICES:
        return first[:1] or (5,)
    if p.name in world.inputs:
        return world.inputs[p.name]
    if "float" in str(p.annotation):
        return ()
    if position < len(world.positional):
        return world.positional[position]
    if p.name in world.weights:  # a function that is given its parameters
        return world.weights[p.name]
    raise KeyError(p.name)


def _input(
    p: inspect.Parameter, shape: Shape, first: Shape, labels: str, rng: np.random.Generator
) -> Any:
    """An input: real numbers, or integers where the name says so."""
    if p.name in INDICES or ("int" in str(p.annotation) and "float" not in str(p.annotation)):
        return rng.integers(0, 3, size=shape)
    if p.name in MASKS or "bool" in str(p.annotation):
        return rng.random(size=shape) > 0.5
    if p.name in LABELS:
        return _labels(first, labels, rng)
    return _away_from_zero(rng.normal(size=shape))


def _away_from_zero(x: Array) -> Any:
    return float(x) if x.ndim == 0 else np.where(abs(x) < 0.05, 0.05, x)


def _labels(shape: Shape, kind: str, rng: np.random.Generator) -> Array:
    if kind == "real" or not shape:
        return rng.uniform(0.1, 0.9, size=shape)
    classes = np.arange(shape[0]) % shape[-1]
    return classes if kind == "class" else np.eye(shape[-1])[classes]


_NAMED = re.compile(r"((?:\w+(?:\s*,\s*|\s+and\s+))*\w+)(?:\s*:[^()\n]*)?\s*\(([\w\s,.+*]*)\)")


def _documented(text: str) -> dict[str, Shape]:
    """The shapes in docstrings: `x (N, D)`, `q and k (N, T, D)`, `W : array (D, H)`."""
    found: dict[str, Shape] = {}
    for names, inner in _NAMED.findall(re.sub(r"(?i)\bshapes?:", " ", text)):
        letters = [letter.strip() for letter in inner.split(",") if letter.strip()]
        sizes = [LETTERS.get(s, int(s) if s.isdigit() else 0) for s in letters if s != "..."]
        if sizes and all(sizes):
            extra = (2, 2) if "..." in letters else ()
            found.update(dict.fromkeys(re.findall(r"\w+", names), (*sizes, *extra)))
    return found
