"""What the adapters to other libraries share: arrays, containers, names, and what code reaches."""

from __future__ import annotations

import inspect
import re
import traceback
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.differences.signed import signed
from handgrad.subject.dressing import Box, bound, parameters
from handgrad.subject.sandbox import SubjectError
from handgrad.tensor import Tensor

_HOMES = {"torch": "torch", "jax": "jax", "jaxlib": "jax", "cupy": "cupy"}
_DRIVERS = ("torch/cuda/", "triton/", "jax/_src/xla_bridge", "cupy_backends/", "cupy/cuda/")


class Peer:
    """A subject of another library with forward and backward on NumPy arrays.

    own: what never changes; graph: what forward leaves for backward; asked: names of the inputs
    that need a gradient, where the caller's inputs say so; half: a dtype to compute in.
    """

    own: Any
    graph: Any
    asked: list[str] | None = None
    half: str | None = None
    derived: Any = None  # set: it is the derivative of what was proved already, for these inputs
    __signature__ = "no constructor of the user's"  # so that no other instances are made


class Arguments:
    """Inputs taken apart into arrays with names, and put together again; the rest stays.

    trees: the library's module that knows its containers (pytrees).
    """

    def __init__(self, trees: Any, function: Any, inputs: Sequence[Any], fixed: Any, skip: int = 0):
        held = [Box(x=x) if k in fixed else x for k, x in enumerate(inputs)]
        paths, self.structure = trees.tree_flatten_with_path(tuple(held))
        self.leaves = [leaf for _, leaf in paths]
        self.at = [k for k, leaf in enumerate(self.leaves) if is_array(leaf)]
        names = names_of(function, inputs, skip)
        words = [names[getattr(path[0], "idx", 0)] + trees.keystr(path[1:]) for path, _ in paths]
        self.names = plain([words[k] for k in self.at])
        self.arrays = [self.leaves[k] for k in self.at]

    def together(self, arrays: Sequence[Any]) -> tuple[Any, ...]:
        """The inputs with other arrays in them."""
        leaves = list(self.leaves)
        for k, x in zip(self.at, arrays):
            leaves[k] = x
        inputs = self.structure.unflatten(leaves)
        return tuple(x.x if isinstance(x, Box) else x for x in inputs)


def names_of(function: Any, inputs: Sequence[Any], skip: int = 0) -> list[str]:
    """What the function calls these inputs; Unfit where it cannot be called with them."""
    given = bound(function, inputs, getattr(function, "__name__", "forward"), skip)
    if given is None:
        return [f"x{k}" for k in range(len(inputs))]
    names: list[str] = []
    for name, value in given.arguments.items():
        several = given.signature.parameters[name].kind is inspect.Parameter.VAR_POSITIONAL
        names += [f"{name}{k}" for k in range(len(value))] if several else [name]
    return names


def home_of(thing: Any) -> str | None:
    """The library that a thing, or its class or one of its base classes, is from."""
    kinds = thing.__mro__ if isinstance(thing, type) else type(thing).__mro__
    own = thing.__name__ if isinstance(thing, types.ModuleType) else ""
    roots = [own or getattr(thing, "__module__", None), *(k.__module__ for k in kinds)]
    homes = [_HOMES.get(str(root).split(".")[0]) for root in roots]
    return next((home for home in homes if home), None)


def reached(function: Any, depth: int = 2) -> Iterator[Any]:
    """What a function's code names, in its closure and its module, and so on inside these."""
    inner = inspect.unwrap(getattr(function, "func", function))
    code = getattr(inner, "__code__", None)
    if code is None:
        return
    names = {n for c in (code, *code.co_consts) for n in getattr(c, "co_names", ())}
    values = [cell.cell_contents for cell in inner.__closure__ or ()]
    values += [inner.__globals__[n] for n in code.co_names if n in inner.__globals__]
    modules = [v for v in values if isinstance(v, types.ModuleType) and home_of(v) is None]
    values += [vars(m)[n] for m in modules for n in sorted(names) if n in vars(m)]
    for value in values:
        yield value
        if depth and (inspect.isfunction(value) or hasattr(value, "__wrapped__")):
            yield from reached(value, depth - 1)


def is_array(x: Any) -> bool:
    """Whether it is an array or a tensor of any library; keys of JAX's generators are none."""
    if isinstance(x, np.ndarray | np.generic):
        return True
    if isinstance(x, Tensor):  # handgrad's own, which hands its memory out too
        return False
    return hasattr(x, "__dlpack__") and "key<" not in str(getattr(x, "dtype", ""))


def as_numpy(x: Any) -> Any:
    """An array of another library as NumPy's; bfloat16, which NumPy has not, as float32."""
    home = home_of(x)
    if home == "torch":
        x = x.detach().cpu()
        return (x.float() if "bfloat16" in str(x.dtype) else x).numpy()
    if home == "cupy":
        return x.get()
    if home is None and is_array(x) and not isinstance(x, np.ndarray | np.generic):
        return np.from_dlpack(x)
    x = np.array(x) if home == "jax" and is_array(x) else x
    return x.astype(np.float32) if str(getattr(x, "dtype", "")) == "bfloat16" else x


def half_of(inputs: Sequence[Any]) -> tuple[str | None, Any]:
    """The half precision among these inputs, if there is one: its name and its dtype."""
    dtypes = (getattr(x, "dtype", None) for x in inside(inputs))
    names = ((str(dtype).removeprefix("torch."), dtype) for dtype in dtypes)
    return next((pair for pair in names if pair[0] in ("float16", "bfloat16")), (None, None))


def inside(x: Any) -> Iterator[Any]:
    """What containers hold, at any depth."""
    if isinstance(x, dict | list | tuple):
        for inner in x.values() if isinstance(x, dict) else x:
            yield from inside(inner)
    else:
        yield x


def dys(outputs: Sequence[Any]) -> list[str]:
    """Names of the upstream gradients."""
    return [f"dy{k}" * (len(outputs) > 1) or "dy" for k in range(len(outputs))]


def plain(names: Sequence[str]) -> list[str]:
    """Names of parameters deep inside as Python's: layers.0.W becomes layers_0_W."""
    words = [re.sub(r"\W+", "_", n).strip("_") for n in names]
    return [w if w.isidentifier() else f"p{w}" for w in words]


def renamed(function: Any, peer: Any, names: list[str], outputs: Sequence[Array]) -> list[Array]:
    """Give a function the names and the code of a subject; upstream gradients to take part."""
    rng, shown = np.random.default_rng(4), parameters(plain([*names, *dys(outputs)]))
    vars(function).update(__signature__=inspect.Signature(shown), __wrapped__=peer.backward)
    function.derived, function.__name__ = peer, f"gradient of {type(peer).__name__}"
    return [signed(rng, y.shape) for y in outputs]


@contextmanager
def without_gpu() -> Iterator[None]:
    """A subject that wants a GPU where there is none is refused in a sentence of its own."""
    try:
        yield
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1].filename.replace("\\", "/")
        if any(driver in last for driver in _DRIVERS):
            text = "it asks for a GPU, and there is none here: check it where there is one, or "
            text += f"let it follow the device of its inputs ({type(error).__name__}: {error})"
            raise refusal("forward", text) from error
        raise


def refusal(phase: str, sentence: str) -> SubjectError:
    """What makes the report say: cannot tell, and why."""
    return SubjectError(phase, sentence, "refused")


def listed(arrays: Any) -> list[Array | None]:
    """Copies, which no later call of the subject's changes."""
    return [None if a is None else np.array(a) for a in arrays]
