"""Is forward what a reference computes, or what its name suggests? The name gives a note only.

What a name suggests is the layer of handgrad that is called so: a class MySigmoid is held against
`handgrad.layers.Sigmoid`, with the parameters that the class has. Constants may be others, and so
may a factor of the result or of the input; the one that fits is said.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from handgrad import layers
from handgrad.arrays import Array
from handgrad.foreign import FOREIGN
from handgrad.layer import Layer, slots
from handgrad.prove.verdict.evidence import Finding, Grade
from handgrad.prove.verdict.inputs import nearby
from handgrad.prove.verdict.trial import Case, Outcome, fresh
from handgrad.subject.parameters import owners
from handgrad.subject.sandbox import SubjectError

_NOISE = r"layer|function|func|op|node|activation|gate|my|bad|wrong|buggy|broken|naive|simple|plain"
_NOISE += r"|book|numpy|np|\d+"
_OURS = {c.__name__: c for c in vars(layers).values()
         if isinstance(c, type) and not issubclass(c, layers.Loss)}  # fmt: skip
_LAYERS = {name.lower(): _OURS[ours] for name in (*FOREIGN, *_OURS)
           if (ours := FOREIGN.get(name, name).partition(":")[0]) in _OURS}  # fmt: skip
# Constants that are as usual as handgrad's own; other settings with which a name is used.
_USUAL = {"eps": (1e-5, 1e-6, 1e-7, 1e-8, 1e-12), "alpha": (0.01, 0.1, 0.2)}
_SETTINGS = {"axis": (-1, 0, 1, 2, (1, 2), (1, 2, 3)), "approximate": ("none", "tanh")}
_DIGITS = (1, 2, 2.5, 3, 4, 5, 6, 8)
_CONSTANTS = [s * m * 10.0**k for k in range(-12, 3) for m in _DIGITS for s in (1, -1)]
_LOOSE = 1e-3


def against_reference(case: Case, reference: Callable[..., Any]) -> Iterator[Finding]:
    """forward beside the function that it should be: this is a verdict."""
    for inputs in (case.inputs, nearby(case)):
        try:
            given = case.forward(case.subject.copy(), [fresh(x) for x in inputs])[0]
        except SubjectError as error:
            yield Finding("forward_bug", f"{error.sentence}.", line=error.line)
            return
        right = np.asarray(case.subject.sandbox.call("reference", reference, *map(fresh, inputs)))
        if not _equal(given, right):
            text = f"forward is not the reference: {_difference(given, right)}."
            yield Finding("forward_bug", text)
            return


class Namesake:
    """The layer of handgrad that a subject's name suggests, with its parameters."""

    def __init__(self, layer: Layer, constant: str, usual: tuple[float, ...]):
        self.layer, self.constant, self.usual = layer, constant, usual

    def values(self, c: float, inputs: Sequence[Any]) -> Array | None:
        """Its output, where the constant is c; None where it refuses the inputs."""
        given, factor = [fresh(x) for x in inputs], 1.0
        if self.constant == "a factor":
            factor = c
        elif self.constant == "a factor of the input":
            given = [c * x if np.asarray(x).dtype.kind == "f" else x for x in given]
        else:
            setattr(self.layer, self.constant, c)
        try:
            with np.errstate(all="ignore"):
                y = factor * np.asarray(self.layer.forward(*given))
        except (ValueError, TypeError, IndexError, AttributeError):
            return None
        return y if self.layer.stream is None else None  # random: nothing to compare

    def fits(self, c: float, batches: list[list[Any]], given: list[Array]) -> bool:
        """Whether it computes what was given, for each of the batches."""
        return all(_equal(y, self.values(c, inputs)) for inputs, y in zip(batches, given))

    def likeliest(self, inputs: Sequence[Any], given: Array) -> float:
        """The constant with which its output comes closest."""
        candidates = (1.0,) if self.constant == "a factor" else _CONSTANTS
        found = [(self.values(c, inputs), c) for c in candidates]
        alike = [(v, c) for v, c in found if v is not None and v.shape == given.shape]
        if alike and self.constant == "a factor":
            one = alike[0][0]
            return float((one * given).sum() / (one * one).sum())
        off = [(float(abs(v - given).max()), c) for v, c in alike]
        return min((pair for pair in off if np.isfinite(pair[0])), default=(0.0, 0.0))[1]


def note_on_name(case: Case) -> str | None:
    """What forward's values say against the name, if it has the name of a layer of handgrad."""
    namesakes, batches = list(_namesakes(case)), [case.inputs, nearby(case)]
    try:
        given = [case.forward(case.subject.copy(), [fresh(x) for x in b])[0] for b in batches]
    except SubjectError:
        return None
    known = (n.values(n.usual[0], batches[0]) for n in namesakes)
    alike = [v for v in known if v is not None and v.shape == given[0].shape]
    alike = [v for v in alike if np.isfinite(v).all()]
    if not alike or any(n.fits(c, batches, given) for n in namesakes for c in n.usual):
        return None
    text = (
        f"its values are not those that its name suggests, of {type(namesakes[0].layer).__name__}"
    )
    for n in namesakes:
        c = n.likeliest(batches[0], given[0])
        if n.fits(c, batches, given):
            usual = "" if " " in n.constant else f" with {n.constant} = {n.usual[0]:.4g}"
            return f"{text}{usual}: {n.constant} seems to be {c:.4g}"
    return f"{text}: {_difference(given[0], alike[0])}"


def right_for_its_name(case: Case, base: Outcome) -> Iterator[Finding]:
    """backward is right for the layer of the name, once its output is that layer's."""
    inputs, upstream = base.run.inputs, base.run.upstream
    for namesake in _namesakes(case) if len(upstream) == 1 else ():
        right = namesake.values(namesake.usual[0], inputs)
        if right is None or right.shape != upstream[0].shape:
            continue
        subject = case.subject.copy()
        output = case.forward(subject, [fresh(x) for x in inputs])[0]
        for owner in owners(subject.thing):
            for name, value in list(vars(owner).items()):
                if isinstance(value, np.ndarray) and _equal(value, output):
                    setattr(owner, name, np.reshape(right, value.shape))
        given = case.named(subject, subject.backward([fresh(u) for u in upstream]))
        returned = namesake.layer.backward(fresh(upstream[0]))
        wanted = dict(zip(case.names, returned if isinstance(returned, tuple) else (returned,)))
        if all(_equal(given[m.name], wanted.get(m.name)) for m in base.mismatches):
            name = type(namesake.layer).__name__.lower()
            text = f"backward is right for the {name}, and forward is not the {name}: "
            text += f"{_difference(output, right)}."
            yield Finding("forward_bug", text, grade=Grade.EXPLAINED)
            return


def _namesakes(case: Case) -> Iterator[Namesake]:
    """The layer that the name suggests, without words like Layer and My, in all its settings."""
    words = re.findall(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+", case.subject.name)
    telling = [w for w in words if not re.fullmatch(_NOISE, w.lower())]
    names = ("".join(some).lower() for some in (words, telling))
    cls = next((_LAYERS[n] for n in names if n in _LAYERS), None)
    if cls is None or not getattr(case.subject.thing, "training", True):
        return
    arguments = inspect.signature(cls).parameters
    numbers = {n: (p.default, *_USUAL.get(n, ())) for n, p in arguments.items()
               if isinstance(p.default, float)}  # fmt: skip
    numbers = numbers or {"a factor": (1.0,), "a factor of the input": (1.0,)}
    settings = [{n: v} for n, values in _SETTINGS.items() if n in arguments for v in values]
    for chosen in settings or [{}]:
        layer = _made(cls, chosen, case)
        if layer is not None:
            yield from (Namesake(layer, constant, usual) for constant, usual in numbers.items())


def _made(cls: Any, chosen: dict[str, Any], case: Case) -> Layer | None:
    """The layer with these settings and the subject's parameters; None where they do not fit."""
    held = {n.split(".")[-1].lower(): case.subject.get(n) for n in case.subject.parameters}
    try:
        made: Layer = cls(**chosen)
        made.build(*case.inputs)
    except (TypeError, ValueError, IndexError):  # it needs arguments, or other inputs
        return None
    learned = {slot.name.lower(): slot for slot in slots(made)}
    if held.keys() - learned.keys():
        return None
    for name, value in held.items():
        if value.size != learned[name].value.size:
            return None
        learned[name].set(value.reshape(learned[name].value.shape))
    return made


def _difference(given: Array, right: Array) -> str:
    """The entry in which two outputs differ most."""
    if given.size != right.size:
        return f"its output has shape {given.shape}, not {right.shape}"
    right = right.reshape(given.shape)
    off = np.nan_to_num(abs(given - right), nan=np.inf)
    k = np.unravel_index(int(np.argmax(off)), given.shape)
    position = f"[{', '.join(map(str, k))}]" if k else ""
    return f"output{position} is {given[k]:.6g}, not {right[k]:.6g}"


def _equal(given: Any, right: Any) -> bool:
    if given is None or right is None or np.size(given) != np.size(right):
        return False
    off = abs(given - np.reshape(right, np.shape(given)))
    return bool(np.all(off <= _LOOSE * (np.max(abs(right), initial=0) + 1e-9)))
