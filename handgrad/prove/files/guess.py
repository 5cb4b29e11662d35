"""How to make and call what comes without a sample: from its docstring, its names, or by trying.

In this order: the call in a docstring's example, `>>> Mine(3).forward(np.ones((2, 3)))`; shapes in
docstrings, `x (N, D)`; a constructor fitted by the names and hints of its arguments. Inputs that
none of these gives are searched for by running forward.
"""

from __future__ import annotations

import ast
import doctest
import inspect
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from handgrad.prove.files.search import INDICES, LABELS, MASKS, Input, Shape

# Sizes of the letters in which docstrings give shapes; another letter gets another size.
LETTERS = {
    "N": 4, "B": 4, "D": 3, "H": 5, "W": 6, "C": 3, "T": 4, "S": 3, "F": 2, "K": 2, "KH": 2,
    "KW": 3, "FH": 2, "FW": 3, "OH": 4, "OW": 4, "V": 7, "E": 2, "M": 5, "I": 3, "O": 5, "L": 4,
}  # fmt: skip

INSIDE, HIDDEN, OUTSIDE = 4, 6, 3
_WORDS: tuple[tuple[set[str], Any], ...] = (  # in names of a constructor's sizes, and the size
    ({"list", "sizes", "layers"}, [HIDDEN, 5]),
    ({"hidden", "units"}, HIDDEN),
    ({"out", "output", "classes"}, OUTSIDE),
    ({"in", "input", "inputs"}, INSIDE),
    ({"heads", "groups", "stride", "pool", "kernel", "window", "filter", "filters"}, 2),
    ({"vocab", "embeddings"}, 7),
    ({"pad", "padding"}, 1),
    ({"dim", "size", "features", "model", "channels", "width", "shape", "d"}, INSIDE),
)
_NUMBERS = {"ratio", "dropout_ratio", "p", "slope", "rate", "eps", "alpha", "momentum", "exponent"}
_NUMBERS |= {"power", "factor", "temperature", "lr", "c", "k", "weight_init_std"}


def _cell(gates: int) -> dict[str, Shape]:
    return {"Wx": (4, 3 * gates), "Wh": (3, 3 * gates), "b": (3 * gates,)}


# Shapes of a constructor's arrays that belong together.
WEIGHTS: tuple[dict[str, Shape], ...] = (
    {"W": (4, 3), "b": (3,), "V": (4, 3), "c": (3,), "gamma": (4,), "beta": (4,)},
    {"W": (3, 4), "b": (3,)},
    {"W1": (4, 5), "b1": (5,), "W2": (5, 3), "b2": (3,), "W3": (3, 2), "b3": (2,)},
    {"W": (5, 3, 3, 2), "b": (5,), "gamma": (2,), "beta": (2,)},
    _cell(1), _cell(4), _cell(3),
    {"W": (2, 3, 4), "b": (2,)},
)  # fmt: skip


@dataclass(frozen=True)
class Guess:
    """One way to make the subject and to call it; no inputs: they have to be searched for."""

    arguments: tuple[Any, ...]
    inputs: tuple[Any, ...] | None
    source: str


def constructors(made: list[inspect.Parameter], text: str) -> Iterator[tuple[tuple[Any, ...], int]]:
    """Constructor arguments worth a try, and in which turn.

    Turn 1: by docstrings and names, with vectors and numbers for names that say nothing; where
    those do not fit, turn 2: with matrices, turn 3: with integers.
    """
    documented, needed = documented_shapes(text), required(made)
    seen = set()
    for turn, unknown in enumerate((((3,), ()), ((4, 3), (3,)), None), 1):
        for shapes in (documented, {}):
            for weights in WEIGHTS:
                rng = np.random.default_rng(0)
                options = [_argument(p, shapes, weights, unknown, rng) for p in needed]
                for arguments in product(*options):
                    key = repr([(type(a), np.shape(a), np.ndim(a) or a) for a in arguments])
                    if key not in seen:
                        seen.add(key)
                        yield arguments, turn


def wanted_inputs(taken: list[inspect.Parameter], text: str) -> list[tuple[list[Input], str]]:
    """What forward takes: with the shapes in its docstring, where there are any, and without."""
    documented, parameters = documented_shapes(text), required(taken)
    plain = [Input(p.name, *_kind(p)) for p in parameters]
    shaped = [Input(i.name, i.kind, documented.get(i.name), i.value) for i in plain]
    found = [(plain, "found by running forward")]
    return found if shaped == plain else [(shaped, "from the shapes in the docstring"), *found]


def required(parameters: list[inspect.Parameter]) -> list[inspect.Parameter]:
    """The parameters without a default; two inputs where there may be any number."""
    keyword = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD)
    found = [p for p in parameters if p.default is p.empty and p.kind not in keyword]
    if any(p.kind is p.VAR_POSITIONAL for p in found):
        named = [p for p in found if p.kind is not p.VAR_POSITIONAL]
        extra = inspect.Parameter("more", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        return [*named, extra] if named else [extra, extra]
    return found


def _kind(p: inspect.Parameter) -> tuple[Any, ...]:
    hint = str(p.annotation)
    if p.name.endswith(("_param", "_params")):  # CS231n's dictionaries of settings
        settings = {"mode": "train", "p": 0.5, "seed": 1, "stride": 2, "pad": 1}
        return "given", None, settings | {"pool_height": 2, "pool_width": 2, "eps": 1e-5}
    if p.name in LABELS:
        return ("labels",)
    if p.name in MASKS:
        return ("mask",)
    if "bool" in hint:
        return "given", None, True
    whole = p.name in INDICES or ("int" in hint and "float" not in hint)
    return ("index" if whole else "real",)


def _argument(
    p: inspect.Parameter, documented: dict[str, Shape], weights: dict[str, Shape],
    unknown: tuple[Shape, ...] | None, rng: np.random.Generator,
) -> list[Any]:  # fmt: skip
    """Values for a constructor's argument, the likeliest first; none where weights lack it."""
    if p.name in documented or p.name in weights:
        return [rng.normal(size=documented.get(p.name) or weights[p.name])]
    if any(p.name in others for others in WEIGHTS):
        return []
    if p.name in INDICES:
        return [np.array([0, 2, 2, 1])]
    if p.name in _NUMBERS:
        return [0.5, 2]
    hint = str(p.annotation)
    for words, size in _WORDS:
        if words & set(p.name.lower().split("_")):
            return [size]
    if "int" in hint or "float" in hint:
        return [2] if "int" in hint else [0.5]
    return [2, 3] if unknown is None else [rng.normal(size=s)[()] for s in unknown]


_NAMED = re.compile(r"((?:\w+(?:\s*,\s*|\s+and\s+))*\w+)(?:\s*:[^()\n]*)?\s*\(([\w\s,.+*]*)\)")


def documented_shapes(text: str) -> dict[str, Shape]:
    """The shapes in docstrings: `x (N, D)`, `q and k (N, T, D)`, `W : array (D, H)`."""
    found: dict[str, Shape] = {}
    sizes: dict[str, int] = {}
    for names, inner in _NAMED.findall(re.sub(r"(?i)\bshapes?:", " ", text)):
        letters = [letter.strip() for letter in inner.split(",") if letter.strip(" .")]
        if letters and all(s in LETTERS or s.isdigit() for s in letters):
            for s in letters:
                free = (n for n in (LETTERS.get(s, 0), 3, 5, 6, 7, 8, 9) if n not in sizes.values())
                sizes.setdefault(s, int(s) if s.isdigit() else next(free, 2))
            extra = (2, 2) if "..." in inner else ()
            shape = (*(sizes[s] for s in letters), *extra)
            found.update(dict.fromkeys(re.findall(r"\w+", names), shape))
    return found


def exampled(name: str, forward: str, text: str, scope: dict[str, Any]) -> Guess | None:
    """The arguments of the constructor and of forward in a docstring's example.

    `forward`: the name of the function, where forward is one. Only the arguments are evaluated.
    """
    scope, arguments, inputs, instances = {"np": np, **scope}, None, None, {name}
    with suppress(ValueError, SyntaxError):  # an example that cannot be read is none
        tree = ast.parse("".join(e.source for e in doctest.DocTestParser().get_examples(text)))
        for statement in tree.body:
            for call in (n for n in ast.walk(statement) if isinstance(n, ast.Call)):
                called = ast.unparse(call.func)
                method = called.rpartition(".")[2] in ("forward", "apply", "loss")
                if called == forward or method or called in instances - {name}:
                    inputs = _values(call, scope)
                elif called == name:
                    arguments = _values(call, scope)
            if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
                variable, value = statement.targets[0].id, statement.value
                if isinstance(value, ast.Call) and ast.unparse(value.func) == name:
                    instances.add(variable)
                elif not any(i in ast.unparse(value) for i in instances):
                    scope[variable] = _value(value, scope)
    if inputs is None and not arguments:
        return None
    return Guess(arguments or (), inputs, "from the example in the docstring")


def _values(call: ast.Call, scope: dict[str, Any]) -> tuple[Any, ...]:
    nodes = [*call.args, *(k.value for k in call.keywords)]
    return tuple(_varied(_value(node, scope)) for node in nodes)


def _value(node: ast.expr, scope: dict[str, Any]) -> Any:
    try:
        return eval(compile(ast.Expression(node), "<example>", "eval"), scope)
    except Exception as error:
        raise ValueError(f"the example {ast.unparse(node)} fails") from error


def _varied(x: Any) -> Any:
    """An array of equal numbers, np.ones((2, 3)), shows a shape: other numbers tell more."""
    if isinstance(x, np.ndarray) and x.dtype.kind == "f" and x.size > 1 and (x == x.flat[0]).all():
        return np.asarray(np.random.default_rng(0).normal(size=x.shape), x.dtype)
    return x
