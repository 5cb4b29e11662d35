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

from handgrad.subject.adapt import paired
from handgrad.subject.dressing import dressed
from handgrad.subject.peers.carried import Carried
from handgrad.subject.peers.jax_subject import jax_subject
from handgrad.subject.peers.library import Peer, as_numpy, home_of, inside, is_array, reached
from handgrad.subject.peers.torch_subject import torch_subject

_MAKERS: dict[str, Callable[[Any, Sequence[Any]], Peer]] = {
    "torch": torch_subject,
    "jax": jax_subject,
}


def as_arrays(thing: Any, inputs: Sequence[Any]) -> tuple[Any, list[Any]]:
    """The subject as an object with forward and backward, and its inputs as NumPy arrays.

    What belongs to no other library is given back as it came.
    """
    if inspect.ismethod(thing) and thing.__name__ == "apply":
        thing = thing.__self__
    like = next(filter(_foreign, inside(inputs)), None)
    home = home_of(thing)
    if home is None and callable(thing) and not hasattr(thing, "forward"):
        named = (h for h in map(home_of, reached(thing)) if h in _MAKERS)
        home = home_of(like) or next(named, None)
    if home in _MAKERS and not isinstance(thing, Peer):
        thing = _MAKERS[home](thing, inputs)
        return thing, [as_numpy(x) for x in thing.own.arguments.arrays]
    if like is None and hasattr(thing, "forward"):
        like = next(filter(_foreign, getattr(thing, "__dict__", {}).values()), None)
    if like is not None and not isinstance(thing, Peer):
        thing = _carried(thing, like)
    return thing, [as_numpy(x) for x in inputs]


def _foreign(x: Any) -> bool:
    plain = isinstance(x, np.ndarray | np.generic) and home_of(x) is None
    return is_array(x) and not plain


def _carried(thing: Any, like: Any) -> Any:
    """A layer, a pair, or what makes a layer, on arrays of the kind of `like`."""
    if isinstance(thing, tuple) and thing and isinstance(thing[0], type):
        thing = functools.partial(thing[0], *thing[1:])
    if isinstance(thing, type | functools.partial):
        return functools.partial(lambda: _carried(thing(), like))
    if isinstance(thing, list | tuple) and len(thing) == 2 and all(map(callable, thing)):
        thing = paired(*thing)
    if not hasattr(thing, "forward") or not hasattr(thing, "backward"):
        return thing
    return dressed(Carried, type(thing).__name__, thing.forward, thing.backward)(thing, like)
