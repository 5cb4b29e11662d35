"""Find what can be checked in a Python file, and check it: the work of `handgrad check FILE.py`.

The file is executed, because the user named it; nothing else is. Every class that it defines
with a forward and a backward is a subject, and so is every pair of functions `name_forward`
and `name_backward`.

What a subject is given stands in the file, in a dict by name:

    samples = {
        "Sigmoid": x,                   # the input of forward
        "Add": (x, y),                  # its inputs
        "Affine": ((W, b), (x,)),       # constructor arguments, inputs: a tuple of two tuples
    }

A value may also be a function without arguments that returns one of these. Without a sample
the inputs are guessed from docstrings, names and type hints; where no guess works, the reason
says which sample to add.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from handgrad.prove.check import check
from handgrad.prove.files.guess import Guess, guesses
from handgrad.prove.report import Report
from handgrad.prove.subject import peers
from handgrad.prove.subject.adapt import adapt
from handgrad.prove.subject.sandbox import Sandbox, SubjectError


@dataclass(frozen=True)
class Found:
    """One subject of a file: its report, or the reason why there is none."""

    name: str
    report: Report | None = None
    reason: str = ""


@dataclass(frozen=True)
class Target:
    """A class, or a pair of functions (forward, backward), that a file defines."""

    name: str
    thing: Any

    @property
    def forward(self) -> Callable:
        thing = self.thing
        return thing[0] if isinstance(thing, tuple) else thing.forward

    @property
    def is_static(self) -> bool:
        """Whether forward is a static method, as that of a torch.autograd.Function is."""
        return isinstance(inspect.getattr_static(self.thing, "forward", None), staticmethod)

    @property
    def inputs(self) -> list[inspect.Parameter]:
        """The parameters of forward, without self and ctx."""
        parameters = list(inspect.signature(self.forward).parameters.values())
        own = parameters[:1] if isinstance(self.thing, type) and not self.is_static else []
        own += [p for p in parameters[:1] if p.name == "ctx"]
        return [p for p in parameters if p not in own]

    @property
    def arguments(self) -> list[inspect.Parameter]:
        """The parameters of the constructor; none where forward needs no instance."""
        if not isinstance(self.thing, type) or self.is_static:
            return []
        return list(inspect.signature(self.thing).parameters.values())

    @property
    def docstrings(self) -> str:
        parts = (self.thing, getattr(self.thing, "__init__", None), self.forward)
        return "\n".join(inspect.getdoc(p) or "" for p in parts)

    def subject(self, arguments: tuple[Any, ...]) -> Any:
        """What `check` is given."""
        return (self.thing, *arguments) if arguments else self.thing


class Abstract(Exception):
    """A base class: its forward is not implemented, so there is nothing to check."""


def discover(
    path: str | Path, only: str | None = None, *, seed: int = 0, timeout: float = 20.0
) -> list[Found]:
    """Check every subject in the file, or the one called `only`, in the order of definition.

    Raises ValueError, in one line, for a file that cannot be executed, one without any subject,
    an unknown name, and a `samples` that is not a dict.
    """
    module = load_module(Path(path))
    targets = _targets(module)
    names = [target.name for target in targets]
    if not names:
        raise ValueError(f"{path} defines no class with forward and backward")
    if only is not None and only not in names:
        raise ValueError(
            f"{path} defines no {only!r} with forward and backward; there are: {', '.join(names)}"
        )
    samples = getattr(module, "samples", {})
    if not isinstance(samples, dict):
        raise ValueError(
            f"samples in {path} is {type(samples).__name__}; it has to be a dict "
            "{class name: inputs, or ((constructor arguments), (inputs))}"
        )
    found = []
    for target in targets:
        if only in (None, target.name):
            try:
                found.append(_examined(target, samples, seed, timeout))
            except Abstract:
                continue
    return found


def load_module(path: Path) -> ModuleType:
    """Execute a Python file as a module; files beside it can be imported by it.

    Raises ValueError, in one line, where the file is missing or its code fails.
    """
    if not path.is_file() or path.suffix != ".py":
        raise ValueError(f"{path} is not a Python file (FILE.py)")
    name = f"handgrad_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} cannot be loaded as a Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ValueError(f"{path} cannot be executed: {what}") from error
    finally:
        sys.path.remove(str(path.resolve().parent))
    return module


def _targets(module: ModuleType) -> list[Target]:
    """Classes with both methods, and pairs of functions, that the file itself defines."""
    own = {k: v for k, v in vars(module).items() if getattr(v, "__module__", "") == module.__name__}
    found = []
    for name, thing in own.items():
        if isinstance(thing, type):
            if all(callable(getattr(thing, m, None)) for m in ("forward", "backward")):
                found.append(Target(name, thing))
        elif name.endswith("_forward") and callable(own.get(f"{name[:-8]}_backward")):
            found.append(Target(name[:-8], (thing, own[f"{name[:-8]}_backward"])))
    return found


def _examined(target: Target, samples: dict[str, Any], seed: int, timeout: float) -> Found:
    try:
        given = samples.get(target.name)
        guess = best_guess(target, timeout) if given is None else _sample(given)
    except SubjectError as error:
        return Found(target.name, reason=f"its sample cannot be made: {error.sentence}")
    if guess is None:
        return Found(target.name, reason=_request(target))
    subject = target.subject(guess.arguments)
    return Found(target.name, check(subject, *guess.inputs, seed=seed, timeout=timeout))


def _sample(value: Any) -> Guess:
    """A value of `samples` as constructor arguments and inputs."""
    if callable(value):
        value = Sandbox().call("samples", value)
    if isinstance(value, tuple) and len(value) == 2 and all(isinstance(v, tuple) for v in value):
        return Guess(*value)
    return Guess((), value if isinstance(value, tuple) else (value,))


def best_guess(target: Target, timeout: float) -> Guess | None:
    """The first guess that gives gradients of the right shapes, else the furthest that runs.

    None where no guess gets through forward; raises Abstract where forward is not implemented.
    """
    best, furthest, abstract = None, 0, False
    for guess in guesses(target.inputs, target.arguments, target.docstrings):
        try:
            reached = Sandbox(timeout=timeout).run(partial(_reached, target, guess))
        except SubjectError as error:
            abstract |= "NotImplementedError" in error.sentence
            continue
        if reached > furthest:
            best, furthest = guess, reached
        if furthest == 4:
            break
    if best is None and abstract:
        raise Abstract
    return best


def _reached(target: Target, guess: Guess) -> int:
    """How far a guess gets: 1 forward, 2 finite, 3 backward, 4 gradients of the right shapes."""
    thing, inputs = peers.adapt(target.subject(guess.arguments), guess.inputs)
    made = adapt(thing, Sandbox())
    rng = np.random.default_rng(1)
    inputs = [x.copy() if isinstance(x, np.ndarray) else x for x in inputs]
    outputs = made.forward(inputs)
    if not all(np.isfinite(y).any() for y in outputs):
        return 1
    finite = all(np.isfinite(y).all() for y in outputs)
    try:
        gradients = made.backward([rng.normal(size=y.shape) for y in outputs])
    except SubjectError:
        return 2
    made.find_parameters()
    pairs = [*zip(gradients, inputs), *((made.gradient(n), made.get(n)) for n in made.parameters)]
    fits = all(g is None or g.shape == np.shape(x) for g, x in pairs)
    return 4 if fits and finite else 3


def _request(target: Target) -> str:
    """The sample to add, spelled out."""
    inputs = _as_tuple(p.name for p in target.inputs)
    value = f"({_as_tuple(p.name for p in target.arguments)}, {inputs})"
    return (
        f"no inputs were found with which it runs; add to the file, with arrays for "
        f'the names: samples = {{"{target.name}": {value if target.arguments else inputs}}}'
    )


def _as_tuple(names: Iterable[str]) -> str:
    listed = list(names)
    return f"({', '.join(listed)}{',' if len(listed) == 1 else ''})"
