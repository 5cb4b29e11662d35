"""Source: the code of a layer's forward and backward, and which of its lines ran to what effect."""

from __future__ import annotations

import ast
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np

from handgrad.explain.values import lengths, shown
from handgrad.layer import Layer

LONGEST, MOST = 60, 5  # lines of a method, methods of a use
EVENTS = 1000  # lines that are followed in one call: a loop may have many more
PREPARING = {"build", "draw", "__getattr__", "__init__"}  # methods that are not shown


@dataclass(frozen=True)
class Method:
    """The source of a function. statements: for each line, (first, last, names that it sets)."""

    name: str
    file: str
    first: int
    text: str
    statements: dict[int, tuple[int, int, tuple[str, ...]]] = field(hash=False, compare=False)


@dataclass
class Ran:
    """The lines of a method that ran, in order: first line -> (last line, what was set to what)."""

    method: Method
    lines: dict[int, tuple[int, str]] = field(default_factory=dict)


@lru_cache(maxsize=512)
def method_of(code: CodeType) -> Method | None:
    """A function's source; None where there is none, or too much."""
    try:
        lines, first = inspect.getsourcelines(code)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, SyntaxError, TypeError):
        return None
    if len(lines) > LONGEST:
        return None
    statements: dict[int, tuple[int, int, tuple[str, ...]]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and not isinstance(node, ast.FunctionDef):
            body = getattr(node, "body", None)
            last = body[0].lineno - 1 if body else node.end_lineno or node.lineno
            for line in range(node.lineno, max(last, node.lineno) + 1):
                statements[line] = (node.lineno, max(last, node.lineno), tuple(_set_by(node)))
    text = textwrap.dedent("".join(lines)).rstrip()
    return Method(code.co_qualname, Path(code.co_filename).name, first, text, statements)


def _set_by(node: ast.stmt) -> Iterator[str]:
    """The names and attributes of self that a statement sets."""
    targets = node.targets if isinstance(node, ast.Assign) else []
    if isinstance(node, ast.AugAssign | ast.AnnAssign | ast.For):
        targets = [node.target]
    while targets:
        target, *targets = targets
        if isinstance(target, ast.Tuple | ast.List):
            targets = [*target.elts, *targets]
        elif isinstance(target, ast.Subscript | ast.Starred):
            targets = [target.value, *targets]
        elif isinstance(target, ast.Name | ast.Attribute):
            yield ast.unparse(target)


def watched(layer: Any, function: Callable[[], Any]) -> tuple[Any, list[Ran]]:
    """What a function gives, and the lines of the layer's own methods that ran meanwhile."""
    found: dict[CodeType, Ran] = {}
    with _tracing(layer, found):
        result = function()
    return result, list(found.values())[:MOST]


@contextmanager
def _tracing(layer: Any, found: dict[CodeType, Ran]) -> Iterator[None]:
    cls: Any = type(layer)
    codes = _codes_of(cls)

    def enter(frame: FrameType, event: str, argument: Any) -> Any:
        code = frame.f_code
        if code not in codes or frame.f_locals.get("self") is not layer:
            return None
        method = method_of(code)
        if method is None or code in found:
            return None
        found[code] = ran = Ran(method)
        before: list[int] = []
        events = 0

        def follow(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal events
            events += 1
            frame.f_trace_lines = events < EVENTS
            _note(ran, frame, before, argument if event == "return" else None)
            if event == "line":
                before[:] = [frame.f_lineno - method.first + 1]
            return follow

        return follow

    earlier = sys.gettrace()
    sys.settrace(enter)
    try:
        yield
    finally:
        sys.settrace(earlier)


def _note(ran: Ran, frame: FrameType, before: list[int], returned: Any) -> None:
    """Enter the statement that has just run, with the values that it set."""
    statement = ran.method.statements.get(before[0]) if before else None
    if statement is None:
        return
    first, last, names = statement
    values = [f"{name} = {text}" for name in names if (text := _brief(_value(frame, name)))]
    several = returned if isinstance(returned, tuple) else (returned,)
    if given := [text for part in several if (text := _brief(part))]:
        values = [f"→ {', '.join(given)}"]
    ran.lines[first] = last, ", ".join(values) or ran.lines.get(first, (0, ""))[1]


def _value(frame: FrameType, name: str) -> Any:
    owner, _, attribute = name.partition(".")
    found = frame.f_locals.get(owner)
    return getattr(found, "__dict__", {}).get(attribute) if attribute else found


def _brief(value: Any) -> str:
    if isinstance(value, bool | np.bool_) or not isinstance(value, np.ndarray | np.number | float):
        return ""
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        return ""
    words = shown(array).brief
    return f"{lengths(array.shape)}: {words}" if array.ndim else words


@lru_cache(maxsize=512)
def _codes_of(cls: type) -> frozenset[CodeType]:
    """The methods of a class that are worth showing, inherited ones too."""
    return frozenset(
        function.__code__
        for base in cls.__mro__
        if base not in (object, Layer)
        for name, member in vars(base).items()
        if name not in PREPARING and hasattr(function := inspect.unwrap(member), "__code__")
        if callable(member)
    )
