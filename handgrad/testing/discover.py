"""Find what can be checked in a Python file, and check it: the work of `handgrad check FILE.py`.

The file is executed, because the user named it; nothing else is. What it defines is a subject
where it has a forward and a backward: a class, a pair of functions `name_forward` and
`name_backward`, a torch.autograd.Function, a function of JAX's with a rule of its own; or a loss
and a gradient, as a book's network has.

What a subject is given stands in the file, in a dict by name:

    samples = {
        "Sigmoid": x,                   # the input of forward
        "Add": (x, y),                  # its inputs
        "Affine": ((W, b), (x,)),       # constructor arguments, inputs: a tuple of two tuples
    }

A value may also be a function without arguments that returns one of these. Without a sample
the inputs are found, see guess.py, and the report says how; where none are, the reason says
which sample to add.
"""

from __future__ import annotations

import ast
import contextlib
import difflib
import inspect
import random
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from handgrad.findings.report import RIGHT, UNKNOWN, Report
from handgrad.prove.check import check
from handgrad.prove.diagnosis.slips import slip
from handgrad.prove.diagnosis.source import parsed
from handgrad.subject.sandbox import Sandbox, SubjectError
from handgrad.testing.formats import Found
from handgrad.testing.guess import Guess
from handgrad.testing.network import at_one
from handgrad.testing.search import Hit
from handgrad.testing.target import Target, Trial, Unfit
from handgrad.train.module import load_module


def discover(
    path: str | Path, only: str | None = None, *, seed: int = 0, timeout: float = 20.0
) -> list[Found]:
    """Check every subject in the file, or the one called `only`, in the order of definition.

    Raises ValueError, in one line, for a file that cannot be executed, one without any subject,
    an unknown name, and a `samples` that is not a dict.
    """
    with _apart():
        module = load_module(Path(path))
        subjects = dict(_subjects(module))
        if not subjects:
            raise ValueError(f"{path} defines no class with forward and backward")
        if only is not None and only not in subjects:
            known = ", ".join(subjects)
            raise ValueError(
                f"{path} defines no {only!r} with forward and backward; there are: {known}"
            )
        samples = getattr(module, "samples", {})
        if not isinstance(samples, dict):
            raise ValueError(
                f"samples in {path} is {type(samples).__name__}; it has to be a dict "
                "{class name: inputs, or ((constructor arguments), (inputs))}"
            )
        chosen = subjects if only is None else {only: subjects[only]}
        return [
            Found(name, reason=thing)
            if isinstance(thing, str)
            else _examined(Target(name, thing), vars(module), samples, seed, timeout)
            for name, thing in chosen.items()
        ]


class _NoInput:
    """What a file reads from: nothing, because nobody is asked."""

    def readline(self, *_: Any) -> str:
        raise EOFError("it reads input(), and a check asks nobody")

    read = __next__ = readline


@contextlib.contextmanager
def _apart() -> Iterator[None]:
    """The process's random state and input as they were, whatever a file does with them."""
    states, read = (np.random.get_state(), random.getstate()), sys.stdin
    sys.stdin = _NoInput()
    try:
        yield
    finally:
        sys.stdin = read
        np.random.set_state(states[0])
        random.setstate(states[1])


def _subjects(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """What the file itself defines: things to check, and why others cannot be, in a sentence."""
    own = {k: v for k, v in vars(module).items() if getattr(v, "__module__", "") == module.__name__}
    for name, thing in own.items():
        partner = own.get(name.removesuffix("forward") + "backward")
        if isinstance(thing, type):
            has = {m for m in dir(thing) if callable(getattr(thing, m))}
            if _is_abstract(thing):
                continue
            if has >= {"forward", "backward"} or has >= {"loss", "gradient", "predict"}:
                yield name, thing
            elif reason := _almost(name, thing, has):
                yield name, reason
        elif name.endswith("forward") and callable(partner):
            yield name.removesuffix("forward").strip("_") or name, (thing, partner)
        elif type(thing).__name__ in ("custom_vjp", "custom_jvp"):
            yield name, thing


def _is_abstract(thing: Any) -> bool:
    """Whether forward is left to subclasses: not a statement in it, or NotImplementedError."""
    code = parsed(getattr(thing, "forward", None))
    if not isinstance(code, ast.FunctionDef):
        return inspect.isabstract(thing)
    body = code.body
    empty = all(isinstance(s, ast.Pass) or isinstance(getattr(s, "value", 0), ast.Constant)
                for s in body if not isinstance(s, ast.Return))  # fmt: skip
    returns = any(isinstance(s, ast.Return) for s in body)
    return "NotImplementedError" in ast.unparse(body[-1]) or (empty and not returns)


def _almost(name: str, thing: type, has: set[str]) -> str:
    """What a class lacks that seems to be a layer; nothing where autograd is its backward."""
    if any(c.__module__.split(".")[0] in ("torch", "jax", "flax") for c in thing.__mro__):
        return ""
    own = [m for m in has if not m.startswith("__")]
    for wanted, other in (("backward", "forward"), ("forward", "backward")):
        near = [m for m in difflib.get_close_matches(wanted, own, 3, 0.75) if m != other]
        if wanted not in has and near:
            return f"{name} has no {wanted}, but {near[0]}: is that a slip of the pen?"
        if wanted not in has and other in has:
            return f"{name} has {other} and no {wanted}: there is nothing to compare"
    return ""


def _examined(
    target: Target, scope: dict[str, Any], samples: dict[str, Any], seed: int, timeout: float
) -> Found:
    sandbox = Sandbox(seed, timeout)
    trial = Trial(target, sandbox)
    try:
        if target.name in samples:
            guess, hit = _sample(samples[target.name]), None
        else:
            guess, hit = sandbox.run(lambda: trial.guess(scope))
    except SubjectError as error:
        return Found(target.name, reason=f"its sample cannot be made: {error.sentence}")
    except Unfit as unfit:
        if unfit.guess is None or not slip(target.thing, unfit.error):
            return Found(target.name, reason=_request(target, unfit))
        guess, hit = unfit.guess, None
    subject, inputs = target.subject(guess)
    report = check(subject, *inputs, seed=seed, timeout=timeout)
    if report.cause == "upstream_ignored" and target.is_made:
        report = _at_one(target, guess, report, seed, timeout)
    report.subject = target.name
    report.notes[:0] = [_source(target, guess)] if guess.source else []
    _need_a_matrix(report, guess, hit)
    return Found(target.name, report)


def _at_one(target: Target, guess: Guess, report: Report, seed: int, timeout: float) -> Report:
    """The report on a loss for dout = 1 alone, where backward has that default and ignores it."""
    parameters = list(inspect.signature(target.thing.backward).parameters.values())
    if len(parameters) != 2 or parameters[1].default is parameters[1].empty:
        return report
    thing = (at_one(target.thing), *guess.arguments)
    again = check(thing, *(guess.inputs or ()), seed=seed, timeout=timeout)
    name = parameters[1].name
    again.notes.append(
        f"backward is right for {name} = 1 and ignores any other: enough for a loss that is the "
        "last step, too little where it is scaled or added to another"
        if again.verdict == RIGHT
        else f"backward ignores {name} too; this is what it gives for {name} = 1"
    )
    return again


def _source(target: Target, guess: Guess) -> str:
    """Where the inputs come from, and their shapes."""
    names = [p.name for p in target.inputs]
    text = f"inputs {guess.source}: {_listed(names, guess.inputs or ()) or 'none'}"
    if guess.arguments and target.is_made:
        made = _listed([p.name for p in target.arguments], guess.arguments)
        text += f", on {target.name}({made})"
    return text


def _listed(names: list[str], values: Iterable[Any]) -> str:
    """`x (4, 3), stride = 2`."""
    shown = [f" {v.shape}" if hasattr(v, "shape") else f" = {v!r:.20}" for v in values]
    names += names[-1:] * (len(shown) - len(names))
    return ", ".join(f"{name}{value}" for name, value in zip(names, shown))


def _need_a_matrix(report: Report, guess: Guess, hit: Hit | None) -> None:
    """Say why no matrix was tried; where forward takes one and backward stops, nothing is told."""
    given = (*guess.arguments, *(guess.inputs or ()))
    if report.verdict != RIGHT or any(np.ndim(v) > 1 for v in given) or hit is None:
        return
    kind = "vectors" if any(np.ndim(v) for v in given) else "numbers"
    if hit.refused:
        report.verdict = UNKNOWN
        report.evidence = [
            f"backward is right for {kind}; forward takes matrices too, and with them backward "
            "fails. Where these are not meant, add a sample."
        ]
    else:
        report.notes.append(f"only {kind} were tried: forward accepts no matrix")


def _sample(value: Any) -> Guess:
    """A value of `samples` as constructor arguments and inputs."""
    if callable(value):
        value = Sandbox().call("samples", value)
    source = "from samples"
    if isinstance(value, tuple) and len(value) == 2 and all(isinstance(v, tuple) for v in value):
        return Guess(*value, source)
    return Guess((), value if isinstance(value, tuple) else (value,), source)


def _request(target: Target, unfit: Unfit) -> str:
    """Why nothing ran, and the sample to add, spelled out."""
    names = _as_tuple(p.name for p in target.inputs)
    value = f"({_as_tuple(p.name for p in target.arguments)}, {names})"
    tried = ""
    if unfit.error is not None and unfit.guess is not None:
        shapes = _listed([p.name for p in target.inputs], unfit.guess.inputs or ())
        tried = f" ({unfit.error.sentence}{f', with {shapes}' * bool(shapes)})"
    return (
        f"no inputs were found with which it runs{tried}; add to the file, with arrays for "
        f'the names: samples = {{"{target.name}": {value if target.arguments else names}}}'
    )


def _as_tuple(names: Iterable[str]) -> str:
    listed = list(names)
    return f"({', '.join(listed)}{',' if len(listed) == 1 else ''})"
