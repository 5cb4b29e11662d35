"""Self-test: golden numbers, and the main that compares them, under a macro of the C file."""

from __future__ import annotations

from math import prod

import numpy as np

from handgrad.interop.c.golden import Golden
from handgrad.interop.c.text import Text, numbers
from handgrad.interop.c.writer import literal

TOLERANCE = 1e-5

_GOLDEN = """
/* Numbers in [-1, 1) that look like noise. */
static float golden(uint32_t i)
{
    return (float)((i * 2654435761u) >> 8) / 8388608.0f - 1.0f;
}
"""

_START = """#ifdef {NAME}_SELF_TEST
#include <stdio.h>

/* 1, and a line that says so, where a number is not the one that Python computed. */
static int differs(const char *what, int i, float got, float expected, float largest)
{{
    if (fabsf(got - expected) <= {tolerance} * largest) return 0;
    printf("%s[%d] is %.9g, in Python %.9g\\n", what, i, (double)got, (double)expected);
    return 1;
}}

static const float golden_y[] = {y};

int main(void)
{{
    static {name}_state s;
    static {x} x[{x_size}];
    static float y[{y_size}];
    int wrong = 0;
    for (int i = 0; i < {x_size}; i++) x[i] = {x_value};
"""
_CALL = """    {name}_predict(&{name}_trained, &s, {xs}, y);
    for (int i = 0; i < {y_size}; i++) wrong += differs("{what}", i, y[i], {golden}, {largest});"""


def self_test(text: Text, g: Golden) -> str:
    """The part of the file that compares what it computes with the golden numbers."""
    name, p = text.name, text.p
    integers = text.x_type == "int32_t"
    value = "golden((uint32_t)i)"
    if g.factor is not None:
        value = f"({value} + 1) * {literal(float(g.factor))}"
    start = _START.format(
        NAME=name.upper(), name=name, tolerance=literal(TOLERANCE), x=text.x_type,
        x_size=prod(p.x_shape), y_size=prod(p.y_shape),
        y=numbers(np.concatenate([y.ravel() for y in g.y]).astype(np.float32)),
        x_value=f"i % {int(g.x.max()) + 1}" if integers else value,
    )  # fmt: skip
    lines = [start.rstrip("\n")]
    if p.mask is not None:
        N, T = p.mask
        lines += [
            f"    static uint8_t mask[{N * T}];",
            f"    for (int i = 0; i < {N * T}; i++) mask[i] = i % {T} < {T} - (i / {T} + 1) % {T};",
        ]
    xs = "x" if p.mask is None else "x, mask"
    for k, y in enumerate(g.y):
        lines.append(_CALL.format(
            name=name, xs=xs, y_size=y.size, what=("y", "y of a second call")[k],
            golden=f"golden_y[{f'{y.size} + ' * k}i]", largest=literal(float(np.abs(y).max())),
        ))  # fmt: skip
    if p.memory.states:
        lines.append(f"    {name}_reset(&s);")
    if p.backward is not None:
        lines += training_lines(text, g, xs)
    lines += [
        '    if (!wrong) puts("all as in Python");',
        "    return wrong != 0;",
        "}",
        "#endif\n",
    ]
    whole = "\n".join(lines)
    include = "#include <stdio.h>\n"
    return whole.replace(include, include + _GOLDEN, 1) if "golden(" in whole else whole


def training_lines(text: Text, g: Golden, xs: str) -> list[str]:
    """One step: the loss, some elements of each gradient, and of each parameter after it."""
    name, assert_t = text.name, g.t
    assert assert_t is not None
    kind, size = text.kind, assert_t.size
    labels = assert_t.dtype.kind == "i"
    value = "golden((uint32_t)i + 1)"
    if labels:
        value = f"i % {text.p.y_shape[-1]}"
    elif type(text.loss).__name__ == "SigmoidCrossEntropy":
        value = f"({value} + 1) / 2"
    lines = [
        "",
        f"    static {name}_weights w;",
        f"    static {'int32_t' if labels else 'float'} {kind}[{size}];",
        f"    w = {name}_trained;",
        f"    for (int i = 0; i < {size}; i++) {kind}[i] = {value};",
    ]
    if text.loss is None:
        lines.append(f"    {name}_backward(&w, &s, {xs}, dy);")
    else:
        loss = literal(g.loss)
        lines += [
            f"    float loss = {name}_backward(&w, &s, {xs}, t);",
            f'    wrong += differs("loss", 0, loss, {loss}, {literal(abs(g.loss))});',
        ]
    lines += compared("s.g.", g.gradients, g)
    lines.append(f"    {name}_update(&w, &s, {literal(text.rate)});")
    return lines + compared("w.", g.updated, g)


def compared(where: str, found: dict[str, list[tuple[int, float]]], g: Golden) -> list[str]:
    """A comparison of each number."""
    return [
        f'    wrong += differs("{name}", {i}, {where}{name}[{i}], {literal(value)}, '
        f"{literal(g.largest[name])});"
        for name, pairs in found.items()
        for i, value in pairs
    ]
