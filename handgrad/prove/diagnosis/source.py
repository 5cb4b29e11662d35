"""The subject's own code: its functions, their text, and the line that a finding points to."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

from handgrad.prove.verdict.evidence import Finding
from handgrad.subject.adapt import Subject
from handgrad.subject.dressing import positional
from handgrad.subject.sandbox import libraries

# What findings about forward say.
_IN_FORWARD = re.compile("^(forward|A later call changes the output)|forward is (NaN|rounded)")


def function_of(thing: Any, name: str) -> Any:
    """forward or backward of a class, an instance, (class, *arguments), or a pair; else None."""
    if isinstance(thing, list | tuple) and thing:
        if not isinstance(thing[0], type):
            return thing[name == "backward"] if len(thing) == 2 else None
        thing = thing[0]
    found = inspect.getattr_static(thing, name, None)
    found = getattr(found, "__func__", found)
    return inspect.unwrap(found) if callable(found) else None


def parsed(function: Any) -> Any:
    """The definition of a function; None where its text is not known, or is a library's."""
    try:
        if (inspect.getsourcefile(function) or "").startswith(libraries()):
            return None
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return None
    return tree.body[0]


def line_of(subject: Subject, finding: Finding) -> str | None:
    """`path:number: code` of the statement to look at; None where the source is not known."""
    forward = finding.cause == "forward_bug" or bool(_IN_FORWARD.search(finding.sentence))
    function = function_of(subject.thing, "forward" if forward else "backward")
    tree = parsed(function)
    if tree is None:
        return None
    writes = not forward or finding.cause == "inplace_input"
    statements = list(_assignments(tree, function, finding)) if writes else []
    returns = [n for n in ast.walk(tree) if isinstance(n, ast.Return)]
    if not statements and not returns:
        return None
    node: Any = max(statements, key=lambda s: (s[0], s[1].lineno))[1] if statements else returns[-1]
    lines, first = inspect.getsourcelines(function)
    file, offset = inspect.getsourcefile(function) or "", node.lineno - 1
    return f"{file}:{first + offset}: {lines[offset].strip()}"


def _assignments(tree: ast.AST, function: Any, finding: Finding) -> Iterator[tuple[int, ast.stmt]]:
    """Assignments to the wrong gradient, or in place; those to an argument count for more."""
    name = finding.gradient or (finding.where.gradient if finding.where else "")
    name = name.split(".")[-1].lower().removeprefix("d")
    inplace = finding.cause in ("inplace_dout", "inplace_input")
    own = [p.name for p in positional(function) if p.name != "self"]
    for statement, target in _targets(tree):
        variable = ast.unparse(target).split("[")[0]
        bare = variable.split(".")[-1].lower()
        written = isinstance(target, ast.Subscript) or isinstance(statement, ast.AugAssign)
        if inplace and written:
            yield 1 + (variable in own), statement
        elif not inplace and name and bare in (f"d{name}", f"grad_{name}", f"d_{name}", f"g{name}"):
            yield 1, statement


def _targets(tree: ast.AST) -> Iterator[tuple[Any, ast.expr]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                inner = target.elts if isinstance(target, ast.Tuple) else [target]
                yield from ((node, t) for t in inner)
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            yield node, node.target
