"""Einsum: products and sums named by their indices."""

from __future__ import annotations

import string
from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, as_float
from handgrad.layer import Layer


class Einsum(Layer):
    """Products of arrays, summed over the indices that the result does not name.

    "ik,kj->ij": y_ij = Σ_k a_ik · b_kj. Without "->" the result has the indices that occur once,
    in alphabetical order. "..." stands for further axes, "ii" for a diagonal, as in NumPy; a
    length of 1 is not stretched.
    Shapes: as the indices say, one letter per axis.
    Gradient: the einsum of dy and the other inputs, with the indices of this one: da_ik =
    Σ_j dy_ij · b_kj. An index that only this input has was summed, so dy is copied along it; a
    repeated index comes back on the diagonal.
    Raises ValueError for subscripts that cannot be read, ShapeError where shapes do not fit them.
    """

    def __init__(self, subscripts: str):
        self.subscripts = subscripts

    def forward(self, *xs: Array) -> Array:
        self.xs = tuple(as_float(x) for x in xs)
        self.terms, self.result = explicit(self.subscripts, [x.ndim for x in self.xs])
        self.lengths: dict[str, int] = {}
        for term, x in zip(self.terms, self.xs):
            for letter, length in zip(term, x.shape):
                if self.lengths.setdefault(letter, length) != length:
                    raise ShapeError(
                        f"Einsum {self.subscripts}: one index has the lengths "
                        f"{self.lengths[letter]} and {length}, shapes "
                        f"{', '.join(str(x.shape) for x in self.xs)}"
                    )
        return _einsum([*self.terms], self.result, *self.xs)

    def backward(self, dy: Array) -> tuple[Array, ...]:
        dy = as_float(dy)
        return tuple(self._gradient(i, dy) for i in range(len(self.xs)))

    def _gradient(self, i: int, dy: Array) -> Array:
        terms = [self.result, *self.terms[:i], *self.terms[i + 1 :]]
        factors: list[Any] = [dy, *self.xs[:i], *self.xs[i + 1 :]]
        target, spare = "", iter(_unused("".join([*self.terms, self.result])))
        for letter in self.terms[i]:
            length, name = self.lengths[letter], letter
            if letter in target:  # repeated: only the diagonal was read
                name = next(spare)
                terms.append(letter + name)
                factors.append(np.eye(length, dtype=dy.dtype))
            elif not any(letter in term for term in terms):  # summed here alone: copied back
                terms.append(letter)
                factors.append(np.ones(length, dy.dtype))
            target += name
        return _einsum(terms, target, *factors)


def explicit(subscripts: str, ndims: list[int]) -> tuple[list[str], str]:
    """One string of letters per input and one for the result; "..." becomes letters too."""
    text = subscripts.replace(" ", "")
    left, arrow, result = text.partition("->")
    terms = left.split(",")
    rest = [ndim - len(term.replace("...", "")) for term, ndim in zip(terms, ndims)]
    fits = len(terms) == len(ndims) and all(
        n >= 0 if "..." in term else n == 0 for term, n in zip(terms, rest)
    )
    letters = [*terms, result]
    if not fits or not all(t.replace("...", "", 1).isalpha() or t in ("", "...") for t in letters):
        raise ShapeError(
            f'Einsum: "{subscripts}" needs one letter per axis (or "..." for several) of each '
            f"input; the inputs have {', '.join(map(str, ndims))} axes"
        )
    further = _unused(left + result)[: max([0, *rest])]
    for i, n in enumerate(rest):
        terms[i] = terms[i].replace("...", further[len(further) - n :])
    if arrow:
        result = result.replace("...", further)
    else:
        joined = "".join(terms)
        once = {c for c in joined if joined.count(c) == 1}
        result = further + "".join(sorted(once - set(further)))
    if len(set(result)) < len(result) or not set(result) <= set("".join(terms)):
        raise ValueError(
            f'Einsum: the result of "{subscripts}" must name indices of the inputs, each once'
        )
    return terms, result


def _unused(letters: str) -> str:
    return "".join(c for c in string.ascii_letters if c not in letters)


def _einsum(terms: list[str], result: str, *factors: Array) -> Array:
    return np.einsum(f"{','.join(terms)}->{result}", *factors, optimize=len(factors) > 1)
