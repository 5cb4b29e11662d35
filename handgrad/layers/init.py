"""Initial weights: how far from zero a layer's weights begin, so that signals keep their size.

Every rule draws zero-centred weights; what differs is their standard deviation, found from
fan_in and fan_out, how many inputs and outputs each sum has. `handgrad.lsuv` finds it from data.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, Stream

Shape = tuple[int, ...]


def zeros(shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
    """All zero: for biases; in weights every unit would stay like every other."""
    return np.zeros(shape)


def normal(std: float) -> Callable[..., Array]:
    """The rule that draws from N(0, std²).

    Source: Saito, "Deep Learning from Scratch", section 6.2 (std 0.01).
    """
    return lambda shape, fan_in, fan_out, rng: std * rng.standard_normal(shape)


def uniform(std: float, shape: Shape, rng: np.random.Generator) -> Array:
    """Uniform values with the standard deviation std: from ±std·√3."""
    return rng.uniform(-std * np.sqrt(3), std * np.sqrt(3), shape)


def xavier(shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
    """N(0, 2 / (fan_in + fan_out)): keeps sizes both ways through tanh and sigmoid.

    Source: Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural
    networks", AISTATS 2010.
    """
    return np.sqrt(2 / (fan_in + fan_out)) * rng.standard_normal(shape)


def xavier_uniform(shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
    """Uniform in ±√(6 / (fan_in + fan_out)): the variance of `xavier`. Source: the same."""
    return uniform(np.sqrt(2 / (fan_in + fan_out)), shape, rng)


def he(shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
    """N(0, 2 / fan_in): twice LeCun's variance, because ReLU drops half of the signal.

    Source: He et al., "Delving deep into rectifiers", ICCV 2015.
    """
    return np.sqrt(2 / fan_in) * rng.standard_normal(shape)


def he_uniform(shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
    """Uniform in ±√(6 / fan_in): the variance of `he`. Source: the same."""
    return uniform(np.sqrt(2 / fan_in), shape, rng)


def lecun(shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
    """N(0, 1 / fan_in): a sum of fan_in unit inputs has variance one; SELU relies on it.

    Source: LeCun et al., "Efficient BackProp", 1998; Klambauer et al., "Self-normalizing neural
    networks", NIPS 2017.
    """
    return np.sqrt(1 / fan_in) * rng.standard_normal(shape)


def orthogonal(shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
    """Rows, or columns where these are fewer, of length 1 and at right angles.

    As a matrix, whose rows are those of the weights and whose columns all other axes; evenly drawn
    from all such matrices. A product of square ones keeps every length, however deep.
    Source: Saxe, McClelland & Ganguli, "Exact solutions to the nonlinear dynamics of learning in
    deep linear neural networks", ICLR 2014; Mezzadri, "How to generate random matrices from the
    classical compact groups", 2007 (the signs).
    """
    rows, columns = shape[0], int(np.prod(shape[1:]))
    q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
    q = q * np.where(np.diag(r) < 0, -1, 1)
    return (q if rows >= columns else q.T).reshape(shape)


RULES: dict[str, Callable[..., Array]] = {
    rule.__name__: rule
    for rule in (zeros, xavier, xavier_uniform, he, he_uniform, lecun, orthogonal)
}


def require_rule(layer: Any, how: Any) -> None:
    """Raise ValueError unless `initialize` knows the rule, or it is None."""
    number = isinstance(how, int | float | np.number) and not isinstance(how, bool)
    known = (
        callable(how) or (isinstance(how, str) and how in RULES) or (number and 0 <= how < np.inf)
    )
    if how is not None and not known:
        raise ValueError(f"{type(layer).__name__}: init: {_WANTED} is needed, got {how!r}")


def initialize(
    how: Any, shape: Shape, fan_in: int, fan_out: int, stream: Stream, dtype: Any
) -> Array:
    """Weights of this shape and dtype, drawn from one step of the stream.

    how: a rule of this module, by name or itself (`"he"`, `init.he`, `init.normal(0.01)`); a
    number, the standard deviation of a normal; or a function of (shape, generator), or of the
    shape alone, that returns the array.
    Raises ValueError for anything else, ShapeError where a function returns another shape.
    """
    rng = stream.generator()
    if callable(how):
        weights = _called(how, shape, fan_in, fan_out, rng)
    elif isinstance(how, str) and how in RULES:
        weights = RULES[how](shape, fan_in, fan_out, rng)
    elif isinstance(how, int | float | np.number) and 0 <= how < np.inf:
        weights = normal(float(how))(shape, fan_in, fan_out, rng)
    else:
        raise ValueError(f"init: {_WANTED} is needed, got {how!r}")
    if weights.shape != tuple(shape):
        raise ShapeError(f"init: the function must return shape {shape}, got {weights.shape}")
    return weights.astype(dtype)


_WANTED = (
    f"one of {', '.join(RULES)}, by name or as a function, normal(std), a standard deviation ≥ 0, "
    "or a function of (shape, generator)"
)


def _called(how: Any, shape: Shape, fan_in: int, fan_out: int, rng: np.random.Generator) -> Array:
    """What a rule, or a function of the user's, returns for as many arguments as it takes."""
    try:
        taken = [p for p in inspect.signature(how).parameters.values() if p.kind in _BY_ORDER]
        count = len(taken)
    except (TypeError, ValueError):  # written in C, without a signature
        count = 2
    given = {1: (shape,), 4: (shape, fan_in, fan_out, rng)}.get(count, (shape, rng))
    try:
        weights = np.asarray(how(*given))
    except TypeError as error:
        name = getattr(how, "__name__", type(how).__name__)
        raise ValueError(f"init: {_WANTED} is needed; {name} raises: {error}") from error
    if weights.dtype.kind not in "fiu":
        raise ValueError(f"init: the function must return an array of real numbers, got {weights}")
    return weights


_BY_ORDER = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def choose(followed_by: Any) -> str:
    """The rule that suits the next layer: what it says in `initial_weights`, else xavier."""
    return getattr(followed_by, "initial_weights", "xavier")
