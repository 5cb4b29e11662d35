"""Is forward what a reference computes, or what its name suggests? The name gives a note only."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import e as E
from math import erf, isfinite, sqrt
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.measure.compare import signs
from handgrad.prove.subject.parameters import owners
from handgrad.prove.subject.sandbox import SubjectError
from handgrad.prove.verdict.evidence import Finding, Grade
from handgrad.prove.verdict.inputs import nearby
from handgrad.prove.verdict.trial import Case, Outcome, fresh

_NOISE_WORDS = r"(layer|function|func|op|node|activation|loss|gate|my|bad|wrong|buggy|broken|naive"
_NOISE_WORDS += r"|simple|plain|book|numpy|np|\d+)"
_LOOSE = 1e-3
_CONSTANTS = sorted(s * m * 10.0**k for k in range(-12, 3) for m in (1, 2, 3, 5) for s in (1, -1))

# A reading of a name: a function of the inputs and a constant, which constant, its usual values.
Reading = tuple[Callable[..., Array], str, tuple[float, ...]]


def _plain(function: Callable) -> Reading:
    return (lambda *inputs, c: c * function(*inputs)), "a factor", (1.0,)


def _sigmoid(x: Array) -> Array:
    return 0.5 * (1 + np.tanh(0.5 * x))


def _softmax(x: Array, axis: int, c: float) -> Array:
    grown = np.exp((x - x.max(axis=axis, keepdims=True)) / c)
    return grown / grown.sum(axis=axis, keepdims=True)


def _gelu(x: Array) -> Array:
    return 0.5 * x * (1 + np.vectorize(erf)(x / sqrt(2)))


def _gelu_tanh(x: Array) -> Array:
    return 0.5 * x * (1 + np.tanh(sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def _loss(function: Callable) -> list[Reading]:
    """A loss over all entries, by sample, over each sample, or none: also half of it."""
    sums: list[Callable] = [
        np.sum, np.mean, lambda d: d.sum() / len(d), lambda d: d,
        lambda d: d.reshape(len(d), -1).sum(1), lambda d: d.reshape(len(d), -1).mean(1),
    ]  # fmt: skip
    return [((lambda y, t, c, s=s: c * s(function(y, t))), "a factor", (1.0, 0.5)) for s in sums]


def _reduction(function: Callable) -> list[Reading]:
    axes: list[Any] = [None, 0, 1, -1, (0, 1), (1, 2), (2, 3), (0, 2, 3)]
    return [_plain(partial(function, axis=a, keepdims=k)) for a in axes for k in (False, True)]


_ELEMENTWISE: dict[str, Callable] = {
    "sigmoid logistic": _sigmoid, "relu": lambda x: np.maximum(x, 0), "tanh": np.tanh,
    "exp": np.exp, "sqrt": np.sqrt, "square": np.square, "abs": np.abs, "cube": lambda x: x**3,
    "reciprocal": np.reciprocal, "sin": np.sin, "cos": np.cos, "neg negate": np.negative,
    "softsign": lambda x: x / (1 + abs(x)), "mish": lambda x: x * np.tanh(np.logaddexp(0, x)),
    "relu6": lambda x: np.clip(x, 0, 6), "gelu": _gelu, "add plus": np.add,
    "sub subtract": np.subtract, "mul multiply times": np.multiply, "div divide": np.divide,
    "pow": np.power, "maximum": np.maximum, "minimum": np.minimum, "matmul": np.matmul,
}  # fmt: skip
KNOWN: dict[str, list[Reading]] = {
    name: [_plain(f)] for names, f in _ELEMENTWISE.items() for name in names.split()
}
KNOWN["gelu"] += [_plain(_gelu_tanh), _plain(lambda x: x * _sigmoid(1.702 * x))]
_WITH_CONSTANT: dict[str, Reading] = {
    "log": (lambda x, c: np.log(x) / np.log(c), "the base", (E,)),
    "softplus": (lambda x, c: np.logaddexp(0, c * x) / c, "beta", (1.0,)),
    "silu swish": (lambda x, c: x * _sigmoid(c * x), "beta", (1.0,)),
    "leakyrelu": (lambda x, c: np.where(x > 0, x, c * x), "the slope", (0.01, 0.1, 0.2)),
    "elu": (lambda x, c: np.where(x > 0, x, c * np.expm1(x)), "alpha", (1.0,)),
}
KNOWN |= {name: [r] for names, r in _WITH_CONSTANT.items() for name in names.split()}
KNOWN["softmax"] = [(partial(_softmax, axis=a), "the temperature", (1.0,)) for a in (-1, 0, 1, 2)]
KNOWN |= {"sum": _reduction(np.sum), "mean": _reduction(np.mean), "max": _reduction(np.max)}
_SQUARED = _loss(lambda y, t: (y - t) ** 2)
KNOWN |= dict.fromkeys(("mse", "meansquarederror", "sumsquarederror"), _SQUARED)
KNOWN |= dict.fromkeys(("mae", "l1", "meanabsoluteerror"), _loss(lambda y, t: abs(y - t)))


def against_reference(case: Case, reference: Callable) -> Iterator[Finding]:
    """forward beside the function that it should be: this is a verdict."""
    for inputs in (case.inputs, nearby(case)):
        try:
            given = case.forward(case.subject.copy(), [fresh(x) for x in inputs])[0]
        except SubjectError as error:
            yield Finding("forward_bug", f"{error.sentence}.", line=error.line)
            return
        right = np.asarray(reference(*(fresh(x) for x in inputs)))
        if not _equal(given, right):
            text = f"forward is not the reference: {_difference(given, right)}."
            yield Finding("forward_bug", text)
            return


def note_on_name(case: Case) -> str | None:
    """What forward's values say against the name, if it has the name of a known function."""
    spelled, readings = _readings(case)
    batches = [case.inputs, nearby(case)]
    try:
        given = [case.forward(case.subject.copy(), [fresh(x) for x in b])[0] for b in batches]
    except SubjectError:
        return None
    usual = [_values(r, r[2][0], batches[0]) for r in readings]
    known = [v for v in usual if v is not None and v.size == given[0].size and np.isfinite(v).all()]
    if not known or any(_holds(r, c, batches, given) for r in readings for c in r[2]):
        return None
    for reading in readings:
        c = _fitted(reading, batches[0], given[0])
        if c is not None and _holds(reading, c, batches, given):
            what, value = reading[1], f"{reading[2][0]:.4g}"
            return (f"its values are not those of the {spelled} with {what} = {value} that its "
                    f"name suggests: {what} seems to be {c:.4g}")  # fmt: skip
    off = _difference(given[0], known[0])
    return f"its values are not those of the {spelled} that its name suggests: {off}"


def right_for_its_name(case: Case, base: Outcome) -> Iterator[Finding]:
    """backward is right for the function of the name, once its output is that function's."""
    spelled, readings = _readings(case)
    inputs, upstream = base.run.inputs, base.run.upstream
    for reading in readings if len(upstream) == 1 else ():
        right = _values(reading, reading[2][0], inputs)
        if right is None or right.size != upstream[0].size:
            continue
        subject = case.subject.copy()
        output = case.forward(subject, [fresh(x) for x in inputs])[0]
        for owner in owners(subject.thing):
            for name, value in list(vars(owner).items()):
                if isinstance(value, np.ndarray) and _equal(value, output):
                    setattr(owner, name, right.reshape(value.shape))
        given = case.named(subject, subject.backward([fresh(u) for u in upstream]))
        if all(_is_derivative(case, reading, base, m.name, given[m.name]) for m in base.mismatches):
            text = f"backward is right for the {spelled}, and forward is not the {spelled}: "
            text += f"{_difference(output, right)}."
            yield Finding("forward_bug", text, grade=Grade.EXPLAINED)
            return


def _is_derivative(case: Case, reading: Reading, base: Outcome, name: str, given: Any) -> bool:
    """Whether a gradient is that of the reading, along one direction."""
    inputs = dict(zip(case.names, base.run.inputs))
    if name not in inputs or np.shape(given) != np.shape(inputs[name]):
        return False
    move = signs(np.random.default_rng(3), given)
    up, down = (_values(reading, reading[2][0], list((inputs | {name: inputs[name] + t}).values()))
                for t in (1e-6 * move, -1e-6 * move))  # fmt: skip
    if up is None or down is None:
        return False
    derivative = ((up - down) / 2e-6).reshape(-1) @ base.run.flat_upstream
    return bool(abs(derivative - (given * move).sum()) <= 1e-5 * np.linalg.norm(given * move))


def _readings(case: Case) -> tuple[str, list[Reading]]:
    """The name in words, without words like Layer and My, and what it may mean."""
    words = re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+", case.subject.name)
    telling = [w for w in words if not re.fullmatch(_NOISE_WORDS, w.lower())]
    for some in (words, telling):
        name = "".join(some).lower()
        found = KNOWN.get(name) or _with_parameters(case, name)
        if found:
            return " ".join(some).lower(), found
    return "", []


def _with_parameters(case: Case, name: str) -> list[Reading]:
    """Readings with the subject's own parameters: x W + b, and normalizations."""
    values = {n.split(".")[-1].lower(): case.subject.get(n) for n in case.subject.parameters}
    W, b = values.get("w", values.get("weight")), values.get("b", values.get("bias", 0.0))
    if name in ("affine", "linear", "dense", "fullyconnected") and W is not None and W.ndim == 2:
        return [_plain(lambda x, V=V, f=f: (x.reshape(len(x), -1) if f else x) @ V + b)
                for V in (W, W.T) for f in (False, True)]  # fmt: skip
    gamma, beta = values.get("gamma", np.ones(())), values.get("beta", np.zeros(()))
    flat = gamma.ndim < 2 and beta.ndim < 2 and not values.keys() - {"gamma", "beta"}
    if not flat or not getattr(case.subject.thing, "training", True):
        return []  # parameters of another meaning, or statistics gathered before

    def normal(x: Array, c: float, axes: Any) -> Array:
        y = (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + c)
        line = (-1, 1, 1) if axes in ((0, 2, 3), (1, 2, 3)) else (-1,)
        return y * gamma.reshape(line) + beta.reshape(line)

    usual = {"batchnorm": [0, (0, 2, 3)], "layernorm": [-1, (1, 2), (1, 2, 3)]}.get(name, [])
    return [(partial(normal, axes=a), "eps", (1e-6, 1e-5, 1e-7, 1e-8, 1e-12)) for a in usual]


def _values(reading: Reading, c: float, inputs: Sequence[Any]) -> Array | None:
    try:
        with np.errstate(all="ignore"):
            return np.asarray(reading[0](*(fresh(x) for x in inputs), c=c))
    except (ValueError, TypeError, IndexError, np.exceptions.AxisError):
        return None


def _holds(reading: Reading, c: float, batches: list, given: list[Array]) -> bool:
    found = [_values(reading, c, inputs) for inputs in batches]
    return all(v is not None and _equal(y, v) for v, y in zip(found, given))


def _fitted(reading: Reading, inputs: Sequence[Any], given: Array) -> float | None:
    """The constant that fits best: of some usual ones, then between its neighbours."""

    def off(c: float) -> float:
        right = _values(reading, c, inputs)
        if right is None or right.size != given.size or not np.isfinite(right).all():
            return float("inf")
        return float(abs(given - right.reshape(given.shape)).max(initial=0))

    k = min(range(len(_CONSTANTS)), key=lambda k: off(_CONSTANTS[k]))
    low, best, high = (_CONSTANTS[min(max(j, 0), len(_CONSTANTS) - 1)] for j in (k - 1, k, k + 1))
    if off(best) > 1e-9 * abs(given).max(initial=0):
        for _ in range(80):
            a, b = low + (high - low) / 3, high - (high - low) / 3
            low, high = (low, b) if off(a) < off(b) else (a, high)
        best = (low + high) / 2
    return best if isfinite(off(best)) else None


def _difference(given: Array, right: Array) -> str:
    """The entry in which two outputs differ most."""
    if given.size != right.size:
        return f"its output has shape {given.shape}, not {right.shape}"
    right = right.reshape(given.shape)
    off = np.nan_to_num(abs(given - right), nan=np.inf)
    k = np.unravel_index(int(np.argmax(off)), given.shape)
    position = f"[{', '.join(map(str, k))}]" if k else ""
    return f"output{position} is {given[k]:.6g}, not {right[k]:.6g}"


def _equal(given: Array, right: Array) -> bool:
    if given.size != right.size:
        return False
    off = abs(given - right.reshape(given.shape))
    return bool(np.all(off <= _LOOSE * (abs(right).max(initial=0) + 1e-9)))
