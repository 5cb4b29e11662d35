"""Formulas: the forward of a network and its hand-derived backward, as Markdown and LaTeX."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from handgrad.explain.formula import forward_formula, gradients_of, section_of, shape_line
from handgrad.explain.running import run
from handgrad.explain.stepping.tape import COMPUTED, Tape, Use
from handgrad.explain.tex import symbol, tex
from handgrad.explain.values import lengths
from handgrad.inside import is_layer, walk
from handgrad.layer import slots

LETTERS = {"gamma": "γ", "beta": "β"}  # what formulas call parameters of these names


@dataclass(frozen=True)
class Line:
    """A use of a layer: its title, shapes, and formulas in TeX; words where there is no formula."""

    title: str
    shapes: str
    forward: str
    backward: tuple[str, ...]


@dataclass(frozen=True)
class Formulas:
    """The formulas of a network, in the order of computing. Printed, it is Markdown."""

    title: str
    lines: tuple[Line, ...]
    sums: tuple[str, ...]  # gradients that several uses add to

    @property
    def markdown(self) -> str:
        """A numbered list forward, and one backward, with TeX between dollar signs."""
        parts = [f"## {self.title}", "", "### Forward", ""]
        for i, line in enumerate(self.lines, 1):
            parts += [f"{i}. {line.title}: {_dollars(line.forward)}  ", f"   {line.shapes}"]
        parts += ["", "### Backward", ""]
        for i, line in reversed([*enumerate(self.lines, 1)]):
            formulas = ", ".join(_dollars(f) for f in line.backward)
            parts.append(f"- {i}. {line.title}: {formulas}")
        parts += ["", f"Summed over their uses: {', '.join(f'${g}$' for g in self.sums)}."] * bool(
            self.sums
        )
        return "\n".join(parts) + "\n"

    @property
    def latex(self) -> str:
        """Two align* environments, forward and backward, which need amsmath and amssymb."""
        forward = [_row(line.forward, line.title) for line in self.lines]
        backward = [_row(f, line.title) for line in reversed(self.lines) for f in line.backward]
        blocks = (r"\begin{align*}" + "\n" + " \\\\\n".join(rows) + "\n" + r"\end{align*}"
                  for rows in (forward, backward))  # fmt: skip
        first, second = blocks
        return f"% {self.title}: forward\n{first}\n% backward\n{second}\n"

    def __str__(self) -> str:
        return self.markdown

    def _repr_markdown_(self) -> str:
        return self.markdown


def formulas(network: Any, *inputs: Any, t: Any = None, loss: Any = None) -> Formulas:
    """The forward of this very network and its hand-derived backward, with shapes.

    Each layer's formulas are those of its docstring, with the names that its arrays have here:
    y₁ is what the first layer gives, W₁ its weights, dy₁ the gradient with respect to y₁.
    inputs: a batch, so that every shape is known; without, a network that begins with a built
    Affine is shown for vectors. With targets `t` (and a `loss`) the loss is the last line.
    Raises ValueError for what is no layer, or whose inputs are not known.
    """
    if isinstance(network, type) or not is_layer(network):
        raise ValueError(f"explain: a network or a layer is needed, got {type(network).__name__}")
    given = inputs or _vectors(network)
    with run(network, given, t, loss, None, who="explain") as ran:
        tape = Tape(ran, lambda call: False)
    names = _names(tape)
    lines = tuple(_line(use, tape, names, i) for i, use in enumerate(tape.uses, 1))
    uses = [n for use in tape.uses for n, wanted in zip(use.arguments, use.wanted) if wanted]
    several = {n: None for n in uses if n is not None and uses.count(n) > 1}
    count = sum(slot.value.size for slot in slots(network))
    title = f"{tape.title}, {count:,} parameters"
    return Formulas(title, lines, tuple(_gradient(names[n]) for n in several))


def _vectors(network: Any) -> tuple[Any, ...]:
    """A batch of one vector. Raises ValueError where it is not known how long it is."""
    learned = (layer for _, layer in walk(network) if getattr(layer, "params", ()))
    first: Any = next(learned, None)
    size = getattr(first, "inputs", None)
    if not isinstance(size, int) or type(first).__name__ != "Affine":
        raise ValueError(
            f"explain: what {type(network).__name__} takes is not known, or it is not yet built: "
            "give a batch, formulas(network, x)"
        )
    return (np.zeros((1, size), first.W.dtype if "W" in vars(first) else np.float64),)


def _names(tape: Tape) -> list[str]:
    """A symbol for each value: x and t by name, y and parameters by the number of their layer."""
    names = [symbol(re.sub(r"\W", "", v.name) or "a") for v in tape.values]
    taken: set[int] = set()
    for i, use in enumerate(tape.uses, 1):
        for name, number in zip(use.names, use.arguments):
            if number is not None and number not in taken:
                taken.add(number)
                if tape.values[number].kind == "parameter":
                    names[number] = symbol(name, i)
        for k, number in enumerate(use.outputs, 1):
            taken.add(number)
            many = len(use.outputs) > 1
            last = np.ndim(tape.values[number].array) == 0 and "t" in use.names
            names[number] = "L" if last else symbol("y", i) if not many else f"y_{{{i},{k}}}"
    return names


def _gradient(name: str) -> str:
    return rf"\mathrm{{d}}{name}"


def _line(use: Use, tape: Tape, names: list[str], number: int) -> Line:
    cls: Any = type(use.call.original)
    y = "loss" if "y" in use.names else "y"
    local = {n: names[v] for n, v in zip(use.names, use.arguments) if v is not None}
    local |= {letter: local[n] for n, letter in LETTERS.items() if n in local}
    local[y] = names[use.outputs[0]]
    local |= {f"d{n}": _gradient(s) for n, s in local.items()}
    shapes = {n: np.shape(tape.values[v].array) for n, v in zip(use.names, use.arguments)
              if v is not None}  # fmt: skip
    shapes[y] = use.call.shapes[0]
    wanted = {f"d{n}" for n, w in zip(use.names, use.wanted) if w}
    found = [tex(line, local) for name, line in gradients_of(cls) if name in wanted]
    forward = forward_formula(cls)
    sizes = ", ".join(
        f"${names[v]}$: {lengths(np.shape(tape.values[v].array))}"
        for v in dict.fromkeys([*(a for a in use.arguments if a is not None), *use.outputs])
        if tape.values[v].kind in ("parameter", "input", COMPUTED)
    )
    letters = shape_line(cls, shapes)
    return Line(
        f"{use.path} {use.title}".strip(),
        f"{sizes} ({letters})" if letters else sizes,
        tex(forward, local) if re.match(r"\S+ = ", forward) else forward,
        tuple(found) or ((section_of(cls) or "no formula in its docstring",) if wanted else ()),
    )


def _dollars(text: str) -> str:
    return f"${text}$" if "=" in text else text


def _row(text: str, title: str) -> str:
    words = title.replace("_", r"\_").replace("&", r"\&").replace("#", r"\#").replace("%", r"\%")
    left, equals, right = text.partition("=")
    body = f"{left}&{equals}{right}" if equals else rf"&\text{{{text}}}"
    return rf"{body} && \text{{{words}}}"
