"""The line of the subject's own code that a finding points to."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
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


def _method(subject: Subject, name: str) -> Any:
    thing = subject.thing
    if isinstance(thing, Pair):
        return thing.forward_function if name == "forward" else thing.backward_function
    return getattr(type(thing), name, None) or getattr(thing, name)


def _parsed(function: Any) -> ast.AST | None:
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return None


def _spelled(function: Any, node: ast.AST) -> str:
    lines, first = inspect.getsourcelines(function)
    offset = getattr(node, "lineno", 1) - 1
    file = inspect.getsourcefile(inspect.unwrap(function)) or ""
    return f"{file}:{first + offset}: {lines[offset].strip()}"


def _returned(function: Any) -> str | None:
    tree = _parsed(function)
    returns = [n for n in ast.walk(tree) if isinstance(n, ast.Return)] if tree else []
    return _spelled(function, returns[-1]) if returns else None


def _assigned(function: Any, subject: Subject, finding: Finding) -> str | None:
    """The last assignment to the wrong gradient; the write in place; else the return."""
    tree = _parsed(function)
    if tree is None:
        return None
    name = finding.gradient or (finding.where.gradient if finding.where else "")
    name = name.split(".")[-1].lower().removeprefix("d")
    inplace = finding.cause in ("inplace_dout", "inplace_input")
    own = [p.name for p in positional(function) if p.name != "self"]
    matches = []
    for statement, target in _targets(tree):
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
