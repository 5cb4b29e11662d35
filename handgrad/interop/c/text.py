"""Text: a program as a C file and its header."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from handgrad.arrays import Array
from handgrad.compile.values import Address, Value
from handgrad.interop.c.kernels import needed, sources
from handgrad.interop.c.losses import takes_labels
from handgrad.interop.c.program import Program
from handgrad.interop.c.writer import Call, Member, Writer, literal

WIDTH = 100
PUBLIC = ("predict", "backward", "update", "reset", "weights", "gradients", "state", "trained")


def shape_of(shape: Sequence[int]) -> str:
    """A shape as in Python."""
    return f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"


def head(function: str, *arguments: str) -> str:
    """A function's name and arguments, broken where they are long."""
    start = f"{function}("
    lines, line = [], start
    for i, a in enumerate(arguments):
        piece = a + ", " * (i + 1 < len(arguments))
        if len(line) + len(piece.rstrip()) > WIDTH:
            lines.append(line.rstrip())
            line = " " * len(start)
        line += piece
    return "\n".join([*lines, line])


def call_text(call: Call, c: Writer) -> str:
    """One call."""
    *arguments, last = (c.expression(a) for a in call.args)
    result = f"float {call.result} = " if call.result else ""
    return head(f"    {result}{call.function}", *arguments, f"{last});")


def body(c: Writer) -> Iterator[str]:
    """The arrays in the arena, and the calls under the names of their layers."""
    shown: set[int] = set()
    for call in c.calls:
        for a in call.args:
            if not isinstance(a, Value) or id(a.owner) in shown:
                continue
            address = a.owner.address
            if isinstance(address, Address) and address.segment == "arena":
                shown.add(id(a.owner))
                line = f"    float *{c.names[id(a.owner)]} = s->arena + {address.word};"
                yield f"{line:<42}/* {shape_of(a.owner.shape)} */"  # type: ignore[arg-type]
    label = ""
    for call in c.calls:
        if call.label != label:
            label = call.label
            yield f"\n    /* {label} */"
        yield call_text(call, c)


def function(head: str, lines: Iterable[str]) -> str:
    """A function of the file."""
    text = "\n".join(lines).strip("\n")
    used = re.sub(r"/\*.*?\*/", "", text)
    unused = "".join(f"    (void){name};\n" for name in re.findall(r"\*(\w+)[,)]", head)
                     if not re.search(rf"\b{name}\b", used))  # fmt: skip
    return f"{head}\n{{\n{unused}{text}\n}}"


def struct(name: str, members: Iterable[Member]) -> str:
    """A struct of arrays; the integers of 8 bits come last."""
    lines = [member_line(m) for m in ordered(members)]
    return "typedef struct {\n" + "\n".join(lines or ["    char none;"]) + f"\n}} {name};"


def member_line(m: Member) -> str:
    """An array of a struct, with its shape."""
    return f"    {m.type} {m.name}[{m.array.size}];".ljust(36) + f" /* {shape_of(m.array.shape)} */"


def ordered(members: Iterable[Member]) -> list[Member]:
    """The members in the order of the struct."""
    return sorted(members, key=lambda m: m.type == "int8_t")


def numbers(array: Array) -> str:
    """The elements of an array between braces."""
    text = [str(n) if array.dtype.kind in "iu" else literal(n) for n in array.ravel().tolist()]
    return "{\n" + textwrap.fill(", ".join(text), WIDTH, initial_indent="    ",
                                 subsequent_indent="    ") + "\n}"  # fmt: skip


class Text:
    """A program's file and header under a name.

    A function of the file's own whose name would be one of the header's gets a "_" behind it.
    """

    def __init__(self, p: Program, name: str, loss: Any, optimizer: Any, integers: bool, note: str):
        self.p, self.name, self.loss, self.note = p, name, loss, note
        self.moments = p.backward is not None and "beta1" in vars(optimizer)
        x = "int32_t" if integers else "float"
        t = "const int32_t *t" if loss is not None and takes_labels(loss) else "const float *t"
        kind, returns = ("dy", "void") if loss is None else ("t", "float")
        t = t if kind == "t" else "const float *dy"
        const = "" if p.memory.follows else "const "
        w, s = f"{name}_weights *w", f"{name}_state *s"
        xs = [f"const {x} *x", *["const uint8_t *mask"] * (p.mask is not None)]
        self.predict = head(f"void {name}_predict", f"const {w}", s, *xs, "float *y)")
        self.backward = head(f"{returns} {name}_backward", const + w, s, *xs, f"{t})")
        self.update = head(f"void {name}_update", w, s, "float rate)")
        self.reset = head(f"void {name}_reset", f"{s})")
        self.x_type, self.kind, self.rate = x, kind, 0.0
        own = [n for n in sources() if n in {f"{name}_{end}" for end in PUBLIC}]
        self.taken = re.compile(rf"\b({'|'.join(own)})\b" if own else r"(?!)")

    def header(self) -> str:
        """The header: structs and functions."""
        p, name = self.p, self.name
        guard = f"{name.upper()}_H"
        trains, parts = p.backward is not None, []
        parts.append(f"/* {self.note} */\n#ifndef {guard}\n#define {guard}\n\n#include <stdint.h>")
        parts.append('#ifdef __cplusplus\nextern "C" {\n#endif')
        parts.append("/* The parameters, and what else stays. */\n"
                     + struct(f"{name}_weights", p.memory.weights.values()))  # fmt: skip
        lines = [f"    float arena[{max(p.arena, 1)}]; /* what layers keep for those after them */"]
        if trains:
            parts.append("/* The gradients of those that learn. */\n"
                         + struct(f"{name}_gradients", p.memory.gradients.values()))  # fmt: skip
            lines.append(f"    {name}_gradients g;")
        if self.moments:
            lines += [f"    {name}_gradients m, v; /* running means of g and of g^2 */",
                      "    int32_t step;         /* updates that were done */"]  # fmt: skip
        if p.memory.draws:
            lines.append(
                "    uint32_t draws;       /* calls of backward, each with its own masks */"
            )
        lines += [member_line(m) for m in p.memory.states.values()]
        zero = " All zero at first." if self.moments or p.memory.draws or p.memory.states else ""
        parts.append(f"/* Working memory.{zero} */\n" + "typedef struct {\n" + "\n".join(lines)
                     + f"\n}} {name}_state;")  # fmt: skip
        parts.append("/* The parameters as they are in Python: to predict with, or to copy and "
                     f"learn from. */\nextern const {name}_weights {name}_trained;")  # fmt: skip
        parts.append(f"{self._about_predict()}\n{self.predict};")
        if p.memory.states:
            parts.append("/* The next call starts from states of 0, not from those that the call "
                         f"before left. */\n{self.reset};")  # fmt: skip
        if trains:
            parts.append(f"{self._about_backward()}\n{self.backward};")
            parts.append("/* One step of the optimizer along the gradients, with this learning "
                         f"rate. */\n{self.update};")  # fmt: skip
        parts.append("#ifdef __cplusplus\n}\n#endif")
        return "\n\n".join([*parts, "#endif\n"])

    def _about_predict(self) -> str:
        """The comment of predict."""
        p = self.p
        lines = [f"The outputs y {shape_of(p.y_shape)} for x {shape_of(p.x_shape)}, as in "
                 "evaluation mode."]  # fmt: skip
        if p.mask is not None:
            lines.append(f"mask {shape_of(p.mask)}: 0 at steps without data, where states stand "
                         "still.")  # fmt: skip
        return f"/* {f'{chr(10)} * '.join(lines)} */"

    def _about_backward(self) -> str:
        """The comment of backward."""
        shape = self.p.y_shape
        if self.loss is None:
            return f"/* The gradients s->g for x, where dy {shape_of(shape)} is that of y. */"
        shape = shape[:-1] if takes_labels(self.loss) else shape
        loss = type(self.loss).__name__
        return f"/* {loss} of x and t {shape_of(shape)}; its gradients come into s->g. */"

    def source(self, self_test: str) -> str:
        """The C file."""
        p, name = self.p, self.name
        writers = [p.predict] + ([p.backward] if p.backward is not None else [])
        calls = [call.function for c in writers for call in c.calls]
        parts = [f"/* {name}: see {name}.h. */\n#include \"{name}.h\"\n\n#include <math.h>\n"
                 "#include <string.h>"]  # fmt: skip
        kernels = needed([*calls, *(call.function for call in p.update)])
        parts += [self.taken.sub(r"\g<0>_", text) for text in kernels]
        parts += [f"static const Window window{i} = {w};" for i, w in enumerate(p.memory.windows)]
        parts.append(function(self.predict, self._lines(body(p.predict))))
        if p.memory.states:
            names = [m.name for m in p.memory.states.values()]
            lines = (f"    memset(s->{n}, 0, sizeof s->{n});" for n in names)
            parts.append(function(self.reset, lines))
        if p.backward is not None:
            parts.append(function(self.backward, self._lines(self._backward_lines())))
            parts.append(function(self.update, self._lines(self._update_lines())))
        values = ",\n".join(f"/* {m.name} */ {numbers(m.array)}"
                            for m in ordered(p.memory.weights.values()))  # fmt: skip
        parts.append(f"const {name}_weights {name}_trained = {{\n{values or '0'}\n}};")
        return "\n\n".join([*parts, self_test])

    def _lines(self, lines: Iterable[str]) -> Iterator[str]:
        """The lines of a function, with the names that its functions have here."""
        return (self.taken.sub(r"\g<0>_", line) for line in lines)

    def _backward_lines(self) -> Iterator[str]:
        assert self.p.backward is not None
        lines = list(body(self.p.backward))
        declared = [line for line in lines if line.startswith("    float *")]
        yield from declared
        if self.p.memory.gradients:
            yield "\n    memset(&s->g, 0, sizeof s->g); /* every use of a parameter adds to it */"
        yield from lines[len(declared) :]
        if self.p.memory.draws:
            yield "    s->draws++;"
        if self.loss is not None:
            yield "    return loss;"

    def _update_lines(self) -> Iterator[str]:
        if self.moments:
            yield "    s->step++;"
        assert self.p.backward is not None
        yield from (call_text(call, self.p.backward) for call in self.p.update)
        if not self.p.update:
            yield "    (void)rate;"

    def sizes(self) -> tuple[int, int]:
        """Bytes of the struct of weights, and of that of the state."""
        p = self.p
        weights = sum(m.array.size * m.array.itemsize for m in p.memory.weights.values())
        arrays = 1 + 2 * self.moments if p.backward is not None else 0
        learned = sum(m.array.size for m in p.memory.gradients.values())
        kept = sum(m.array.size for m in p.memory.states.values())
        state = 4 * (max(p.arena, 1) + arrays * learned + self.moments + p.memory.draws + kept)
        aligned = any(m.type == "float" for m in p.memory.weights.values())
        return (-(-weights // 4) * 4 if aligned else max(weights, 1)), state
