"""The mistakes that a program can make: each rule names nodes of a layer and what to write there.

A rule looks at the syntax tree of a class and yields (node, text to put in its place), so that
a mutant reads like the layer it was made from.
"""

import ast
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .source import Source


@dataclass(frozen=True)
class Rule:
    """One way to be wrong: what it is called, what causes it is known by, where it applies."""

    name: str
    causes: tuple[str, ...]
    sites: Callable[[Source], Iterator[tuple[ast.AST, str]]]


def _each_gradient(template, inputs=True, parameters=True):
    """A rule for whole gradients: `template` may use {e} expression, {d} upstream, {n} name."""

    def sites(source):
        found = [("dx", e) for e in source.results()] if inputs else []
        found += source.parameters() if parameters else []
        for name, node in found:
            yield node, template.format(e=source.of(node), d=source.upstream, n=name)

    return sites


def _at_start(template):
    """A rule that puts a statement before the first one of backward."""

    def sites(source):
        first = source.backward.body[0]
        indent = " " * first.col_offset
        yield first, template.format(d=source.upstream) + f"\n{indent}" + source.of(first)

    return sites


def _overwritten_input(source):
    kept = [name for name, node in source.states() if source.of(node.value) in source.arguments]
    for name in kept:
        for node in source.results():
            yield node, f"np.copyto(self.{name}, {source.of(node)}) or self.{name}"


def _each_state(template):
    def sites(source):
        for name, node in source.states():
            yield node, template.format(n=name, e=source.of(node.value))

    return sites


def _old_weights(source):
    for node in source.inside(ast.Attribute):
        if node.attr in source.constructed and isinstance(node.ctx, ast.Load):
            yield node, f'self.__dict__.setdefault("old_{node.attr}", self.{node.attr} * 1)'


def _reused_output(source):
    for node in ast.walk(source.forward):
        if isinstance(node, ast.Return) and not isinstance(node.value, ast.Tuple):
            e = source.of(node.value)
            yield (
                node,
                f"out = {e}\n        "
                'self.kept = self.__dict__.get("kept", np.zeros_like(out))\n        '
                "np.copyto(self.kept, out)\n        return self.kept",
            )


def _dropped(source):
    for node in source.inside(ast.BinOp):
        if isinstance(node.op, (ast.Add, ast.Sub, ast.Mult, ast.Div)):
            yield node, f"({source.of(node.left)})"
            if isinstance(node.op, (ast.Add, ast.Mult)):
                yield node, f"({source.of(node.right)})"


def _dropped_term(source):
    for node in source.inside(ast.BinOp):
        if isinstance(node.op, (ast.Add, ast.Sub)):
            yield node, f"({source.of(node.left)})"


def _flipped_term(source):
    for node in source.inside(ast.BinOp):
        if isinstance(node.op, (ast.Add, ast.Sub)):
            sign = "-" if isinstance(node.op, ast.Add) else "+"
            yield node, f"({source.of(node.left)} {sign} {source.of(node.right)})"


def _other_constant(source):
    for node in source.inside(ast.BinOp):
        for side in (node.left, node.right):
            if isinstance(side, ast.Constant):
                yield side, repr(side.value * 1.001)


def _unmasked(source):
    for node in source.inside(ast.Call):
        if source.of(node.func) == "np.where":
            yield node, f"({source.of(node.args[1])})"


def _sums(source):
    """(call, what is summed, the axis as text) of each sum over named axes."""
    for node in source.inside(ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("sum", "mean"):
            method = source.of(node.func.value) != "np"
            axes = [k for k in node.keywords if k.arg == "axis"]
            if axes:
                yield node, source.of(node.func.value if method else node.args[0]), axes[0]


def _batch_sums(source):
    for node, summed, axis in _sums(source):
        if source.of(axis.value) in ("0", "(0, 2, 3)"):
            yield node, summed


def _first_row(source):
    return ((node, f"({summed})[0]") for node, summed in _batch_sums(source))


def _no_sum(source):
    return ((node, f"({summed})") for node, summed in _batch_sums(source))


def _mean_for_sum(source):
    for node in source.inside(ast.Attribute):
        if node.attr == "sum":
            yield node, f"{source.of(node.value)}.mean"


OTHER_AXES = {"0": ("1", "None"), "1": ("0", "None"), "-1": ("0",), "2": ("1",)}


def _other_axis(source):
    for _, _, axis in _sums(source):
        for other in OTHER_AXES.get(source.of(axis.value), ("0",)):
            yield axis.value, other


def _untransposed(source):
    for node in source.inside(ast.Attribute):
        if node.attr == "T":
            yield node, f"({source.of(node.value)})"


def _reshaped(source):
    for node in source.inside((ast.Attribute, ast.Call)):
        called = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if called and node.func.attr in ("transpose", "swapaxes"):
            yield node, f"{source.of(node.func.value)}.reshape({source.of(node)}.shape)"
        elif isinstance(node, ast.Attribute) and node.attr == "T":
            yield node, f"{source.of(node.value)}.reshape({source.of(node)}.shape)"


def _transposed(source):
    products = [*source.results(), *(e for _, e in source.parameters())]
    for node in products:
        if "@" in source.of(node) or "np.dot" in source.of(node):
            yield node, f"({source.of(node)}).T"


def _swapped_results(source):
    for node in source.inside(ast.Return):
        if isinstance(node.value, ast.Tuple):
            first, second, *rest = map(source.of, node.value.elts)
            yield node.value, ", ".join([second, first, *rest])


def _swapped_parameters(source):
    found = list(source.parameters())
    for (one, a), (two, b) in itertools.pairwise(found):
        inside = f"self.{one}, self.{two} = self.{two}, self.{one}"
        for node in source.inside(ast.Return):
            if a is not b and node.value is not None:
                yield node, f"{inside}\n        {source.of(node)}"


def _indexed_add(source):
    for node in source.inside(ast.Call):
        if source.of(node.func) == "np.add.at":
            table, index, value = map(source.of, node.args)
            yield node, f"{table}[{index}] += {value}"


def _assigned(source):
    for node in source.inside(ast.AugAssign):
        yield node, f"{source.of(node.target)} = {source.of(node.value)}"


def _short_loop(source):
    for node in source.inside(ast.Call):
        if source.of(node.func) == "range":
            yield node, f"range({source.of(node.args[0])} - 1)"
            yield node, f"range(1, {source.of(node.args[0])})"


def _not_unbroadcast(source):
    for node in source.inside(ast.Call):
        if source.of(node.func) == "unbroadcast":
            yield node, f"({source.of(node.args[0])})"


POSITIONS = "np.arange(np.size({{e}})).reshape(np.shape({{e}}))"
SPOILED = f"np.where({POSITIONS} == {{k}}, {{by}} * ({{{{e}}}}), {{{{e}}}})"

RULES = (
    Rule("negated", ("wrong_sign",), _each_gradient("-({e})")),
    Rule("twice", ("wrong_scale",), _each_gradient("2 * ({e})")),
    Rule("half", ("wrong_scale",), _each_gradient("({e}) / 2")),
    Rule("off by a thousandth", ("wrong_scale",), _each_gradient("1.001 * ({e})")),
    Rule("over the batch", ("wrong_scale",), _each_gradient("({e}) / len({d})")),
    Rule("times the batch", ("wrong_scale",), _each_gradient("({e}) * len({d})")),
    Rule("zero", ("missing_param_grad",), _each_gradient("0 * ({e})", inputs=False)),
    Rule("never set", ("missing_param_grad",), _each_gradient("None", inputs=False)),
    Rule(
        "set once",
        ("missing_param_grad",),
        _each_gradient("({e}) if self.{n} is None else self.{n}", inputs=False),
    ),
    Rule(
        "added",
        ("accumulates",),
        _each_gradient("({e}) + (0 if self.{n} is None else self.{n})", inputs=False),
    ),
    Rule("an axis too many", ("shape",), _each_gradient("np.asarray({e})[None]")),
    Rule("flat", ("shape",), _each_gradient("np.ravel({e})")),
    Rule("single precision", ("dtype",), _each_gradient("({e}).astype(np.float32)")),
    Rule(
        "noisy",
        ("nondeterministic",),
        _each_gradient("({e}) * np.random.uniform(0.9, 1.1, np.shape({e}))"),
    ),
    Rule(
        "last entry",
        ("boundary", "wrong_formula"),
        _each_gradient(SPOILED.format(k="np.size({e}) - 1", by=0)),
    ),
    Rule(
        "one entry",
        ("wrong_formula", "boundary", "wrong_scale"),
        _each_gradient(SPOILED.format(k=1, by=1.1)),
    ),
    Rule(
        "writes dout",
        ("inplace_dout",),
        _each_gradient("np.copyto({d}, {e}) or {d}", parameters=False),
    ),
    Rule("writes x", ("inplace_input",), _overwritten_input),
    Rule(
        "one buffer",
        ("aliasing",),
        _each_gradient(
            'np.copyto(self.__dict__.setdefault("kept", np.zeros_like({e})), {e}) or self.kept',
            parameters=False,
        ),
    ),
    Rule("one buffer for the output", ("aliasing",), _reused_output),
    Rule("dout of ones", ("upstream_ignored",), _at_start("{d} = np.ones_like({d})")),
    Rule("sign of dout", ("upstream_ignored",), _at_start("{d} = np.sign({d})")),
    Rule("size of dout", ("upstream_ignored",), _at_start("{d} = abs({d})")),
    Rule(
        "dout as a number",
        ("upstream_ignored", "wrong_formula"),
        _at_start("{d} = np.ones_like({d}) * {d}.flat[0]"),
    ),
    Rule(
        "memory order",
        ("layout",),
        _at_start('{d} = np.ravel({d}, order="K").reshape(np.shape({d}))'),
    ),
    Rule("first call", ("stale_state",), _each_state('self.{n} = self.__dict__.get("{n}", {e})')),
    Rule("all instances", ("stale_state",), _each_state("type(self).{n} = {e}")),
    Rule(
        "one call late",
        ("stale_state",),
        _each_state('self.{n}, self.next_{n} = self.__dict__.get("next_{n}", {e}), {e}'),
    ),
    Rule("old weights", ("stale_state",), _old_weights),
    Rule("dropped factor or term", ("wrong_formula", "wrong_scale", "wrong_sign"), _dropped),
    Rule("dropped term", ("missing_term", "wrong_scale", "wrong_sign"), _dropped_term),
    Rule("sign of a term", ("wrong_formula", "wrong_sign"), _flipped_term),
    Rule("constant", ("wrong_formula", "wrong_scale"), _other_constant),
    Rule("no mask", ("wrong_formula", "wrong_scale"), _unmasked),
    Rule("first row", ("missing_batch_sum",), _first_row),
    Rule("no sum", ("missing_batch_sum", "shape"), _no_sum),
    Rule("mean for sum", ("wrong_axis", "wrong_scale", "wrong_formula"), _mean_for_sum),
    Rule("other axis", ("wrong_axis", "shape", "wrong_formula"), _other_axis),
    Rule("not transposed", ("transpose", "wrong_formula"), _untransposed),
    Rule("reshaped", ("transpose", "wrong_formula"), _reshaped),
    Rule("transposed", ("transpose",), _transposed),
    Rule("swapped", ("swapped_outputs", "wrong_sign"), _swapped_results),  # of y - t: the same
    Rule("swapped parameters", ("swapped_outputs",), _swapped_parameters),
    Rule("index without add.at", ("wrong_formula", "boundary", "missing_batch_sum"), _indexed_add),
    Rule("assigned for added", ("wrong_formula", "boundary", "missing_batch_sum"), _assigned),
    Rule("a step short", ("boundary", "wrong_formula"), _short_loop),
    Rule("not unbroadcast", ("broadcasting", "shape", "missing_batch_sum"), _not_unbroadcast),
)
