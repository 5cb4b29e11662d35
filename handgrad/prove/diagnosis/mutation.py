"""Mutations of the text of backward: which one makes it right?

If one does, the mistake is the one that it undoes. It is tried on copies, in memory; a
mutation that fits has to fit other inputs too.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
import types
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.diagnosis.gradient import named
from handgrad.prove.diagnosis.hypothesis import Hypothesis
from handgrad.prove.diagnosis.rules import Mutation, mutations
from handgrad.prove.subject.adapt import Pair, Subject
from handgrad.prove.subject.sandbox import SubjectError
from handgrad.prove.verdict.evidence import Finding
from handgrad.prove.verdict.inputs import nearby
from handgrad.prove.verdict.trial import fresh

_MUTATION = 1500.0  # effort of making a changed text ready to run


def undone_by_mutation(hypotheses: list[Hypothesis]) -> Iterator[Finding]:
    """The first mutation after which every gradient is right."""
    case, first = hypotheses[0].case, hypotheses[0]
    harness = _Harness(hypotheses)
    if harness.tree is None or case.large or case.mutation_effort <= 0:
        return
    sandbox, written = case.subject.sandbox, list(case.writes)
    limit = sandbox.spent + case.mutation_effort
    for mutation in mutations(harness.tree):
        if sandbox.spent > limit:
            break
        sandbox.spent += _MUTATION
        factor = harness.fit(mutation)
        if factor is not None and harness.holds(mutation, factor):
            before, after = _spelled(mutation, factor)
            sentence = f"with `{after}` in place of `{before}` it is right"
            line = f"{harness.file}:{harness.first + mutation.statement.lineno - 1}: {before}"
            yield replace(first.finding(_cause(mutation, factor, first), sentence), line=line)
            break
    case.mutation_effort = limit - sandbox.spent
    case.writes[:] = written  # what changed texts write is not the subject's doing


def _spelled(mutation: Mutation, factor: float) -> tuple[str, str]:
    """The first line of the statement, without the mutation and with it."""
    texts = []
    for _ in range(2):
        statement = ast.fix_missing_locations(mutation.statement)
        texts.append(ast.unparse(statement).splitlines()[0].replace("_k", f"{factor:.6g}"))
        mutation.swap()
    return texts[0], texts[1]


def _cause(mutation: Mutation, factor: float, hypothesis: Hypothesis) -> str:
    """The mistake that the mutation undoes.

    A factor of one term makes it another formula, unless the factor is a plain one: 2, a length.
    """
    if mutation.cause in ("one_row", "missing_sum"):
        return "missing_batch_sum"
    if mutation.cause != "factor":
        return mutation.cause
    if abs(factor + 1) < 1e-4:
        return "wrong_sign"
    plain = mutation.is_whole or abs(factor - 2) < 1e-4 or "(" in named(factor, hypothesis)
    return "wrong_scale" if plain and hypothesis.bad.mean() > 0.5 else "wrong_formula"


def _function(thing: Any) -> Any:
    if isinstance(thing, Pair):
        return thing.backward_function
    return inspect.unwrap(getattr(type(thing), "backward", None) or thing.backward)


class _Harness:
    """Where a mutation is tried: the trial that went wrong, from after its forward."""

    def __init__(self, hypotheses: list[Hypothesis]):
        self.hypotheses, self.case = hypotheses, hypotheses[0].case
        run = hypotheses[0].base.run
        self.upstream, self.inputs = run.upstream, run.inputs
        self.ready = self.case.subject.copy()
        self.case.forward(self.ready, [fresh(x) for x in self.inputs])
        wrong = {h.name for h in hypotheses}
        self.right = {n: run.gradients[n] for n in self.case.wanted if n not in wrong}
        self.tree = self._parsed(_function(self.case.subject.thing))

    def _parsed(self, function: Any) -> ast.Module | None:
        """The text of backward, inside a function that has its free variables."""
        try:
            lines, self.first = inspect.getsourcelines(function)
            self.file = inspect.getsourcefile(function) or ""
            tree = ast.parse(textwrap.dedent("".join(lines)))
        except (OSError, TypeError, SyntaxError):
            return None
        plain = isinstance(function, types.FunctionType) and len(tree.body) == 1
        if not plain or not isinstance(tree.body[0], ast.FunctionDef):
            return None
        tree.body[0].decorator_list = []
        free = [ast.arg(n) for n in function.__code__.co_freevars]
        result = ast.Return(ast.Name(function.__name__, ast.Load()))
        given = ast.arguments([], free, None, [], [], None, [])
        outer = ast.FunctionDef("_outer", given, [*tree.body, result], [])
        self.module = ast.fix_missing_locations(ast.Module([outer], []))
        return tree

    def _fitted(self, subject: Subject, factor: float) -> bool:
        """Give a copy of the subject backward as its text now is."""
        like = _function(subject.thing)
        names = like.__code__.co_freevars
        scope = {"np": np, **like.__globals__, "_k": factor}
        try:
            exec(compile(self.module, self.file, "exec"), scope)  # its own text, but for one node
            made = scope["_outer"](*[None] * len(names))
        except (SyntaxError, ValueError, TypeError):
            return False
        cells = dict(zip(names, like.__closure__ or ()))
        closure = tuple(cells[n] for n in made.__code__.co_freevars)
        clone = types.FunctionType(made.__code__, scope, like.__name__, like.__defaults__, closure)
        clone.__kwdefaults__ = like.__kwdefaults__
        if isinstance(subject.thing, Pair):
            subject.thing.backward_function = clone
        else:
            subject.thing.backward = types.MethodType(clone, subject.thing)
        return True

    def fit(self, mutation: Mutation) -> float | None:
        """The factor with which the mutation makes every gradient right; 1.0 for one without."""
        if mutation.cause != "factor":
            return 1.0 if self._is_right(self._given(mutation, 1.0)) else None
        doubled, first = self._given(mutation, 2.0), self.hypotheses[0]
        if doubled is None or first.misshapen:
            return None
        moved = _at(first, doubled[first.name]) - first.given
        square = float(moved @ moved)
        if not np.isfinite(square) or square < 1e-24:
            return None
        factor = 1.0 + float(moved @ (first.numeric - first.given)) / square
        telling = abs(factor) > 1e-6  # else it is a term too much: no factor
        return factor if telling and self._is_right(self._given(mutation, factor)) else None

    def _given(self, mutation: Mutation, factor: float) -> dict[str, Array | None] | None:
        """The gradients after the mutation."""
        mutation.swap()
        try:
            subject = self.ready.copy()
            if not self._fitted(subject, factor):
                return None
            returned = subject.backward([fresh(u) for u in self.upstream])
            return self.case.named(subject, returned, copies=False)
        except (SubjectError, RecursionError):
            return None
        finally:
            mutation.swap()

    def _is_right(self, given: dict[str, Array | None] | None) -> bool:
        if given is None:
            return False
        for h in self.hypotheses:
            gradient, off = given[h.name], abs(h.numeric) if h.misshapen else h.off
            fits = gradient is not None and gradient.shape == h.shape
            if not fits or not h.near(_at(h, gradient), h.numeric, off):
                return False
        return all(map(_equal, (given[n] for n in self.right), self.right.values()))

    def holds(self, mutation: Mutation, factor: float) -> bool:
        """Whether the changed subject is right for other inputs too, the given ones among them."""
        mutation.swap()
        elsewhere = self.hypotheses[0].elsewhere
        inputs = self.case.inputs if elsewhere else nearby(self.case, inputs=self.inputs)
        try:
            subject = self.case.subject.copy()
            outcome = self._fitted(subject, factor) and self.case.verify(inputs, subject)
        except SubjectError:
            return False
        finally:
            mutation.swap()
        return bool(outcome and not outcome.mismatches)


def _at(hypothesis: Hypothesis, gradient: Array | None) -> Array:
    if gradient is None or gradient.size <= int(hypothesis.part.index.max(initial=-1)):
        return np.full(hypothesis.numeric.shape, np.nan)
    return gradient.reshape(-1)[hypothesis.part.index].astype(np.float64)


def _equal(a: Array | None, b: Array | None) -> bool:
    if a is None or b is None:
        return a is b
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=1e-6, atol=1e-12))
