"""What may replace one node of a function's text, by the mistake it would undo."""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from itertools import permutations, product
from typing import Any

Replacement = tuple[str, ast.AST]  # the mistake, and the other node

_REDUCTIONS = {"sum", "mean", "max", "min", "prod", "var", "std", "amax", "cumsum", "argmax"}
_ALONG = _REDUCTIONS | {"concatenate", "stack", "repeat", "roll", "flip", "expand_dims", "split"}
_ALONG |= {"take", "softmax", "norm", "argmin", "any", "take_along_axis", "put_along_axis"}
_PRODUCTS = {"dot", "matmul", "einsum", "outer", "tensordot", "inner"}
_JOINS = {"concatenate", "stack", "hstack", "vstack", "array"}
_TRANSPOSITIONS = {"transpose", "swapaxes", "moveaxis"}
_AXES = ("0", "-1", "1", "2", "None", "(0, 1)", "(1, 2)", "(2, 3)", "(0, 2)", "(0, 2, 3)")


def replacements(holder: Any, field: str, node: Any) -> Iterator[Replacement]:
    """What may replace a node, by the mistake that it would undo."""
    if isinstance(node, ast.Call):
        yield from _other_axis(node)
        yield from _other_range(node)
        yield from _moved_first(node)
    if isinstance(node, ast.Call | ast.Attribute):
        yield from _transposed_less(node)
    if isinstance(node, ast.Subscript):
        yield from _other_index(node)
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        yield from _other_comparison(node)
    if isinstance(node, ast.BinOp):
        yield from _other_sign(node)
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and "->" in node.value:
        yield from _other_letters(node)
    if isinstance(node, ast.Tuple | ast.List) and _is_result(holder, field):
        yield from _other_order(node)
    if isinstance(node, ast.stmt):
        yield from _other_assignment(node)
    elif _is_term(holder, field, node):
        yield from _summed(node)
        yield from _transposed_more(node)
        yield "wrong_sign", make("-_e", _e=node)
        yield "factor", make("_k * _e", _e=node)


def make(template: str, **parts: ast.expr) -> Any:
    """The expression with nodes for names."""

    root = ast.parse(template, mode="eval")
    for node in ast.walk(root):
        for field, value in ast.iter_fields(node):
            if isinstance(value, list):
                setattr(node, field, [parts.get(getattr(v, "id", ""), v) for v in value])
            elif isinstance(value, ast.Name) and value.id in parts:
                setattr(node, field, parts[value.id])
    return root.body


def _is_term(holder: Any, field: str, node: Any) -> bool:
    """Whether it is a factor, a term, an operand of a product, or a whole result."""
    if isinstance(node, ast.Tuple | ast.List | ast.Slice | ast.Starred):
        return False
    if isinstance(holder, ast.Call):
        return field == "args" and _name(holder) in _PRODUCTS | _REDUCTIONS | {"exp", "at"}
    if isinstance(holder, ast.Tuple | ast.List):
        return not isinstance(getattr(holder, "ctx", None), ast.Store) and not _plain(node)
    return isinstance(holder, ast.BinOp | ast.UnaryOp | ast.Assign | ast.AugAssign | ast.Return)


def _plain(node: Any) -> bool:
    return isinstance(node, ast.Constant | ast.Name)


def _is_result(holder: Any, field: str) -> bool:
    if isinstance(holder, ast.Assign) and isinstance(holder.targets[0], ast.Tuple):
        names = [ast.unparse(t).split(".")[-1] for t in holder.targets[0].elts]
        return field == "value" and all(n.startswith(("d", "grad")) for n in names)
    joined = isinstance(holder, ast.Call) and _name(holder) in _JOINS
    return joined or isinstance(holder, ast.Return)


def _name(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _copied(call: ast.Call) -> ast.Call:
    return ast.Call(call.func, list(call.args), list(call.keywords))


def _is_module(call: ast.Call) -> bool:
    """Whether it is np.sum(x), not x.sum()."""
    owner = getattr(call.func, "value", None)
    return isinstance(owner, ast.Name) and owner.id in ("np", "numpy", "cp", "jnp")


def _other_axis(call: ast.Call) -> Iterator[Replacement]:
    """A reduction along another axis; a mean for a sum."""
    name = _name(call)
    given = [k for k in call.keywords if k.arg == "axis"]
    first = 1 if _is_module(call) else 0
    if name in ("repeat", "roll", "take", "split"):
        first += 1
    positional = call.args[first:] if name in _ALONG else []
    if not given and name not in _ALONG:
        return
    for axes in _AXES:
        value = ast.parse(axes, mode="eval").body
        other = _copied(call)
        if given:
            other.keywords = [ast.keyword("axis", value) if k.arg == "axis" else k
                              for k in other.keywords]  # fmt: skip
        elif positional:
            other.args[first] = value
        else:
            other.keywords.append(ast.keyword("axis", value))
        yield "wrong_axis", other
        if name in _REDUCTIONS and not any(k.arg == "keepdims" for k in call.keywords):
            kept = _copied(other)
            kept.keywords.append(ast.keyword("keepdims", ast.Constant(True)))
            yield "wrong_axis", kept
    for one, two in (("mean", "sum"), ("sum", "mean")):
        if name == one and isinstance(call.func, ast.Attribute):
            function = ast.Attribute(call.func.value, two, ast.Load())
            yield "wrong_scale", ast.Call(function, call.args, call.keywords)


def _summed(node: ast.expr) -> Iterator[Replacement]:
    """A sum that is missing."""
    for axes in _AXES:
        cause = "missing_batch_sum" if axes.startswith(("0", "(0")) else "missing_sum"
        for sum_, kept in product(("sum", "mean"), (", keepdims=True", "")):
            yield cause, make(f"np.{sum_}(_e, axis={axes}{kept})", _e=node)


def _transposed_less(node: Any) -> Iterator[Replacement]:
    """A transposition less, or another one."""
    if isinstance(node, ast.Attribute):
        if node.attr == "T":
            yield "transpose", node.value
        return
    name, axes = _name(node), list(node.args)
    if name not in _TRANSPOSITIONS | {"flip", "rot90"}:
        return
    inner = axes.pop(0) if _is_module(node) else node.func.value
    yield "transpose", inner
    whole = axes[0].elts if len(axes) == 1 and isinstance(axes[0], ast.Tuple) else axes
    for order in permutations(range(len(whole))) if 2 < len(whole) < 5 else ():
        moved = [whole[k] for k in order]
        if name == "transpose":
            yield "transpose", make("np.transpose(_e, _a)", _e=inner,
                                    _a=ast.Tuple(moved, ast.Load()))  # fmt: skip


def _transposed_more(node: ast.expr) -> Iterator[Replacement]:
    """A transposition more."""
    if isinstance(node, ast.Constant):
        return
    yield "transpose", make("_e.T", _e=node)
    yield "transpose", make("np.swapaxes(_e, -1, -2)", _e=node)
    yield "transpose", make("np.swapaxes(_e, 0, 1)", _e=node)
    if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
        for axes in ("-1", "0", "(-2, -1)", "1"):
            yield "transpose", make(f"np.flip(_e, {axes})", _e=node)


def _moved_first(call: ast.Call) -> Iterator[Replacement]:
    """Axes to exchange before an array is reshaped."""
    if _name(call) == "reshape" and isinstance(call.func, ast.Attribute) and not _is_module(call):
        for move in ("moveaxis(_e, 1, -1)", "moveaxis(_e, -1, 1)", *_PAIRS_OF_AXES):
            array = make(f"np.{move}", _e=call.func.value)
            function = ast.Attribute(array, "reshape", ast.Load())
            yield "transpose", ast.Call(function, call.args, call.keywords)


_PAIRS_OF_AXES = tuple(f"swapaxes(_e, {a}, {b})"
                       for a, b in ((0, 1), (-1, -2), (1, 2), (-2, -3), (2, 3)))  # fmt: skip


def _other_range(call: ast.Call) -> Iterator[Replacement]:
    """A loop that begins or ends one step sooner or later."""
    if _name(call) != "range":
        return
    for k in range(min(len(call.args), 2)):
        for shift in ("_e + 1", "_e - 1", "0"):
            other = _copied(call)
            other.args[k] = make(shift, _e=call.args[k])
            yield "boundary", other


def _other_index(node: ast.Subscript) -> Iterator[Replacement]:
    """Other elements of an array: axes exchanged, bounds moved, rows and labels paired."""
    index = node.slice
    if isinstance(index, ast.Tuple) and 1 < len(index.elts) < 5:
        for order in list(permutations(index.elts))[1:]:
            moved = [a for a, b in zip(index.elts, order) if a is not b]
            names = all(isinstance(e, ast.Name | ast.BinOp) for e in moved)
            other = _indexed(node, ast.Tuple(list(order), ast.Load()))
            yield ("transpose" if names else "wrong_axis"), other
        if len(index.elts) == 2 and _is_full(index.elts[0]):
            yield "wrong_axis", _indexed(node, make(_PAIRED, _i=index.elts[1]))
    elif isinstance(index, ast.Name | ast.Attribute):
        yield "wrong_axis", _indexed(node, make(_PAIRED, _i=index))
    parts = index.elts if isinstance(index, ast.Tuple) else [index]
    one = [k for k, part in enumerate(parts) if not _is_full(part)]
    if len(one) == 1 and _is_number(parts[one[0]]):
        cause = "one_entry" if one[0] else "one_row"
        for sum_ in ("sum", "mean"):
            yield cause, make(f"np.{sum_}(_e, axis={one[0]})", _e=node.value)
    for k, part in enumerate(parts):
        for cause, other in _other_bounds(part):
            elts = [*parts[:k], other, *parts[k + 1 :]]
            whole = ast.Tuple(elts, ast.Load()) if isinstance(index, ast.Tuple) else other
            yield cause, _indexed(node, whole)
    if isinstance(node.ctx, ast.Load) and isinstance(node.value, ast.Name | ast.Attribute):
        for axes in ("-1", "0", "(-2, -1)"):
            yield "transpose", _indexed(ast.Subscript(
                make(f"np.flip(_e, {axes})", _e=node.value), index, node.ctx), index)  # fmt: skip


_PAIRED = "(np.arange(len(_i)), _i)"


def _is_number(part: Any) -> bool:
    return isinstance(part.operand if isinstance(part, ast.UnaryOp) else part, ast.Constant)


def _is_full(part: Any) -> bool:
    return isinstance(part, ast.Slice) and part.lower is None and part.upper is None


def _indexed(node: ast.Subscript, index: Any) -> ast.Subscript:
    return ast.Subscript(node.value, index, node.ctx)


def _other_bounds(part: Any) -> Iterator[tuple[str, Any]]:
    """A slice with one bound less, moved by one, at the other end, or reversed."""
    if not isinstance(part, ast.Slice):
        return
    if isinstance(part.step, ast.UnaryOp):
        yield "transpose", ast.Slice(part.lower, part.upper)
    if part.lower is None and part.upper is not None:
        yield "boundary", ast.Slice(make("-_e", _e=part.upper), None)
    elif part.upper is None and isinstance(part.lower, ast.UnaryOp):
        yield "boundary", ast.Slice(None, part.lower.operand)
    for side in ("lower", "upper"):
        bound = getattr(part, side)
        nearby = () if bound is None else ("_e + 1", "_e - 1")
        for other in (None, *(make(text, _e=bound) for text in nearby)):
            moved = copy.copy(part)
            setattr(moved, side, other)
            yield "boundary", moved


def _other_comparison(node: ast.Compare) -> Iterator[Replacement]:
    """With equality, or without."""
    pairs: dict[type, type] = {ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Lt: ast.LtE, ast.LtE: ast.Lt}
    other = pairs.get(type(node.ops[0]))
    if other is not None:
        yield "boundary", ast.Compare(node.left, [other()], node.comparators)


def _other_sign(node: ast.BinOp) -> Iterator[Replacement]:
    if isinstance(node.op, ast.Add | ast.Sub):
        other = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
        yield "wrong_sign", ast.BinOp(node.left, other, node.right)


def _other_letters(node: ast.Constant) -> Iterator[Replacement]:
    """An einsum in which two letters of one array are exchanged, or another axis is left."""
    left, _, right = str(node.value).partition("->")
    arrays = left.split(",")
    for k, letters in enumerate([*arrays, right]):
        for a in range(len(letters)):
            for b in range(a + 1, len(letters)):
                swapped = list(letters)
                swapped[a], swapped[b] = swapped[b], swapped[a]
                whole = [*arrays, right]
                whole[k] = "".join(swapped)
                yield "transpose", ast.Constant(",".join(whole[:-1]) + "->" + whole[-1])
    spare = sorted(set(left) - set(right) - {",", " ", "."})
    for k in range(len(right)):
        for letter in spare:
            yield "wrong_axis", ast.Constant(f"{left}->{right[:k]}{letter}{right[k + 1 :]}")


def _other_order(node: Any) -> Iterator[Replacement]:
    if 1 < len(node.elts) < 5:
        for order in list(permutations(node.elts))[1:]:
            yield "swapped_outputs", type(node)(list(order), node.ctx)


_TARGETS = (ast.Subscript, ast.Attribute)


def _other_assignment(node: ast.stmt) -> Iterator[Replacement]:
    """Set instead of added to, and the reverse."""
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add):
        yield "accumulates", ast.Assign([node.target], node.value, lineno=node.lineno)
    elif isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Sub):
        yield "wrong_sign", ast.AugAssign(node.target, ast.Add(), node.value)
    elif isinstance(node, ast.Assign) and isinstance(node.targets[0], _TARGETS):
        yield "missing_term", ast.AugAssign(node.targets[0], ast.Add(), node.value)
