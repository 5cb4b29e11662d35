"""Adapters under the name of what they adapt, with its signatures, over its own code."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from handgrad.subject.sandbox import Unfit

_KEYWORD = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD)
ANY = [inspect.Parameter("inputs", inspect.Parameter.VAR_POSITIONAL)]


class Box(types.ModuleType):
    """Holds what is the user's: those who copy, cast and search a subject leave modules alone."""

    def __init__(self, **content: Any):
        super().__init__("box")
        vars(self).update(content)

    def __deepcopy__(self, memo: dict[int, Any]) -> Box:
        return self


def positional(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters that can be given by position."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):  # a built-in without a signature: takes anything
        return ANY
    return [p for p in parameters if p.kind not in _KEYWORD]


def bound(
    function: Callable[..., Any], inputs: Sequence[Any], name: str, skip: int = 0
) -> inspect.BoundArguments | None:
    """The inputs as a function's arguments, after those skipped; Unfit where it does not take them.

    None for what is written in C, without a signature.
    """
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):
        return None
    signature = inspect.Signature(list(signature.parameters.values())[skip:])
    try:
        return signature.bind(*inputs)
    except TypeError as error:
        count = f"{len(inputs)} input{'s' * (len(inputs) != 1)}"
        raise Unfit(f"{name}{signature} cannot be called with {count}: {error}") from None


def parameters(names: Iterable[str]) -> list[inspect.Parameter]:
    """Parameters that are given by position, under these names."""
    return [inspect.Parameter(n, inspect.Parameter.POSITIONAL_ONLY) for n in names]


def dressed(
    cls: Any, name: str, forward: Any, backward: Any, inputs: Any = None, gradients: Any = None
) -> Any:
    """A class of adapters that looks like the subject: to people, and to those who read code.

    inputs, gradients: the parameters to show; None: those of forward and of backward.
    """
    methods = {
        "forward": _standing_in(cls.forward, forward, inputs),
        "backward": _standing_in(cls.backward, backward, gradients),
    }
    return type(name, (cls,), methods)


def _standing_in(method: Callable[..., Any], source: Any, shown: Any) -> Callable[..., Any]:
    def standing_in(self: Any, *arrays: Any) -> Any:
        return method(self, *arrays)

    shown = positional(source) if shown is None else shown
    code = inspect.unwrap(source) if hasattr(source, "__code__") else len  # len has no text
    signature = inspect.Signature([*parameters(["adapter"]), *shown])
    vars(standing_in).update(__wrapped__=code, __signature__=signature)
    return standing_in
