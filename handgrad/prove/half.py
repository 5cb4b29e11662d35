"""Half precision: float16 and bfloat16, held against float64 by what rounding explains.

    allowed error of a result  =  C · (how far it moves when every input, parameter and upstream
                                  gradient moves by ε in float64, and ε of its own size)

A sum over n terms that is kept in half precision is off by up to n ε, one in float32 is not; an
intermediate that overflows is infinite or NaN, where the result is not.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.differences.signed import signed
from handgrad.findings.report import WRONG, Report
from handgrad.prove.verdict.trial import Case
from handgrad.subject.sandbox import SubjectError

# The spacing of numbers at 1, the largest number, and the spacing near 0.
EPS, TOP, TINY = (dict(zip(("float16", "bfloat16"), pair)) for pair in (
    (2.0**-10, 2.0**-7), (65504.0, 3.3e38), (2.0**-24, 1e-40),
))  # fmt: skip
FACTOR = 2.0  # right layers and networks stay below a half of it
SHAKES = 6


def judge_half(case: Case, report: Report, half: str, dtype: Any) -> Report:
    """The report, wrong where rounding in half precision does not explain what it gives there.

    dtype: NumPy's or ml_dtypes', for a subject on NumPy arrays.
    """
    try:
        right, allowed = _budget(case, half)
        given = _results(case, *_values(case, half), half, dtype)
    except SubjectError as error:
        report.notes.append(f"in {half} {error.sentence}: it was proved in float64 alone")
        return report
    halved = [f"d{n}" for n, x in zip(case.names, case.given)
              if str(getattr(x, "dtype", "")) == half]  # fmt: skip
    wide = [n for n in halved if n in given and given[n].dtype.itemsize > 2]
    if dtype is not None and wide:
        text = f"{wide[0]} is {given[wide[0]].dtype.name}, for an input in {half}."
        return _wrong(report, "dtype", text)
    for name, exact in right.items():
        found, fits = np.asarray(given[name], np.float64), abs(exact) < TOP[half] / 8
        if not np.isfinite(found[fits]).all():
            text = f"In {half} {name} is infinite or NaN, where {exact[fits].flat[0]:.4g} is right."
            return _wrong(report, "numeric_instability", text)
        excess = (abs(found - exact) / allowed[name])[fits]
        if excess.size and excess.max() > 1:
            worst = int(excess.argmax())
            text = (
                f"In {half} {name} is {found[fits][worst]:.6g} where it should be "
                f"{exact[fits][worst]:.6g}: {FACTOR * excess[worst]:.0f} times what rounding its "
                "inputs explains. Keep sums and differences in float32, and round the result."
            )
            return _wrong(report, "dtype", text)
    report.notes.append(f"in {half} it is as exact as rounding lets it be")
    return report


def _wrong(report: Report, cause: str, sentence: str) -> Report:
    return Report(report.subject, WRONG, cause, None, [sentence], None, report.table)


Values = tuple[list[Any], dict[str, Array], list[Array]]  # inputs, parameters, upstream gradients


def _values(case: Case, half: str, shake: Any = None) -> Values:
    """What goes in, rounded to half precision; moved by ε where a generator is given."""
    rng = np.random.default_rng(case.seed + 5)
    outputs = case.forward(case.subject.copy(), case.inputs)
    upstream = [signed(rng, y.shape) for y in outputs]
    upstream = upstream if case.subject.upstream_count(1) else [np.ones(y.shape) for y in outputs]

    def rounded(x: Any) -> Any:
        if np.asarray(x).dtype.kind != "f":
            return x
        x = _to_half(np.asarray(x), half)
        return x if shake is None else x * (1 + EPS[half] * shake.choice([-1.0, 1.0], x.shape))

    held = {n: rounded(case.subject.get(n)) for n in case.subject.parameters}
    return [rounded(x) for x in case.inputs], held, [rounded(u) for u in upstream]


def _to_half(x: Array, half: str) -> Array:
    """The nearest number with so many bits, as float64."""
    if half == "float16":
        return x.astype(np.float16).astype(np.float64)
    scale = 2.0 ** (np.floor(np.log2(np.where(x == 0, 1, abs(x)))) - 7)
    return np.round(x / scale) * scale


def _budget(case: Case, half: str) -> tuple[dict[str, Array], dict[str, Array]]:
    """The results in float64, and how far each may be off."""
    right = _results(case, *_values(case, half))
    rng = np.random.default_rng(case.seed + 6)
    moved = [_results(case, *_values(case, half, rng)) for _ in range(SHAKES)]
    allowed = {}
    for name, exact in right.items():
        away = np.max([abs(m[name] - exact) for m in moved], axis=0)
        own = np.maximum(away, away.mean() if away.size else 0) + EPS[half] * abs(exact)
        allowed[name] = FACTOR * (own + TINY[half])
    return right, allowed


def _results(
    case: Case, inputs: list[Any], held: dict[str, Array], upstream: list[Array],
    half: str | None = None, dtype: Any = None,
) -> dict[str, Array]:  # fmt: skip
    """Outputs and gradients by name: in float64, or in half precision by the library's own way."""
    subject = case.subject.copy()
    for name, value in held.items():
        subject.put(name, value)
    if half is not None and hasattr(subject.thing, "half"):
        subject.thing.half = half
    elif dtype is not None:
        subject = subject.cast(dtype)
        inputs = [x.astype(dtype) if np.asarray(x).dtype.kind == "f" else x for x in inputs]
        upstream = [u.astype(dtype) for u in upstream]
    run = case.run(inputs, upstream, subject, keep=True)
    found = {f"y{k}" if k else "y": y for k, y in enumerate(run.outputs)}
    found |= {f"d{n}": g for n in case.wanted if (g := run.gradients[n]) is not None}
    return found
