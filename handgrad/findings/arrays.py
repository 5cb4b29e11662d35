"""A wrong gradient beside the numerical one, entry by entry, around the worst of them."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

import numpy as np

from handgrad.arrays import Array

ROWS, COLUMNS = 8, 6  # what is shown of a matrix


def window(
    name: str, analytic: Array, numeric: Array, index: Array, bad: Array, worst: tuple[int, ...]
) -> dict[str, Any] | None:
    """The part of both gradients around the worst entry, as plain values.

    `numeric` and `bad` belong to the flat indices `index`; entries that were not differentiated
    are None. Of more than two axes the last two are shown, at the worst entry's indices.
    """
    if not analytic.ndim or not analytic.size:
        return None
    shape = analytic.shape if analytic.ndim > 1 else (1, *analytic.shape)
    known = np.full(analytic.size, np.nan, dtype=object)
    known[:] = None
    known[index] = numeric
    wrong = np.zeros(analytic.size, dtype=bool)
    wrong[index] = bad
    at = worst if analytic.ndim > 1 else (0, *worst)
    cut = [_around(i, n, m) for i, n, m in zip(at[-2:], shape[-2:], (ROWS, COLUMNS))]
    parts = [a.reshape(shape)[at[:-2]][tuple(cut)] for a in (analytic, known, wrong)]
    outer = ", ".join(map(str, at[:-2]))
    spans = [f"{c.start}:{c.stop}" for c in (cut if analytic.ndim > 1 else cut[1:])]
    return {
        "gradient": f"{name}[{', '.join([outer] * bool(outer) + spans)}]",
        "analytic": parts[0].astype(float).tolist(),
        "numeric": parts[1].tolist(),
        "wrong": parts[2].tolist(),
    }


def _around(i: int, length: int, most: int) -> slice:
    """At most so many indices of an axis, with i among them."""
    start = max(0, min(i - most // 2, length - most))
    return slice(start, min(start + most, length))


def side_by_side(windows: Iterable[dict[str, Any]]) -> str:
    """HTML: backward's entries and the numerical ones, the wrong ones marked."""
    return "".join(
        f"<h3>Entries of <code>{escape(w['gradient'])}</code></h3><div class=beside>"
        f"{_matrix('backward says', w['analytic'], w['wrong'])}"
        f"{_matrix('numerical differentiation says', w['numeric'], w['wrong'])}</div>"
        for w in windows
    )


def _matrix(title: str, values: list[list[Any]], wrong: list[list[bool]]) -> str:
    lines = "".join(
        f"<tr>{''.join(map(_cell, row, marks))}</tr>" for row, marks in zip(values, wrong)
    )
    return (
        f'<div class=scroll><table class="entries"><caption>{title}</caption>{lines}</table></div>'
    )


def _cell(value: float | None, wrong: bool) -> str:
    text = "·" if value is None else f"{value:.3g}"
    return f"<td class=bad><b>{text}</b></td>" if wrong else f"<td>{text}</td>"
