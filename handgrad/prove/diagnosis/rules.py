"""Mutations: small changes to a function's text, each by the mistake that it would undo."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

_REDUCTIONS = {"sum", "mean", "max", "min", "prod", "var", "std"}
_AXES = ("0", "-1", "1", "2", "None", "(0, 1)", "(1, 2)", "(2, 3)", "(0, 2)", "(0, 2, 3)")
_ORDER = ("wrong_axis", "one_row", "wrong_sign", "factor", "missing_sum")  # then by the text


@dataclass
class Mutation:
    """One node of a tree, and what may stand in its place.

    `cause` is the mistake that this would undo; or "one_row" and "missing_sum", of what has to be
    summed; or "factor": then the replacement is `_k * node`, with a number `_k` still to find.
    """

    cause: str
    holder: Any
    field: str
    index: int | None  # in a list of nodes
    new: Any
    statement: ast.stmt

    def swap(self) -> None:
        """Put the other node in; again, to take it out."""
        held = getattr(self.holder, self.field)
        if self.index is None:
            setattr(self.holder, self.field, self.new)
            self.new = held
        else:
            held[self.index], self.new = self.new, held[self.index]

    @property
    def on_constant(self) -> bool:
        """Whether a number in the text is multiplied."""
        return self.cause == "factor" and isinstance(self.new.right, ast.Constant)

    @property
    def is_whole(self) -> bool:
        """Whether the whole value of its statement is multiplied."""
        value: Any = getattr(self.statement, "value", None)
        while isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult | ast.Div):
            if self.new.right in (value.left, value.right):
                return True
            value = value.left
        return bool(self.new.right is value)


def mutations(function: ast.AST) -> list[Mutation]:
    """Every mutation worth trying, the most telling first."""
    found = [
        Mutation(cause, holder, field, index, _located(new, node), statement)
        for holder, field, index, node, statement in _spots(function, None)
        if statement is not None and field not in ("targets", "target", "func", "decorator_list")
        for cause, new in _replacements(holder, field, node)
    ]
    return sorted(found, key=lambda m: (_ORDER.index(m.cause), not m.on_constant))


def _spots(node: ast.AST, statement: Any) -> Iterator[tuple[Any, str, int | None, Any, Any]]:
    """Every node below, with where it hangs and the statement that it is in."""
    for field, value in ast.iter_fields(node):
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.expr | ast.stmt) and not isinstance(child, ast.While):
                inside = child if isinstance(child, ast.stmt) else statement
                yield node, field, index, child, inside
                if not isinstance(child, ast.Compare | ast.Slice):
                    yield from _spots(child, inside)


def _located(new: Any, old: Any) -> Any:
    """Give new nodes the line numbers of the old: a tree without them cannot be compiled."""
    for node in ast.walk(new):
        if not hasattr(node, "lineno"):
            ast.copy_location(node, old)
    return new


def _replacements(holder: Any, field: str, node: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(node, ast.Call):
        yield from _other_axis(node)
    if isinstance(node, ast.Subscript):
        yield from _other_rows(node)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        other = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
        yield "wrong_sign", ast.BinOp(node.left, other, node.right)
    if _is_term(holder, field, node):
        yield "factor", _made("_k * _e", node)
        for axes, sum_, kept in product(_AXES, ("sum", "mean"), (", keepdims=True", "")):
            yield "missing_sum", _made(f"np.{sum_}(_e, axis={axes}{kept})", node)


def _made(template: str, node: Any) -> Any:
    """The expression with the node for `_e`."""
    root = ast.parse(template, mode="eval")
    for one in ast.walk(root):
        for field, value in ast.iter_fields(one):
            if isinstance(value, list):
                setattr(one, field, [node if getattr(v, "id", "") == "_e" else v for v in value])
            elif getattr(value, "id", "") == "_e":
                setattr(one, field, node)
    return root.body


def _is_term(holder: Any, field: str, node: Any) -> bool:
    """Whether it is a factor, a term, or a whole result."""
    if isinstance(node, ast.Tuple | ast.List | ast.Slice | ast.Starred | ast.stmt):
        return False
    if isinstance(holder, ast.Tuple):
        return not isinstance(node, ast.Constant | ast.Name)
    return isinstance(holder, ast.BinOp | ast.UnaryOp | ast.Assign | ast.AugAssign | ast.Return)


def _other_axis(call: ast.Call) -> Iterator[tuple[str, Any]]:
    """A reduction along another axis."""
    name = getattr(call.func, "attr", "")
    if name not in _REDUCTIONS or len(call.args) > 1 + isinstance(call.func, ast.Attribute):
        return
    module = getattr(getattr(call.func, "value", None), "id", "") in ("np", "numpy")
    args, rest = call.args[:module], [k for k in call.keywords if k.arg not in ("axis", "keepdims")]
    for axes, kept in product(_AXES, (True, False)):
        axis = ast.keyword("axis", ast.parse(axes, mode="eval").body)
        keep = [ast.keyword("keepdims", ast.Constant(True))] * kept
        yield "wrong_axis", ast.Call(call.func, args, [*rest, axis, *keep])


def _other_rows(node: ast.Subscript) -> Iterator[tuple[str, Any]]:
    """A sum in place of one number along an axis."""
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    one = [k for k, p in enumerate(parts) if isinstance(getattr(p, "operand", p), ast.Constant)]
    if len(one) == 1 and isinstance(node.ctx, ast.Load):
        for sum_ in ("sum", "mean"):
            yield "one_row", _made(f"np.{sum_}(_e, axis={one[0]})", node.value)
