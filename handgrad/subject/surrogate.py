"""A subject whose backward is not the derivative of its forward, but of a stated function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.subject.adapt import Subject
from handgrad.subject.dressing import Box, dressed, positional
from handgrad.subject.sandbox import SubjectError


class Meant:
    """forward is the surrogate, of the inputs and of parameters by name; backward stays."""

    __signature__ = "no constructor of the user's"  # so that no other instances are made

    def __init__(self, thing: Any, surrogate: Callable[..., Any]):
        self.thing, self.stated = thing, Box(surrogate=surrogate)

    def forward(self, *inputs: Any) -> Any:
        surrogate = self.stated.surrogate
        shapes = _shapes(self.thing.forward(*inputs))
        names = [p.name for p in positional(surrogate)][len(inputs) :]
        held = [getattr(self.thing, name) for name in names if hasattr(self.thing, name)]
        evaluate = getattr(self.thing, "evaluate", None)  # on the arrays of another library
        result = evaluate(surrogate, inputs) if evaluate else surrogate(*inputs, *held)
        if _shapes(result) != shapes:
            text = f"surrogate gives shapes {_shapes(result)}, where forward gives {shapes}"
            raise SubjectError("forward", text, "refused")
        return result

    def backward(self, *gradients: Any) -> Any:
        return self.thing.backward(*gradients)


def _shapes(outputs: Any) -> list[tuple[int, ...]]:
    return [np.shape(y) for y in (outputs if isinstance(outputs, tuple | list) else [outputs])]


def meant(subject: Subject, surrogate: Callable[..., Any]) -> Subject:
    """The subject, to be proved against the derivative of another function of its inputs."""
    thing = subject.thing
    made = dressed(Meant, subject.name, thing.forward, thing.backward)
    return subject.around(made(thing, surrogate))
