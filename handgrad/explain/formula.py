"""Formulas: the gradients of a layer as its docstring has them, with the numbers put in."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from handgrad.explain.values import FEW, number, written

LONGEST = 60  # characters of a formula with numbers

_SECTION = re.compile(
    r"Gradient:(.*?)(?:\n\s*\n|\n\s*(?:At |Beyond |Below |Raises|Source|Shapes)|$)", re.S
)
_ONE = re.compile(r"(?<![\w.])(?<![@·+−/=(] )(d[^\W\d_]\w*)(?:\[[^\]]*\])?\s\+?=\s")
_WORD = re.compile(r"[^\W\d_⁰-₟ᵀ²³¹½]+['′\u0300-\u036f]?")
_KNOWN = {"exp", "ln", "sin", "cos", "sinh", "cosh", "sign", "where", "else", "max", "min"}
_GREEK = {"α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta"}


@lru_cache(maxsize=512)
def section_of(cls: type) -> str:
    """What a class's docstring says of the gradient, on one line."""
    section = _SECTION.search(inspect.getdoc(cls) or "")
    return re.sub(r"\s+", " ", section[1]).strip() if section else ""


_FORWARD = re.compile(r"(?<![\w.])(?:y|loss|h'|c'|[yhc][ᵢₜₙ])(?:\[[^\]]*\])? = .+")
_AFTER = r"\. |\.$|[:;] |, (?:on|elementwise|for|the|with|computed|exact|along|cut along)\b"


@lru_cache(maxsize=512)
def forward_formula(cls: type) -> str:
    """What a class's docstring says that the layer computes, "y = …", or its first sentence."""
    text = (inspect.getdoc(cls) or "").split("Shapes:")[0].split("Gradient:")[0]
    text = re.sub(r"\s+", " ", text).replace("y = all hₜ. ", "")  # of the states there is more
    found = _FORWARD.search(text)
    return re.split(_AFTER, found[0])[0].strip(" .,") if found else _summary(cls)


@lru_cache(maxsize=512)
def gradients_of(cls: type) -> tuple[tuple[str, str], ...]:
    """(dx, "dx = …") for each gradient that a class's docstring writes as an equation."""
    text = section_of(cls)
    starts = list(_ONE.finditer(text))
    ends = [start.start() for start in starts[1:]] + [len(text)]
    found: dict[str, str] = {}
    for start, end in zip(starts, ends):
        formula = re.split(
            r"\. |[:;](?= |$)|, (?=and |infinite|as |with |where )", text[start.end() : end]
        )
        right = re.sub(r",? (?:and|with|in \w+)$", "", formula[0].strip(" .,"))
        found.setdefault(start[1], start[0] + right)
    return tuple(found.items())


def with_numbers(formula: str, values: Mapping[str, Any]) -> str | None:
    """The formula with names replaced by their values; None where one has none, or is large."""
    first = formula.split(" = ")[0]

    def put(match: re.Match[str]) -> str:
        word = match[0]
        if word in _KNOWN:
            return word
        value = values[word if word in values else _GREEK[word]]
        if value is None:
            return word
        array = np.asarray(value)
        if array.size > FEW or array.size == 0 or array.dtype.kind not in "fiub":
            raise KeyError(word)
        text = written(array)
        return f"({text})" if text.startswith("-") and match.start() else text

    try:
        text = _WORD.sub(put, first)
    except KeyError:
        return None
    return text if len(text) <= LONGEST else None


def terms(dy: Any, shape: tuple[int, ...]) -> str:
    """The sum over what was copied from an array of this shape, term by term: " = 1 + 2 + 3"."""
    size = int(np.prod(shape))
    if not 0 < size <= FEW or dy.size == size:
        return ""
    new = dy.ndim - len(shape)
    copied = [i for i in range(dy.ndim) if i < new or shape[i - new] == 1 != dy.shape[i]]
    kept = [i for i in range(dy.ndim) if i not in copied]
    rows = dy.transpose(*copied, *kept).reshape(-1, *[dy.shape[i] for i in kept])
    parts = [_signed(row) if not row.ndim else written(row) for row in rows[:2]]
    parts += ["…"] * (len(rows) > 3)
    parts += [_signed(rows[-1]) if not rows[-1].ndim else written(rows[-1])] * (len(rows) > 2)
    count = f" ({len(rows)} terms)" if len(rows) > 3 else ""
    text = f" = {' + '.join(parts)}{count}"
    return text if len(text) <= LONGEST else ""


def local_lines(
    cls: type, values: Mapping[str, Any], wanted: Sequence[str],
    slopes: Callable[[], Mapping[str, Any]], dy: str,
) -> list[str]:  # fmt: skip
    """A line for each gradient that is wanted: its formula, and the formula with numbers.

    values: arrays by the names that formulas use, None for the gradient `dy` of the output as
    long as it is not computed. slopes: derivatives of one number by another, for layers that
    write no formula, or one with words.
    """
    lines: list[str] = []
    formulas = dict(gradients_of(cls))
    for name in wanted:
        line, put = formulas.get(name), None
        if line is not None:
            put = with_numbers(line.split(" = ", 1)[-1], values) if " += " not in line else None
        if put is None and (slope := slopes().get(name)) is not None:
            given = values.get(dy)
            above = dy if given is None else number(np.asarray(given).item())
            put = f"{above} · {_signed(slope)}"
        if line is None and put is not None:
            lines.append(f"{name} = {put}")
        elif line is not None:
            lines.append(line if put is None or line.endswith(f"= {put}") else f"{line} = {put}")
    if not lines and wanted and section_of(cls):  # no equation: the words
        return [re.split(r"(?<=\w)[.:;](?= |$)|\.$", section_of(cls))[0]]
    return lines


def _signed(value: Any) -> str:
    text = number(value)
    return f"({text})" if text.startswith("-") else text


@lru_cache(maxsize=512)
def shapes_of(cls: type) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """(x, its shape in letters) for each array that a class's docstring gives a shape."""
    found = re.search(r"Shapes:(.*?)\.(?:\s|$)", inspect.getdoc(cls) or "", re.S)
    if found is None:
        return ()
    named = re.findall(r"([^\W\d_]\w*'?)\s\(([^()]*)\)", re.sub(r"\s+", " ", found[1]))
    return tuple(
        (name, tuple(part.strip() for part in letters.split(","))) for name, letters in named
    )


def shape_line(cls: type, shapes: Mapping[str, tuple[Any, ...]]) -> str:
    """The shapes in letters and what the letters are here; "" where the docstring has none."""
    parts, lengths = [], dict[str, Any]()
    for name, letters in shapes_of(cls):
        shape = shapes.get(name)
        if shape is None or "any" in letters:
            continue
        letters = tuple(letter for letter in letters if letter)
        bound = _bound(letters, shape)
        if bound is None or any(
            lengths.get(letter, length) != length for letter, length in bound.items()
        ):
            continue
        lengths |= bound
        parts.append(f"{name}({','.join(letters)})")
    if not parts or not lengths:
        return ""
    return f"{' '.join(parts)}: {', '.join(f'{a}={n}' for a, n in lengths.items())}"


def _bound(letters: tuple[str, ...], shape: tuple[Any, ...]) -> dict[str, Any] | None:
    """What each letter is; None where they do not fit. "…" stands for any number of axes."""
    if "…" not in letters:
        return _letters(letters, shape) if len(letters) == len(shape) else None
    first = letters.index("…")
    last = len(letters) - first - 1
    if "…" in letters[first + 1 :] or first + last > len(shape):
        return None
    return _letters(
        letters[:first] + letters[first + 1 :], shape[:first] + shape[len(shape) - last :]
    )


def _letters(letters: tuple[str, ...], shape: tuple[Any, ...]) -> dict[str, Any]:
    return {letter: n for letter, n in zip(letters, shape) if letter.isalpha()}


def _summary(cls: type) -> str:
    """The first sentence of a class's docstring; its name where there is none."""
    text = re.sub(r"\s+", " ", (inspect.getdoc(cls) or "").split("\n\n")[0])
    return re.split(r"\. |\.$|: ", text)[0] or cls.__name__
