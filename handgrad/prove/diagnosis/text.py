"""Mutations: small changes to a function's text, each by the mistake that it would undo."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from handgrad.prove.diagnosis.rules import replacements

# What is tried later, since there is more of it.
_ORDER = {"wrong_sign": 1, "factor": 2, "transpose": 3, "missing_sum": 4, "missing_batch_sum": 4}


@dataclass
class Mutation:
    """One node of a tree, what may stand in its place, and the mistake that this would undo.

    Beside the usual causes there are "missing_sum", "one_row" and "one_entry" of what has to be
    summed, and "factor": the replacement is then `_k * node`, with a number `_k` still to find.
    """

    cause: str
    holder: Any
    field: str
    index: int | None  # in a list of nodes
    new: Any
    statement: ast.stmt

    @property
    def unknown(self) -> bool:
        return self.cause == "factor"

    @property
    def on_constant(self) -> bool:
        """Whether a number in the text is multiplied."""
        return self.unknown and isinstance(self.new.right, ast.Constant)

    @property
    def is_whole(self) -> bool:
        """Whether the whole value of its statement is multiplied with it."""
        value = getattr(self.statement, "value", None)
        return any(node is self.held for node in _factors(value))

    @property
    def on_summand(self) -> bool:
        """Whether that number is added to something."""
        adds = isinstance(self.holder, ast.BinOp) and isinstance(self.holder.op, ast.Add | ast.Sub)
        return self.on_constant and adds

    @property
    def held(self) -> Any:
        """The node that stands there now."""
        found = getattr(self.holder, self.field)
        return found if self.index is None else found[self.index]

    def swap(self) -> None:
        """Put the other node in; again, to take it out."""
        held = self.held
        if self.index is None:
            setattr(self.holder, self.field, self.new)
        else:
            getattr(self.holder, self.field)[self.index] = self.new
        self.new = held


def mutations(function: ast.AST) -> list[Mutation]:
    """Every mutation worth trying, the most telling first."""
    found = [mutation for spot in _spots(function, None) for mutation in _mutations(*spot)]
    return sorted(found, key=lambda m: (_ORDER.get(m.cause, 0), not m.on_constant))


def _factors(value: Any) -> Iterator[Any]:
    """An expression and, where it is a product, what is multiplied in it."""
    yield value
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult | ast.Div | ast.MatMult):
        yield from _factors(value.left)
        yield from _factors(value.right)
    elif isinstance(value, ast.UnaryOp):
        yield from _factors(value.operand)


Spot = tuple[Any, str, int | None, Any, Any]  # holder, field, index, node, statement


def _spots(node: ast.AST, statement: Any) -> Iterator[Spot]:
    """Every node below, with where it hangs and the statement that it is in."""
    for field, value in ast.iter_fields(node):
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.While | ast.Slice):
                continue  # the one might never end, the other is changed as a whole
            if isinstance(child, ast.expr | ast.stmt):
                inside = child if isinstance(child, ast.stmt) else statement
                yield node, field, index, child, inside
                if not isinstance(child, ast.Compare):
                    yield from _spots(child, inside)


def _mutations(holder: Any, field: str, index: int | None, node: Any, statement: Any):
    if statement is None or field in ("targets", "target", "func", "decorator_list"):
        return
    for cause, new in replacements(holder, field, node):
        yield Mutation(cause, holder, field, index, new, statement)
