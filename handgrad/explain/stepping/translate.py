"""Translate: the code of somebody's own layer as data that the page can run, where it is simple.

What is understood: assignments, `if`, `for … in range(…)`, `return`; arithmetic, comparisons,
indexing; NumPy's usual functions and methods; methods of the layer and functions of its file.
Anything else, and the layer is not computed by the page. An expression becomes a list that begins
with its kind: ["+", a, b], ["name", "x"], ["self", "mask"], ["np", "exp", [arguments], {named}].
"""

from __future__ import annotations

import ast
import inspect
import math
import re
import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.explain.stepping.arrays import encoded
from handgrad.layer import parameter_names
from handgrad.layers import Loss

BINARY = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**", ast.MatMult: "@",
    ast.FloorDiv: "//", ast.Mod: "%", ast.BitAnd: "&", ast.BitOr: "|",
}  # fmt: skip
COMPARED = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
    ast.Is: "is", ast.IsNot: "is not",
}  # fmt: skip
UNARY = {ast.USub: "neg", ast.UAdd: "pos", ast.Not: "not", ast.Invert: "~"}
NUMPY = {
    "abs", "absolute", "add", "all", "any", "arange", "argmax", "clip", "copy", "cos", "divide",
    "dot", "exp", "expm1", "fabs", "log", "log1p", "logical_not", "matmul", "max", "maximum",
    "mean", "min", "minimum", "multiply", "ones_like", "power", "reshape", "sign", "sin", "sqrt",
    "square",
    "subtract", "sum", "tanh", "transpose", "where", "zeros_like", "array", "asarray", "ones",
    "zeros",
}  # fmt: skip
METHODS = {
    "all", "any", "argmax", "astype", "clip", "copy", "dot", "flatten", "max", "mean", "min",
    "ravel", "reshape", "sum", "transpose",
}  # fmt: skip
OURS = {"sigmoid", "softplus"}  # functions of handgrad
ATTRIBUTES = {"T", "shape", "size", "ndim"}
REAL = re.compile(r"(np\.)?float(32|64)?|[\w.]+\.dtype")  # types that keep a number as it is
FIXED = re.compile(r"\.(shape|ndim|dtype)\b")
BUILT_IN = {"len", "float", "int", "abs", "max", "min"}
CONSTANTS: dict[str, list[Any]] = {
    "pi": ["number", np.pi], "e": ["number", np.e], "inf": ["inf"], "newaxis": ["none"],
}  # fmt: skip


class NotSimple(Exception):
    """The code does something that the page cannot."""


def translated(layer: Any) -> dict[str, Any] | None:
    """What the page needs to run a layer's own forward and backward; None where it cannot."""
    cls: Any = type(layer)
    functions: dict[str, Any] = {}
    try:
        for name in ("forward", "backward"):
            _enter(functions, name, cls, getattr(cls, name))
        held: dict[str, Any] = {}
        for owner in (*(vars(base) for base in reversed(cls.__mro__)), vars(layer)):
            held |= {n: v for n, v in owner.items() if not n.startswith("__") and _plain(v)}
        learned = parameter_names(layer)
        state = {name: _state(value) for name, value in held.items() if name not in learned}
    except NotSimple:
        return None
    return {"functions": functions, "state": state, "params": list(learned)}


def _plain(value: Any) -> bool:
    real = isinstance(value, np.ndarray) and value.dtype.kind in "fiub"
    return real or value is None or isinstance(value, bool | int | float | str | np.number)


def _state(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return encoded(value)
    return value.item() if isinstance(value, np.number) else value


def _enter(functions: dict[str, Any], key: str, cls: Any, function: Callable[..., Any]) -> None:
    """A function by its key, and those that it calls. cls: of which it is a method, or None."""
    if key in functions:
        return
    try:
        source = textwrap.dedent(inspect.getsource(function))
        node = ast.parse(source).body[0]
    except (OSError, SyntaxError, TypeError):
        raise NotSimple(key) from None
    if not isinstance(node, ast.FunctionDef) or node.decorator_list:
        raise NotSimple(key)
    given = node.args
    if given.vararg or given.kwarg or given.kwonlyargs or given.posonlyargs:
        raise NotSimple(key)
    names = [argument.arg for argument in given.args]
    functions[key] = None  # entered before its body: it may call itself
    code = Code(functions, function, cls, names[:1] if cls else [])
    functions[key] = {
        "names": names[1:] if cls else names,
        "defaults": [code.expression(default) for default in given.defaults],
        "body": code.block(node.body),
    }


class Code:
    """The translation of one function's body."""

    def __init__(self, functions: dict[str, Any], function: Any, cls: Any, me: list[str]):
        self.functions, self.function, self.cls, self.me = functions, function, cls, me
        self.around = function.__globals__
        self.numpy: set[str] = set()  # variables that are NumPy itself
        self.views: set[str] = set()  # variables that may share memory with another

    def block(self, body: list[ast.stmt]) -> list[Any]:
        """Statements, one after the other."""
        return [found for statement in body if (found := self.statement(statement))]

    def statement(self, node: ast.stmt) -> list[Any] | None:
        match node:
            case ast.Expr(value=ast.Constant()) | ast.Pass():
                return None
            case ast.Expr(value=ast.Call(func=ast.Name(id=name))) if self.is_ours(name, "require_"):
                return None  # a check of arguments, which they passed in Python
            case ast.Assign(targets=[ast.Name(id=xp)], value=ast.Call(func=ast.Name(id=name))) if (
                self.is_ours(name, "array_module")
            ):
                self.numpy.add(xp)
                return None
            case ast.With(items=[ast.withitem(context_expr=ast.Call(func=ast.Attribute(
                attr="errstate")))]):  # fmt: skip
                return ["if", ["number", True], self.block(node.body), []]
            case ast.Assign(value=ast.Attribute(attr="__name__")):
                return None  # for messages
            case ast.Assign(targets=[target]):
                value = self.expression(node.value)
                self.bind(target, value)
                return ["set", self.target(target), value]
            case ast.AugAssign():
                self.keep_apart(node.target)
                value = [BINARY[type(node.op)], self.expression(_loaded(node.target)),
                         self.expression(node.value)]  # fmt: skip
                return ["into", self.target(node.target), value]
            case ast.Return():
                return ["return", ["none"] if node.value is None else self.expression(node.value)]
            case ast.Raise():
                return ["raise"]
            case ast.If() if isinstance(node.body[-1], ast.Raise) and FIXED.search(
                ast.unparse(node.test)
            ):
                return None  # shapes and types stay as they were in Python
            case ast.If():
                test = self.expression(node.test)
                return ["if", test, self.block(node.body), self.block(node.orelse)]
            case ast.For(target=ast.Name(id=name), iter=ast.Call(func=ast.Name(id="range"))):
                if node.orelse:
                    raise NotSimple(ast.dump(node))
                limits = [self.expression(a) for a in node.iter.args]  # type: ignore[attr-defined]
                return ["for", name, limits, self.block(node.body)]
        raise NotSimple(type(node).__name__)

    def bind(self, target: ast.expr, value: list[Any]) -> None:
        """Keep in mind whether a variable is a view, which NumPy would change with its base."""
        if isinstance(target, ast.Subscript):
            return self.keep_apart(target)
        view = value[0] in ("index", "of") or value[1:2] == ["asarray"] or any(
            part in ("reshape", "transpose", "ravel") for part in value if isinstance(part, str)
        )  # fmt: skip
        (self.views.add if view else self.views.discard)(ast.unparse(target))

    def keep_apart(self, target: ast.expr) -> None:
        """Raise NotSimple for a view that is written into."""
        base = target.value if isinstance(target, ast.Subscript) else target
        if ast.unparse(base) in self.views:
            raise NotSimple("a view is changed")

    def target(self, node: ast.expr) -> list[Any]:
        """Where an assignment puts its value."""
        match node:
            case ast.Name(id=name):
                return ["name", name]
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if [name] == self.me:
                return ["self", attribute]
            case ast.Subscript():
                return ["at", self.target(node.value), self.index(node.slice)]
            case ast.Tuple():
                return ["tuple", *[self.target(part) for part in node.elts]]
        raise NotSimple(ast.dump(node))

    def index(self, node: ast.expr) -> list[Any]:
        """The parts of an index."""
        parts = node.elts if isinstance(node, ast.Tuple) else [node]
        return [
            ["slice", *[None if p is None else self.expression(p)
                        for p in (part.lower, part.upper, part.step)]]
            if isinstance(part, ast.Slice) else self.expression(part)
            for part in parts
        ]  # fmt: skip

    def expression(self, node: ast.expr) -> list[Any]:
        match node:
            case ast.Constant(value=value) if value is None:
                return ["none"]
            case ast.Constant(value=bool() | int() | float() | str()):
                return ["number" if not isinstance(node.value, str) else "text", node.value]
            case ast.Name():
                return self.name(node.id)
            case ast.Attribute():
                return self.attribute(node)
            case ast.BinOp() if type(node.op) in BINARY:
                return [BINARY[type(node.op)], self.expression(node.left),
                        self.expression(node.right)]  # fmt: skip
            case ast.UnaryOp():
                return [UNARY[type(node.op)], self.expression(node.operand)]
            case ast.Compare(ops=[op], comparators=[right]):
                if type(op) not in COMPARED:
                    raise NotSimple(ast.dump(op))
                return [COMPARED[type(op)], self.expression(node.left), self.expression(right)]
            case ast.Compare():  # a < b < c
                sides = [node.left, *node.comparators]
                pairs = [ast.Compare(a, [op], [b]) for a, op, b in zip(sides, node.ops, sides[1:])]
                return ["and", *[self.expression(pair) for pair in pairs]]
            case ast.BoolOp():
                kind = "and" if isinstance(node.op, ast.And) else "or"
                return [kind, *[self.expression(value) for value in node.values]]
            case ast.IfExp():
                return ["?", *[self.expression(p) for p in (node.test, node.body, node.orelse)]]
            case ast.Subscript():
                return ["index", self.expression(node.value), self.index(node.slice)]
            case ast.Tuple() | ast.List():
                return ["tuple", *[self.expression(part) for part in node.elts]]
            case ast.Call():
                return self.call(node)
        raise NotSimple(ast.dump(node))

    def name(self, name: str) -> list[Any]:
        """A local variable, or a number of the file."""
        code = self.function.__code__
        if [name] == self.me:
            return ["none"]  # to a function that needs it for messages alone
        if name in code.co_varnames:
            return ["name", name]
        value = self.around.get(name)
        if value == math.inf:
            return ["inf"]
        if isinstance(value, bool | int | float):
            return ["number", value]
        raise NotSimple(name)

    def attribute(self, node: ast.Attribute) -> list[Any]:
        if isinstance(node.value, ast.Name) and [node.value.id] == self.me:
            return ["self", node.attr]
        if self.is_numpy(node.value):
            if node.attr not in CONSTANTS:
                raise NotSimple(node.attr)
            return CONSTANTS[node.attr]
        if node.attr not in ATTRIBUTES:
            raise NotSimple(node.attr)
        return ["of", self.expression(node.value), node.attr]

    def is_numpy(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            return self.is_ours(node.func.id, "array_module")
        return isinstance(node, ast.Name) and (
            node.id in self.numpy or self.around.get(node.id) is np
        )

    def is_ours(self, name: str, begin: str) -> bool:
        """Whether a name is a function of handgrad that is called so."""
        home = getattr(self.around.get(name), "__module__", "")
        return name.startswith(begin) and home.startswith("handgrad.")

    def call(self, node: ast.Call) -> list[Any]:
        """A function of NumPy, a method of an array or of the layer, or a function of the file."""
        shaping = getattr(node.func, "attr", "") in ("reshape", "transpose")
        given = [a.value if isinstance(a, ast.Starred) and shaping else a for a in node.args]
        types = [k.value for k in node.keywords if k.arg == "dtype"]
        function = node.func
        cast = isinstance(function, ast.Attribute) and function.attr == "astype"
        types += node.args[:1] if cast else []
        if not all(REAL.fullmatch(ast.unparse(kind)) for kind in types):
            raise NotSimple("another type")
        named = {k.arg: self.expression(k.value) for k in node.keywords
                 if k.arg and k.arg != "dtype"}  # fmt: skip
        if isinstance(function, ast.Attribute) and cast:
            return ["method", self.expression(function.value), "copy", [], {}]
        if isinstance(function, ast.Attribute) and self.is_numpy(function.value):
            if function.attr not in NUMPY or set(named) - {"axis", "keepdims"}:
                raise NotSimple(function.attr)
            return ["np", function.attr, [self.expression(a) for a in given], named]
        if isinstance(function, ast.Name) and self.is_ours(function.id, "as_float"):
            return self.expression(given[0])
        arguments = [self.expression(a) for a in given]
        match function:
            case ast.Name(id=name) if name in OURS and self.is_ours(name, name):
                return ["np", name, arguments, named]
            case ast.Name(id="prod") if self.around.get("prod") is math.prod:
                return ["built", "prod", arguments]
            case ast.Attribute(value=ast.Name(id=name), attr=attribute) if (
                self.me == [name] and not named
            ):
                return self.own_method(attribute, arguments)
            case ast.Attribute(attr=attribute) if attribute in METHODS:
                return ["method", self.expression(function.value), attribute, arguments, named]
            case ast.Name(id=name) if inspect.isfunction(self.around.get(name)) and not named:
                _enter(self.functions, f"{name}()", None, self.around[name])
                return ["call", f"{name}()", arguments]
            case ast.Name(id=name) if name in BUILT_IN and name not in self.around:
                return ["built", name, arguments]
        raise NotSimple(ast.dump(function))

    def own_method(self, name: str, arguments: list[Any]) -> list[Any]:
        """A method of the layer's class."""
        method = getattr(self.cls, name, None)
        if method is Loss.weigh:
            return ["weigh", arguments]
        if not inspect.isfunction(method):
            raise NotSimple(name)
        _enter(self.functions, name, self.cls, method)
        return ["call", name, arguments]


def _loaded(target: Any) -> ast.expr:
    """The target of an augmented assignment as an expression."""
    return ast.parse(ast.unparse(target), mode="eval").body
