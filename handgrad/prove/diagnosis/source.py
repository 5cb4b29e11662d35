"""The line of the subject's own code that a finding points to."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from handgrad.prove.subject.adapt import Pair, Subject, positional
from handgrad.prove.verdict.evidence import Finding

_IN_FORWARD = ("forward", "A later call changes the output")  # how its findings begin


def line_of(subject: Subject, finding: Finding) -> str | None:
    """`path:number: code` of the statement to look at; None where the source is not known."""
    if finding.cause != "forward_bug" and not finding.sentence.startswith(_IN_FORWARD):
        return _assigned(_method(subject, "backward"), subject, finding)
    if finding.cause == "inplace_input":
        return _assigned(_method(subject, "forward"), subject, finding)
    return _returned(_method(subject, "forward"))


def method_source(subject: Subject, name: str) -> str:
    """The text of forward or backward; empty where it is not known."""
    try:
        return textwrap.dedent(inspect.getsource(_method(subject, name)))
    except (OSError, TypeError):
        return ""


def class_source(subject: Subject) -> str:
    """The text of the subject's class, or of its two functions."""
    if isinstance(subject.thing, Pair):
        return method_source(subject, "forward") + method_source(subject, "backward")
    try:
        return inspect.getsource(type(subject.thing))
    except (OSError, TypeError):
        return method_source(subject, "forward") + method_source(subject, "backward")


def called_source(subject: Subject) -> str:
    """The text of the subject's class and of the functions of its own module that it calls."""
    text = class_source(subject)
    scope = getattr(_method(subject, "forward"), "__globals__", {})
    helpers = {n: scope[n] for n in set(re.findall(r"\b(\w+)\(", text)) if n in scope}
    functions = [f for f in helpers.values() if inspect.isfunction(f)]
    for function in functions:
        with suppress(OSError, TypeError):
            text += inspect.getsource(function)
    return text


def _method(subject: Subject, name: str) -> Any:
    thing = subject.thing
    if isinstance(thing, Pair):
        return thing.forward_function if name == "forward" else thing.backward_function
    return getattr(type(thing), name, None) or getattr(thing, name)


def _parsed(function: Any) -> tuple[ast.AST, str, int] | None:
    try:
        lines, first = inspect.getsourcelines(function)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, TypeError, SyntaxError):
        return None
    return tree, inspect.getsourcefile(inspect.unwrap(function)) or "", first


def _spelled(function: Any, node: ast.AST) -> str:
    parsed = _parsed(function)
    assert parsed is not None
    _, file, first = parsed
    number = first + getattr(node, "lineno", 1) - 1
    code = inspect.getsourcelines(function)[0][getattr(node, "lineno", 1) - 1].strip()
    return f"{file}:{number}: {code}"


def _returned(function: Any) -> str | None:
    parsed = _parsed(function)
    if parsed is None:
        return None
    returns = [n for n in ast.walk(parsed[0]) if isinstance(n, ast.Return)]
    return _spelled(function, returns[-1]) if returns else None


def _assigned(function: Any, subject: Subject, finding: Finding) -> str | None:
    """The last assignment to the wrong gradient; the write in place; else the return."""
    parsed = _parsed(function)
    if parsed is None:
        return None
    name = finding.gradient or (finding.where.gradient if finding.where else "")
    name = name.split(".")[-1].lower().removeprefix("d")
    inplace = finding.cause in ("inplace_dout", "inplace_input")
    own = [p.name for p in positional(function) if p.name != "self"]
    matches = []
    for statement, target in _targets(parsed[0]):
        text = ast.unparse(target)
        bare = text.split("[")[0].split(".")[-1].lower()
        written = isinstance(target, ast.Subscript) or isinstance(statement, ast.AugAssign)
        if inplace and written:
            matches.append((2 if text.split("[")[0] in own else 1, statement))
        elif not inplace and name and bare in (f"d{name}", f"grad_{name}", f"d_{name}", f"g{name}"):
            matches.append((2, statement))
    if matches:
        return _spelled(function, max(matches, key=lambda m: (m[0], m[1].lineno))[1])
    return _returned(function)


def _targets(tree: ast.AST) -> Iterator[tuple[Any, ast.expr]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                inner = target.elts if isinstance(target, ast.Tuple) else [target]
                yield from ((node, t) for t in inner)
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            yield node, node.target
