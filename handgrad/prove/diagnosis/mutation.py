"""Mutations of the text of backward: which one makes it right?

If one does, the mistake is the one that it undoes. It is tried on copies, in memory; a
mutation that fits the sample has to fit other inputs too.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
import types
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.diagnosis.factor import lengths, named
from handgrad.prove.diagnosis.hypothesis import Hypothesis
from handgrad.prove.diagnosis.text import Mutation, mutations
from handgrad.prove.subject.adapt import Pair, Subject
from handgrad.prove.subject.sandbox import SubjectError
from handgrad.prove.verdict.evidence import Finding
from handgrad.prove.verdict.inputs import nearby
from handgrad.prove.verdict.trial import fresh

_MUTATION = 1500.0  # effort of making a changed text ready to run


def undone_by_mutation(hypotheses: list[Hypothesis]) -> Iterator[Finding]:
    """The first mutation after which every gradient is right."""
    case = hypotheses[0].case
    text = _Text.of(case.subject)
    if text is None or case.large or case.mutation_effort <= 0:
        return
    sandbox, written = case.subject.sandbox, list(case.writes)
    limit = sandbox.spent + case.mutation_effort
    harness = _Harness(hypotheses, text)
    for mutation in mutations(text.tree):
        _locate(mutation)
        if sandbox.spent > limit:
            break
        sandbox.spent += _MUTATION
        factor = harness.fit(mutation)
        if factor is not None and harness.holds(mutation, factor):
            before = ast.unparse(mutation.statement).splitlines()[0]
            worst = hypotheses[0]
            sentence = f"with `{_after(mutation, factor)}` in place of `{before}` it is right"
            line = f"{text.file}:{text.first + mutation.statement.lineno - 1}: {before}"
            cause = _cause(mutation, factor, worst)
            yield replace(worst.finding(cause, sentence), line=line)
            break
    case.mutation_effort = limit - sandbox.spent
    case.writes[:] = written  # what changed texts write is not the subject's doing


def _locate(mutation: Mutation) -> None:
    """Give new nodes the line numbers of the old: a tree without them cannot be compiled."""
    for node in ast.walk(mutation.new):
        if not hasattr(node, "lineno"):
            ast.copy_location(node, mutation.held)


def _after(mutation: Mutation, factor: float) -> str:
    """The statement with the mutation."""
    mutation.swap()
    now = mutation.held
    statement = now if isinstance(now, ast.stmt) else mutation.statement
    text = ast.unparse(ast.fix_missing_locations(statement)).splitlines()[0]
    mutation.swap()
    return text.replace("_k", f"{factor:.6g}")


def _cause(mutation: Mutation, factor: float, hypothesis: Hypothesis) -> str:
    """The mistake that the mutation undoes.

    A factor of one term makes it another formula, unless the factor is a plain one: 2, a length.
    """
    if mutation.cause == "one_row":
        return "missing_batch_sum"
    if mutation.cause in ("missing_sum", "one_entry"):
        return "missing_batch_sum" if hypothesis.serves_batch else "missing_term"
    if not mutation.unknown:
        return mutation.cause
    if abs(factor + 1) < 1e-4:
        return "wrong_sign"
    plain = mutation.is_whole or abs(factor - 2) < 1e-4 or "(" in named(factor, lengths(hypothesis))
    return "wrong_scale" if plain and not mutation.on_summand else "wrong_formula"


class _Text:
    """The text of backward, and how to make a function of it again."""

    def __init__(self, function: Any, tree: ast.Module, first: int):
        self.function, self.tree, self.first = function, tree, first
        self.file = inspect.getsourcefile(function) or ""
        self.module = self._wrapped()

    @classmethod
    def of(cls, subject: Subject) -> _Text | None:
        function = _function(subject.thing)
        try:
            lines, first = inspect.getsourcelines(function)
            tree = ast.parse(textwrap.dedent("".join(lines)))
        except (OSError, TypeError, SyntaxError):
            return None
        plain = isinstance(function, types.FunctionType) and len(tree.body) == 1
        if not plain or not isinstance(tree.body[0], ast.FunctionDef):
            return None
        tree.body[0].decorator_list = []
        return cls(function, tree, first)

    def _wrapped(self) -> ast.Module:
        """The text inside a function that has its free variables."""
        free = [ast.arg(n) for n in self.function.__code__.co_freevars]
        result = ast.Return(ast.Name(self.function.__name__, ast.Load()))
        given = ast.arguments([], free, None, [], [], None, [])
        outer = ast.FunctionDef("_outer", given, [*self.tree.body, result], [])
        return ast.fix_missing_locations(ast.Module([outer], []))

    def made(self, owner: Any, factor: float) -> Callable | None:
        """backward as the text now is, for a copy of the subject."""
        like = _function(owner)
        scope = {"np": np, **like.__globals__, "_k": factor}
        try:
            exec(compile(self.module, self.file, "exec"), scope)  # its own text, but for one node
            made = scope["_outer"](*[None] * len(like.__code__.co_freevars))
        except (SyntaxError, ValueError, TypeError):
            return None
        cells = dict(zip(like.__code__.co_freevars, like.__closure__ or ()))
        closure = tuple(cells[n] for n in made.__code__.co_freevars)
        clone = types.FunctionType(made.__code__, scope, like.__name__, like.__defaults__, closure)
        clone.__kwdefaults__ = like.__kwdefaults__
        return clone


def _function(thing: Any) -> Any:
    if isinstance(thing, Pair):
        return thing.backward_function
    return inspect.unwrap(getattr(type(thing), "backward", None) or thing.backward)


class _Harness:
    """Where a mutation is tried: the trial that went wrong, from after its forward."""

    def __init__(self, hypotheses: list[Hypothesis], text: _Text):
        self.hypotheses, self.text, self.case = hypotheses, text, hypotheses[0].case
        base = hypotheses[0].base
        self.upstream, self.inputs = base.run.upstream, base.run.inputs
        self.ready = self.case.subject.copy()
        self.case.forward(self.ready, [fresh(x) for x in self.inputs])
        self.elsewhere = hypotheses[0].elsewhere
        self.wrong = {c.name: c for c in hypotheses}
        self.right = {n: g for n, g in base.run.gradients.items()
                      if n in self.case.wanted and n not in self.wrong}  # fmt: skip

    def fit(self, mutation: Mutation) -> float | None:
        """The factor with which the mutation makes every gradient right; 1.0 for one without."""
        if not mutation.unknown:
            return 1.0 if self._right(self._given(mutation, 1.0)) else None
        doubled = self._given(mutation, 2.0)
        hypothesis = self.hypotheses[0]
        if doubled is None or doubled[hypothesis.name] is None or hypothesis.mismatch.part is None:
            return None
        moved = _at(hypothesis, doubled[hypothesis.name]) - hypothesis.given
        square = float(moved @ moved)
        if not np.isfinite(square) or square < 1e-24:
            return None
        factor = 1.0 + float(moved @ (hypothesis.numeric - hypothesis.given)) / square
        if abs(factor) < 1e-6:
            return None  # a term too much: no factor
        return factor if self._right(self._given(mutation, factor)) else None

    def _given(self, mutation: Mutation, factor: float) -> dict[str, Array | None] | None:
        """The gradients after the mutation."""
        mutation.swap()
        try:
            subject = self.ready.copy()
            if not _fitted(subject, self.text, factor):
                return None
            returned = subject.backward([fresh(u) for u in self.upstream])
            return self.case.named(subject, returned, copies=False)
        except (SubjectError, RecursionError):
            return None
        finally:
            mutation.swap()

    def _right(self, given: dict[str, Array | None] | None) -> bool:
        if given is None:
            return False
        for name, hypothesis in self.wrong.items():
            gradient = given[name]
            if gradient is None or gradient.shape != hypothesis.mismatch.shape:
                return False
            values = _at(hypothesis, gradient)
            before = 0 if hypothesis.mismatch.part is None else hypothesis.given
            off = abs(before - hypothesis.numeric)
            if not hypothesis.near(values, hypothesis.numeric, off):
                return False
        return all(_unchanged(given[n], g) for n, g in self.right.items())

    def holds(self, mutation: Mutation, factor: float) -> bool:
        """Whether the changed subject is right for other inputs too."""
        mutation.swap()
        try:
            subject = self.case.subject.copy()
            if not _fitted(subject, self.text, factor):
                return False
            inputs = self.case.inputs if self.elsewhere else nearby(self.case, inputs=self.inputs)
            outcome = self.case.verify(inputs, subject)
        except SubjectError:
            return False
        finally:
            mutation.swap()
        return outcome is not None and not outcome.mismatches


def _fitted(subject: Subject, text: _Text, factor: float) -> bool:
    """Give a copy of the subject the changed backward."""
    function = text.made(subject.thing, factor)
    if function is None:
        return False
    if isinstance(subject.thing, Pair):
        subject.thing.backward_function = function
    else:
        subject.thing.backward = types.MethodType(function, subject.thing)
    return True


def _at(hypothesis: Hypothesis, gradient: Array | None) -> Array:
    assert gradient is not None
    if gradient.size <= int(hypothesis.part.index.max(initial=-1)):
        return np.full(hypothesis.numeric.shape, np.nan)
    return gradient.reshape(-1)[hypothesis.part.index].astype(np.float64)


def _unchanged(a: Array | None, b: Array | None) -> bool:
    if a is None or b is None:
        return a is b
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=1e-6, atol=1e-12))
