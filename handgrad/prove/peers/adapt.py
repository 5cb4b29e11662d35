"""Subjects of other libraries, turned into objects with forward and backward on NumPy arrays.

    torch.autograd.Function   and f.apply, modules, custom operators of torch.library, compiled
                              functions, any function of tensors: autograd runs their rules
    jax.custom_vjp            custom_jvp, and any function of JAX's arrays, through jax.vjp
    forward and backward      on tensors of PyTorch, arrays of CuPy or JAX, or any with DLPack:
                              kernels, given the arrays they take

A library is imported only when a subject of its own has come. What a function is of is told by
its inputs, by where it is from, and by what its code names.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from handgrad.prove.subject import peer
from handgrad.prove.subject.adapt import Pair, Subject, positional
from handgrad.prove.subject.carried import Carried
from handgrad.prove.subject.jax_subject import jax_subject
from handgrad.prove.subject.peer import Box, Peer, as_numpy, home_of, is_array
from handgrad.prove.subject.torch_subject import torch_subject

_MAKERS: dict[str, Callable[[Any, Sequence[Any]], Peer]] = {
    "torch": torch_subject,
    "jax": jax_subject,
}


def adapt(thing: Any, inputs: Sequence[Any]) -> tuple[Any, list[Any]]:
    """The subject as an object with forward and backward, and its inputs as NumPy arrays.

    What belongs to no other library is given back as it came.
    """
    if inspect.ismethod(thing) and thing.__name__ == "apply":
        thing = thing.__self__
    like = next(filter(_foreign, peer.inside(inputs)), None)
    home = home_of(thing)
    if home is None and callable(thing) and not hasattr(thing, "forward"):
        named = (h for h in map(home_of, peer.reached(thing)) if h in _MAKERS)
        home = home_of(like) or next(named, None)
    if home in _MAKERS and not isinstance(thing, Peer):
        thing = _MAKERS[home](thing, inputs)
        return thing, [as_numpy(x) for x in thing.arguments.arrays]
    if like is None and hasattr(thing, "forward"):
        like = next(filter(_foreign, getattr(thing, "__dict__", {}).values()), None)
    if like is not None and not isinstance(thing, Peer):
        thing = _carried(thing, inputs, like)
    return thing, [as_numpy(x) for x in inputs]


def _foreign(x: Any) -> bool:
    plain = isinstance(x, np.ndarray | np.generic) and home_of(x) is None
    return is_array(x) and not plain


def _carried(thing: Any, inputs: Sequence[Any], like: Any) -> Any:
    """A layer, a pair, or what makes a layer, on arrays of the kind of `like`."""
    if isinstance(thing, tuple) and thing and isinstance(thing[0], type):
        thing = functools.partial(thing[0], *thing[1:])
    if isinstance(thing, type | functools.partial):
        return functools.partial(lambda: _carried(thing(), inputs, like))
    forward, backward = getattr(thing, "forward", None), getattr(thing, "backward", None)
    name, hidden = type(thing).__name__, None
    if isinstance(thing, list | tuple) and len(thing) == 2 and all(map(callable, thing)):
        forward, backward = thing
        thing = Pair(forward, backward)
        name, hidden = getattr(forward, "__name__", "pair"), thing.cache_place
    if forward is None or backward is None:
        return thing
    given = [p for k, p in enumerate(positional(backward)) if k != hidden]
    several = any(p.kind is p.VAR_POSITIONAL for p in given)
    names, takes = peer.names_of(forward, inputs), None if several else [p.name for p in given]
    return peer.dressed(Carried, name, names, forward, backward, takes)(thing, like)


class Meant(Peer):
    """A subject whose backward is not the derivative of its forward, but of a stated function."""

    def __init__(self, thing: Any, surrogate: Callable):
        self.thing, self.box = thing, Box(surrogate)

    def forward(self, *inputs: Any) -> Any:
        surrogate = self.box.content
        shapes = _shapes(self.thing.forward(*inputs))
        names = [p.name for p in positional(surrogate)][len(inputs) :]  # parameters of the layer
        held = [getattr(self.thing, name) for name in names if hasattr(self.thing, name)]
        evaluate = getattr(self.thing, "evaluate", None)
        meant = evaluate(surrogate, inputs) if evaluate else surrogate(*inputs, *held)
        if _shapes(meant) != shapes:
            text = f"surrogate gives shapes {_shapes(meant)}, where forward gives {shapes}"
            raise peer.refusal("forward", text)
        return meant

    def backward(self, *gradients: Any) -> Any:
        return self.thing.backward(*gradients)


def _shapes(outputs: Any) -> list[tuple[int, ...]]:
    return [np.shape(y) for y in (outputs if isinstance(outputs, tuple | list) else [outputs])]


def meant(subject: Subject, surrogate: Callable) -> Subject:
    """The subject, to be proved against the derivative of another function of its inputs."""
    thing = subject.thing
    names, takes = subject.input_names, subject.upstream_count(10**6)
    code = thing.forward, thing.backward
    if isinstance(thing, Pair):
        code = thing.forward_function, thing.backward_function
    shown = None if takes == 10**6 else [f"dy{k}" for k in range(takes)]
    return subject.around(peer.dressed(Meant, subject.name, names, *code, shown)(thing, surrogate))
