"""Any thing with a forward and a backward, behind one small protocol."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.subject import copying
from handgrad.subject.dressing import Box, dressed, positional
from handgrad.subject.outside import Outside
from handgrad.subject.parameters import Parameter, as_array, discover, put, reach
from handgrad.subject.sandbox import Sandbox, SubjectError, Unfit
from handgrad.subject.wide import widened

_CACHES = {"cache", "caches", "ctx", "context", "saved", "state", "residuals", "memory", "res"}


class Pair:
    """Two functions as one layer: `forward(*inputs)` and `backward(*gradients)`.

    State may live in a closure that the two share, or travel by hand: where forward returns
    (output, …, cache) and backward takes the cache too, as its last argument or by a name like
    `cache`, it is kept here. reading: what the first forward shows, for all copies; hidden, how
    many arguments of backward that it shows are no gradients.
    """

    def __init__(
        self, forward: Callable[..., Any], backward: Callable[..., Any], cache_at: int | None
    ):
        self.forward_function, self.backward_function = forward, backward
        self.reading: Any = Box(
            cache_at=cache_at, known=cache_at is not None, hidden=0, doubtful=False
        )

    def forward(self, *inputs: Any) -> Any:
        result, reading = self.forward_function(*inputs), self.reading
        if not reading.known:
            self._read(result, inputs)
        if reading.cache_at is None:
            return result
        if not isinstance(result, tuple) or len(result) < 2:
            raise TypeError("backward wants a cache, and forward returned none beside its output")
        *outputs, self.cache = result
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def _read(self, result: Any, inputs: Sequence[Any]) -> None:
        """Whether the last of what forward returns is an output; an array may also be a cache."""
        taken, reading = positional(self.backward_function), self.reading
        reading.known = True
        if isinstance(result, tuple) and len(result) == len(taken) > 1:
            last, others = result[-1], (*inputs, *result[:-1])
            real = "float" in str(getattr(last, "dtype", type(last)))
            reading.doubtful = real and not any(last is other for other in others)
            if not reading.doubtful:
                reading.cache_at, reading.hidden = len(taken) - 1, 1

    def backward(self, *gradients: Any) -> Any:
        given = list(gradients)
        if self.reading.cache_at is not None:
            given.insert(self.reading.cache_at, self.cache)
        return self.backward_function(*given)


def paired(
    forward: Callable[..., Any], backward: Callable[..., Any], cache_at: int | None = None
) -> Pair:
    """Two functions as one layer under the name of the first."""
    taken = positional(backward)
    named = (k for k, p in enumerate(taken) if p.name.lower() in _CACHES)
    cache_at = next(named, None) if cache_at is None else cache_at
    gradients = [p for k, p in enumerate(taken) if k != cache_at]
    cls = dressed(
        Pair, getattr(forward, "__name__", "the pair"), forward, backward, None, gradients
    )
    made: Pair = cls(forward, backward, cache_at)
    return made


def with_cache(subject: Subject) -> Any:
    """A pair whose forward's last array may be no output but a cache, read so; None for others."""
    pair = subject.thing
    if not isinstance(pair, Pair) or not pair.reading.doubtful:
        return None
    at = len(positional(pair.backward_function)) - 1
    return paired(pair.forward_function, pair.backward_function, at)


class Subject:
    """A layer under examination: copies of it, its calls, and its parameters by name."""

    def __init__(self, thing: Any, sandbox: Sandbox, maker: Callable[[], Any] | None = None):
        self.thing, self.sandbox, self.maker = thing, sandbox, maker
        self.outside = Outside(thing)
        self.capacity: int | None = None  # upstream gradients that backward takes
        self.zeroing: list[str] | None = None  # what it is told before backward, if anything
        self.shown: tuple[Any, list[str]] = None, []  # a class, and input names of its forward
        self.gathers = False  # a list of outputs has one list of gradients
        self.parameters: dict[str, Parameter] = {}
        self.notes: set[str] = set()
        self.rtol: float | None = None  # largest relative error that is right, if that is stated
        self.wide = False  # whether casts to fewer digits do nothing
        self.declared = 0  # gradients that the last backward returned in a tuple or a list

    @property
    def name(self) -> str:
        return type(self.thing).__name__

    @property
    def input_names(self) -> list[str]:
        """What forward calls its inputs."""
        if self.shown[0] is not type(self.thing):
            taken = positional(self.thing.forward)
            names = [p.name for p in taken if p.kind is not p.VAR_POSITIONAL]
            self.shown = type(self.thing), names
        return self.shown[1]

    def around(self, thing: Any) -> Subject:
        """The same subject around another object."""
        other = object.__new__(Subject)
        other.__dict__.update(self.__dict__, thing=thing)
        return other

    def copy(self) -> Subject:
        """An independent copy in the same state; what the class itself holds is put back."""
        self.outside.restore()
        return self.around(copying.duplicate(self.thing))

    def cast(self, dtype: Any) -> Subject:
        """An independent copy whose arrays have another dtype."""
        other = self.around(copying.cast(self.thing, dtype))
        other.wide = False
        return other

    def without_casts(self) -> Subject:
        """An independent copy in float64, in which casts to fewer digits do nothing."""
        other = self.around(copying.cast(self.thing, np.float64, wide=True))
        other.wide = True
        return other

    def forward(self, inputs: Sequence[Any], seed: int | None = None) -> list[Array]:
        """The outputs, as arrays."""
        self.outside.rewind()
        inputs = list(map(widened, inputs)) if self.wide else inputs
        result = self.sandbox.call("forward", self.thing.forward, *inputs, seed=seed)
        return self._outputs(result)

    def backward(self, gradients: Sequence[Any], seed: int = 1) -> list[Array | None]:
        """The gradients of the inputs, as arrays or None."""
        if self.zeroing is None:
            kinds = ("zero_grad", "zero_grads")
            self.zeroing = [n for n in kinds if callable(getattr(self.thing, n, None))][:1]
        for name in self.zeroing:
            self.sandbox.call("backward", getattr(self.thing, name))
        given = gradients[: self.upstream_count(len(gradients))]
        given = list(map(widened, given)) if self.wide else given
        given = [list(given)] if self.gathers else given
        seed += self.sandbox.seed
        result = self.sandbox.call("backward", self.thing.backward, *given, seed=seed)
        return self._input_gradients(result)

    def upstream_count(self, outputs: int) -> int:
        """How many upstream gradients backward takes, of one for each output."""
        if self.capacity is None:
            taken = positional(self.thing.backward)
            several = any(p.kind is p.VAR_POSITIONAL for p in taken)
            self.capacity = 1_000_000 if several else len(taken)
            self.capacity -= getattr(getattr(self.thing, "reading", None), "hidden", 0)
        return outputs if self.gathers else min(outputs, self.capacity)

    def get(self, name: str) -> Array:
        """A parameter's value."""
        return np.asarray(reach(self.thing, self.parameters[name].path))

    def put(self, name: str, value: Array) -> None:
        """Change a parameter's value."""
        put(self.thing, self.parameters[name].path, value)

    def gradient(self, name: str) -> Array | None:
        """A parameter's gradient, as the last backward left it."""
        path = self.parameters[name].gradient
        return None if path is None else as_array(reach(self.thing, path))

    def find_parameters(self, missing: bool = True) -> None:
        """Look for parameters; forward and backward have run."""
        self.parameters = {p.name: p for p in discover(self.thing, missing)}

    def _outputs(self, result: Any) -> list[Array]:
        if type(result) is np.ndarray and result.dtype.kind == "f":
            return [result]
        if result is None:
            raise SubjectError("forward", "forward returns None; it has to return its output")
        if isinstance(result, list | tuple) and not all(_plain_number(v) for v in result):
            items = list(result)
            if isinstance(result, list) and all(isinstance(v, list) for v in items):
                items = [items]
        else:
            items = [result]
        if isinstance(result, list):
            self.notes.add("forward returns a list; it was read as arrays")
            self.gathers = False
            several = len(items) > 1 and all(isinstance(v, np.ndarray) for v in items)
            self.gathers = several and self.upstream_count(2) == 1
        items = items[: max(self.upstream_count(len(items)), 1)]  # the rest is for other uses
        arrays = [as_array(getattr(v, "data", v) if _is_tensor(v) else v) for v in items]
        if any(a is None for a in arrays):
            kinds = ", ".join(type(v).__name__ for v in items)
            raise SubjectError("forward", f"forward returns {kinds} where arrays are needed")
        return [a for a in arrays if a is not None]

    def _input_gradients(self, result: Any) -> list[Array | None]:
        if isinstance(result, list):
            self.notes.add("backward returns a list; it was read as arrays")
            if all(isinstance(v, list) for v in result):
                result = np.asarray(result)
        if isinstance(result, dict):
            result = tuple(result.get(n, result.get(f"d{n}")) for n in self.input_names)
        self.declared = len(result) if isinstance(result, list | tuple) else 0
        several = isinstance(result, list | tuple) and not all(_plain_number(v) for v in result)
        if isinstance(result, tuple) and len(self.input_names) > 1:
            several = True
        return [as_array(v) for v in result] if several else [as_array(result)]


def adapt(thing: Any, sandbox: Sandbox) -> Subject:
    """The subject in anything that `check` accepts; Unfit, in plain words, for the rest."""
    if isinstance(thing, list | tuple) and thing and isinstance(thing[0], type):
        thing = functools.partial(thing[0], *thing[1:])
    if isinstance(thing, type | functools.partial):
        made = sandbox.call("constructor", thing)
        return _with_methods(made, sandbox, thing)
    if isinstance(thing, list | tuple) and len(thing) == 2 and all(callable(f) for f in thing):
        return Subject(paired(*thing), sandbox)
    return _with_methods(thing, sandbox, None)


def _with_methods(thing: Any, sandbox: Sandbox, maker: Callable[..., Any] | None) -> Subject:
    lacking = [m for m in ("forward", "backward") if not callable(getattr(thing, m, None))]
    if lacking:
        book = all(callable(getattr(thing, m, None)) for m in ("loss", "gradient"))
        raise Unfit(
            f"{type(thing).__name__} has no {' and no '.join(lacking)}; "
            + ("`handgrad check FILE.py` proves networks with loss and gradient; " if book else "")
            + "check wants an object with forward and backward, a pair of functions (forward, "
            "backward), or (Class, *constructor arguments)"
        )
    return Subject(thing, sandbox, maker)


def _plain_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, np.ndarray)


def _is_tensor(value: Any) -> bool:
    return type(value).__module__.startswith("handgrad.tensor")
