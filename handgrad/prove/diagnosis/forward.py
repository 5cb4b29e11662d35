"""Is forward the function that its name says, or that a reference computes?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from math import erf, sqrt
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.subject.sandbox import SubjectError
from handgrad.prove.verdict.evidence import Finding
from handgrad.prove.verdict.inputs import nearby, replaced
from handgrad.prove.verdict.trial import Case, Outcome, fresh

_NOISE_WORDS = r"(layer|function|func|op|node|activation|loss|gate|my|bad|wrong|buggy|broken|naive"
_NOISE_WORDS += r"|simple|plain|book|numpy|np|\d+)"
_LOOSE = 1e-3


def _sigmoid(x: Array) -> Array:
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(x)))


def _softmax(x: Array, axis: int = -1) -> Array:
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def _gelu(x: Array) -> Array:
    return 0.5 * x * (1 + np.vectorize(erf)(np.asarray(x) / sqrt(2)))


def _gelu_tanh(x: Array) -> Array:
    return 0.5 * x * (1 + np.tanh(sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def _every_axis(function: Callable) -> list[Callable]:
    return [lambda x, a=a: function(x, a) for a in (-1, 0, 1, 2)]


def _total(function: Callable) -> list[Callable]:
    """A loss over all entries: its sum, mean and half sum, its mean over rows, or none of them."""
    whole: list[Callable] = [
        lambda y, t: function(y, t).sum(),
        lambda y, t: function(y, t).mean(),
        lambda y, t: function(y, t).sum() / 2,
        lambda y, t: function(y, t).mean() / 2,
        lambda y, t: function(y, t).sum() / max(len(np.atleast_1d(y)), 1),
        lambda y, t: function(y, t).sum() / max(len(np.atleast_1d(y)), 1) / 2,
        lambda y, t: function(y, t).reshape(len(y), -1).sum(1),
        lambda y, t: function(y, t).reshape(len(y), -1).mean(1),
        function,
    ]
    return whole


def _reduction(function: Callable) -> list[Callable]:
    axes: list[Any] = [None, 0, 1, -1, (0, 1), (1, 2), (2, 3), (0, 2, 3)]
    return [lambda x, a=a, k=k: function(x, axis=a, keepdims=k) for a in axes for k in (0, 1)]


# What a name means; where more than one reading is usual, each of them.
KNOWN: dict[str, list[Callable]] = {
    "sigmoid": [_sigmoid],
    "relu": [lambda x: np.maximum(x, 0)],
    "tanh": [np.tanh],
    "exp": [np.exp],
    "log": [np.log],
    "sqrt": [np.sqrt],
    "square": [np.square],
    "abs": [np.abs],
    "cube": [lambda x: x**3],
    "reciprocal": [np.reciprocal],
    "sin": [np.sin],
    "cos": [np.cos],
    "negate": [np.negative],
    "softplus": [lambda x: np.logaddexp(0, x)],
    "softsign": [lambda x: x / (1 + abs(x))],
    "silu": [lambda x: x * _sigmoid(x)],
    "swish": [lambda x: x * _sigmoid(x)],
    "mish": [lambda x: x * np.tanh(np.logaddexp(0, x))],
    "gelu": [_gelu, _gelu_tanh, lambda x: x * _sigmoid(1.702 * x)],
    "relu6": [lambda x: np.clip(x, 0, 6)],
    "softmax": _every_axis(_softmax),
    "logsoftmax": _every_axis(lambda x, a: np.log(_softmax(x, a) + 1e-300)),
    "add": [np.add],
    "sub": [np.subtract],
    "subtract": [np.subtract],
    "mul": [np.multiply],
    "multiply": [np.multiply],
    "div": [np.divide],
    "divide": [np.divide],
    "pow": [np.power],
    "maximum": [np.maximum],
    "minimum": [np.minimum],
    "matmul": [np.matmul],
    "sum": _reduction(np.sum),
    "mean": _reduction(np.mean),
    "max": _reduction(np.max),
    "mse": _total(lambda y, t: (y - t) ** 2),
    "meansquarederror": _total(lambda y, t: (y - t) ** 2),
    "sumsquarederror": _total(lambda y, t: (y - t) ** 2),
    "mae": _total(lambda y, t: abs(y - t)),
    "meanabsoluteerror": _total(lambda y, t: abs(y - t)),
}
KNOWN |= {"neg": KNOWN["negate"], "average": KNOWN["mean"], "plus": KNOWN["add"]}
KNOWN |= {"times": KNOWN["mul"], "logistic": KNOWN["sigmoid"], "l1": KNOWN["mae"]}


def against_reference(case: Case, base: Outcome | None, reference: Callable) -> Iterator[Finding]:
    """forward beside the function that it should be."""
    yield from _held_against(case, [reference], "reference")


def against_name(case: Case, base: Outcome | None) -> Iterator[Finding]:
    """forward beside the functions that usually bear its name."""
    name = plain_name(case.subject.name)
    functions = KNOWN.get(name) or _affine(case, name)
    if functions:
        yield from _held_against(case, functions, f"what {name} means")


def plain_name(name: str) -> str:
    """A class's name in lower case, without words like Layer and My."""
    words = re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+", name)
    whole = "".join(words).lower()
    joined = "".join(w for w in words if not re.fullmatch(_NOISE_WORDS, w.lower())).lower()
    return joined if joined in KNOWN and whole not in KNOWN else whole


def _affine(case: Case, name: str) -> list[Callable]:
    """x W + b with the parameters of the subject, in either orientation of W."""
    values = {n.split(".")[-1].lower(): case.subject.get(n) for n in case.subject.parameters}
    if name in ("layernorm", "batchnorm"):
        training = getattr(case.subject.thing, "training", True)
        return _normalized(name, values, training)
    W, b = values.get("w", values.get("weight")), values.get("b", values.get("bias", 0.0))
    if name not in ("affine", "linear", "dense", "fullyconnected") or W is None or W.ndim != 2:
        return []
    flat = [lambda x: x.reshape(len(x), -1) @ W + b, lambda x: x.reshape(len(x), -1) @ W.T + b]
    return [lambda x: x @ W + b, lambda x: x @ W.T + b, *flat]


def _normalized(name: str, values: dict[str, Array], training: bool) -> list[Callable]:
    """(x - mean) / deviation · gamma + beta, over the usual axes."""
    gamma, beta = values.get("gamma", np.ones(())), values.get("beta", np.zeros(()))
    if gamma.ndim > 1 or beta.ndim > 1 or values.keys() - {"gamma", "beta"} or not training:
        return []  # parameters of another meaning, or statistics gathered before

    def normal(x: Array, axes: Any) -> Array:
        y = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-6)
        if axes in ((0, 2, 3), (1, 2, 3)):
            return y * gamma.reshape(-1, 1, 1) + beta.reshape(-1, 1, 1)
        return y * gamma + beta

    usual: list[Any] = [0, (0, 2, 3)] if name == "batchnorm" else [-1, (1, 2), (1, 2, 3)]
    return [lambda x, a=a: normal(x, a) for a in usual]


def _held_against(case: Case, functions: list[Callable], what: str) -> Iterator[Finding]:
    batches = [case.inputs, nearby(case)]
    if plain_name(case.subject.name) in ("sigmoid", "relu", "tanh", "softplus", "softmax"):
        rng = np.random.default_rng(2)
        batches.append(replaced(case, lambda x: rng.normal(0, 2, np.shape(x))))
    left = list(functions)
    for inputs in batches:
        try:
            given = case.forward(case.subject.copy(), [fresh(x) for x in inputs])[0]
        except SubjectError as error:
            if not error.refused:
                yield Finding("forward_bug", f"{error.sentence}.", line=error.line)
            return
        right = [_value(f, inputs) for f in left]
        known = [r for r in right if r is not None and np.isfinite(r).all()]
        if not known or all(r.size != given.size for r in known):
            return  # another use of the name: nothing to compare with
        left = [f for f, r in zip(left, right) if r is not None and _equal(given, r)]
        if not left:
            near = next(r for r in known if r.size == given.size).reshape(given.shape)
            off = np.nan_to_num(abs(given - near), nan=np.inf)
            k = np.unravel_index(int(np.argmax(off)), given.shape)
            position = f"[{', '.join(map(str, k))}]" if k else ""
            text = f"forward is not {what}: output{position} is {given[k]:.6g}, not {near[k]:.6g}."
            yield Finding("forward_bug", text)
            return


def _value(function: Callable, inputs: list[Any]) -> Array | None:
    try:
        return np.asarray(function(*(fresh(x) for x in inputs)))
    except (ValueError, TypeError, IndexError, np.exceptions.AxisError):
        return None


def _equal(given: Array, right: Array) -> bool:
    if given.size != right.size:
        return False
    off = abs(given - right.reshape(given.shape))
    return bool(np.all(off <= _LOOSE * (abs(right).max(initial=0) + 1e-9)))
