"""Subjects of other libraries, turned into objects with forward and backward on NumPy arrays.

    torch.autograd.Function   its own forward and backward, through PyTorch's autograd
    torch.nn.Module           forward of the module, backward by autograd: wrong where a Function
                              inside it is wrong
    jax.custom_vjp            and any other callable of JAX's, through jax.vjp
    objects on CuPy arrays    the object itself, with arrays carried to the device and back

No library is imported here before a subject of its own has come: it must have been imported
then. Arrays share memory with the subject's where they can, in the layout they came in, so that
a backward that writes into its gradient, or reads it as if it were contiguous, is seen.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from handgrad.arrays import Array


def adapt(thing: Any, inputs: Sequence[Any]) -> tuple[Any, list[Any]]:
    """The subject as an object with forward and backward, and its inputs as NumPy arrays.

    What belongs to no other library is given back as it came.
    """
    torch, jax, cupy = (sys.modules.get(name) for name in ("torch", "jax", "cupy"))
    if torch is not None and hasattr(torch, "nn"):
        if isinstance(thing, type) and issubclass(thing, torch.autograd.Function):
            thing = TorchFunction.of(thing)
        elif isinstance(thing, torch.nn.Module):
            thing = TorchModule.of(thing)
    if jax is not None and _is_of(jax, thing):
        thing = JaxFunction.of(thing)
    if cupy is not None and _uses(cupy.ndarray, thing, inputs):
        thing = CupyLayer.of(thing)
    return thing, [_as_numpy(x) for x in inputs]


def _is_of(jax: Any, thing: Any) -> bool:
    """Whether a thing is one of JAX's functions."""
    home = type(thing).__module__.split(".")[0]
    return callable(thing) and home in ("jax", "jaxlib") and hasattr(jax, "vjp")


def _uses(kind: type, thing: Any, inputs: Sequence[Any]) -> bool:
    """Whether an input or an attribute is an array of this kind."""
    held = vars(thing).values() if hasattr(thing, "__dict__") else ()
    return any(isinstance(x, kind) for x in (*inputs, *held))


def _as_numpy(x: Any) -> Any:
    """An array of another library as NumPy's; anything else as it is."""
    home = type(x).__module__.split(".")[0]
    if home == "torch":
        return x.detach().cpu().numpy()
    if home == "cupy":
        return x.get()
    return np.array(x) if home in ("jax", "jaxlib") else x


class Peer:
    """What the adapters share: a class of the subject's own name, and copies.

    `graph` is what forward leaves for backward. Copies share what is never changed.
    """

    shared: tuple[str, ...] = ("graph", "function", "module")
    graph: Any = None

    @classmethod
    def of(cls, thing: Any) -> Any:
        """An adapter around the thing, under its name, with its signature and its source."""
        name = getattr(thing, "__name__", type(thing).__name__)
        forward, backward, skipped = cls.sources(thing)
        signature = inspect.signature(forward)
        named = list(signature.parameters.values())[skipped:]
        methods = {
            "forward": _standing_in(cls.forward, forward, named),
            "backward": _standing_in(cls.backward, backward, [ANY_NUMBER]),
        }
        return type(name, (cls,), methods)(thing)

    @staticmethod
    def sources(thing: Any) -> tuple[Callable, Callable, int]:
        """The subject's own forward and backward, and how many parameters come before inputs."""
        return thing.forward, thing.backward, 0

    def __init__(self, thing: Any):
        raise NotImplementedError

    def forward(self, *inputs: Any) -> Any:
        """Outputs as NumPy arrays."""
        raise NotImplementedError

    def backward(self, *gradients: Any) -> Any:
        """Gradients of the inputs as NumPy arrays."""
        raise NotImplementedError

    def __deepcopy__(self, memo: dict[int, Any]) -> Peer:
        clone = object.__new__(type(self))
        memo[id(self)] = clone
        for name, value in vars(self).items():
            clone.__dict__[name] = value if name in self.shared else copy.deepcopy(value, memo)
        return clone


ANY_NUMBER = inspect.Parameter("gradients", inspect.Parameter.VAR_POSITIONAL)


def _standing_in(method: Callable, source: Callable, named: list[inspect.Parameter]) -> Callable:
    """The adapter's method, which shows the subject's source and the names of its arguments."""

    def standing_in(self: Any, *arrays: Any) -> Any:
        return method(self, *arrays)

    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    shown = {"__wrapped__": source, "__signature__": inspect.Signature([own, *named])}
    vars(standing_in).update(shown)
    return standing_in


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """PyTorch on one thread, which is many times faster for small arrays on a busy machine, and
    with random numbers that follow NumPy's: the same seed, the same numbers."""
    import torch

    threads, state = torch.get_num_threads(), torch.default_generator.get_state()
    torch.set_num_threads(1)
    torch.default_generator.manual_seed(np.random.randint(2**31))
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.default_generator.set_state(state)


class TorchFunction(Peer):
    """A torch.autograd.Function: `apply` forwards, autograd backwards."""

    def __init__(self, function: Any):
        self.function = function

    @staticmethod
    def sources(thing: Any) -> tuple[Callable, Callable, int]:
        """ctx comes before the inputs, unless the function has a setup_context."""
        first = next(iter(inspect.signature(thing.forward).parameters), "")
        return thing.forward, thing.backward, int(first == "ctx")

    def forward(self, *inputs: Any) -> Any:
        leaves = [_leaf(x) for x in inputs]
        with _quietly():
            outputs = self.function.apply(*leaves)
        self.graph = leaves, outputs
        return _arrays(outputs)

    def backward(self, *gradients: Array) -> tuple[Array | None, ...]:
        leaves, outputs = self.graph
        return tuple(_torch_gradients(outputs, gradients, leaves))


class TorchModule(Peer):
    """A torch.nn.Module: its parameters as NumPy arrays, run with torch.func.functional_call."""

    def __init__(self, module: Any):
        self.module = copy.deepcopy(module)  # what a forward leaves on it stays on the copy
        self.params = {k: v.detach().numpy().copy() for k, v in module.named_parameters()}
        self.grads: dict[str, Any] = dict.fromkeys(self.params)

    @staticmethod
    def sources(thing: Any) -> tuple[Callable, Callable, int]:
        """Autograd is the backward, so the forward is what can be looked at."""
        return thing.forward, thing.forward, 0

    def forward(self, *inputs: Any) -> Any:
        import torch

        leaves = [_leaf(x) for x in inputs]
        weights = {k: _leaf(v) for k, v in self.params.items()}
        real = next((v.dtype for v in weights.values()), torch.float64)
        buffers = {
            k: v.detach().clone().to(real if v.is_floating_point() else v.dtype)
            for k, v in self.module.named_buffers()
        }
        with _quietly():
            outputs = torch.func.functional_call(self.module, {**weights, **buffers}, tuple(leaves))
        self.graph = leaves, weights, outputs
        return _arrays(outputs)

    def backward(self, *gradients: Array) -> tuple[Array | None, ...]:
        leaves, weights, outputs = self.graph
        found = _torch_gradients(outputs, gradients, [*leaves, *weights.values()])
        for (name, value), gradient in zip(self.params.items(), found[len(leaves) :]):
            self.grads[name] = np.zeros_like(value) if gradient is None else gradient
        return tuple(found[: len(leaves)])


def _leaf(x: Any) -> Any:
    """A tensor on the same memory, in the same layout where PyTorch has it; reals want gradients.

    PyTorch has no negative strides: such an array is copied.
    """
    import torch

    if not isinstance(x, np.ndarray | np.generic | float):
        return x
    array = np.asarray(x)
    if any(s < 0 for s in array.strides):
        array = array.copy()
    tensor = torch.from_numpy(array)
    return tensor.requires_grad_() if tensor.is_floating_point() else tensor


def _torch_gradients(outputs: Any, gradients: Sequence[Any], leaves: list[Any]) -> list[Any]:
    """Gradients of the leaves that have one; None for the others."""
    import torch

    given = zip(_flat(outputs), gradients)
    pairs = [(y, _leaf(np.asarray(g)).detach()) for y, g in given if y.requires_grad]
    wanted = [t for t in leaves if isinstance(t, torch.Tensor) and t.requires_grad]
    if not pairs:
        return [None] * len(leaves)
    roots, upstream = zip(*pairs)
    found = iter(torch.autograd.grad(roots, wanted, upstream, retain_graph=True, allow_unused=True))
    listed = [next(found) if any(t is w for w in wanted) else None for t in leaves]
    return [None if g is None else g.detach().numpy() for g in listed]


def _arrays(outputs: Any) -> Any:
    arrays = tuple(y.detach().numpy() for y in _flat(outputs))
    return arrays if isinstance(outputs, tuple | list) else arrays[0]


def _flat(outputs: Any) -> Iterator[Any]:
    """The tensors of nested tuples, as an LSTM returns them."""
    if isinstance(outputs, tuple | list):
        for inner in outputs:
            yield from _flat(inner)
    else:
        yield outputs


class JaxFunction(Peer):
    """A function of JAX's: jax.vjp runs its forward rule, and the pullback its backward rule."""

    def __init__(self, function: Any):
        self.function = function

    @staticmethod
    def sources(thing: Any) -> tuple[Callable, Callable, int]:
        """The function, and the backward rule of a custom_vjp."""
        primal = getattr(thing, "fun", thing)
        return primal, getattr(thing, "bwd", None) or primal, 0

    def forward(self, *inputs: Any) -> Any:
        import jax

        with jax.enable_x64(True):
            outputs, pullback = jax.vjp(self.function, *map(jax.numpy.asarray, inputs))
        self.graph = outputs, pullback
        return jax.tree.map(np.array, outputs)

    def backward(self, *gradients: Any) -> tuple[Array | None, ...]:
        import jax

        outputs, pullback = self.graph
        with jax.enable_x64(True):
            leaves, tree = jax.tree.flatten(outputs)
            upstream = [jax.numpy.asarray(g, y.dtype) for g, y in zip(gradients, leaves)]
            found = pullback(jax.tree.unflatten(tree, upstream))
        none = jax.dtypes.float0  # the gradient of an integer
        return tuple(None if g.dtype == none else np.array(g) for g in found)


class CupyLayer(Peer):
    """A layer on CuPy arrays: inputs and parameters go to the device, results come back.

    Its parameters are the arrays `X` that it holds beside an attribute `dX`.
    """

    def __init__(self, layer: Any):
        self.methods = layer.forward, layer.backward  # all that is asked of it from here on
        held = {k: v for k, v in vars(layer).items() if hasattr(layer, f"d{k}")}
        self.params = {k: _as_numpy(v) for k, v in held.items()}
        self.grads: dict[str, Any] = dict.fromkeys(self.params)

    def forward(self, *inputs: Any) -> Any:
        forward = self.methods[0]
        for name, value in self.params.items():
            setattr(forward.__self__, name, _to_device(value))
        return _on_device(forward, inputs)

    def backward(self, *gradients: Any) -> Any:
        backward = self.methods[1]
        found = _on_device(backward, gradients)
        self.grads = {k: _as_numpy(getattr(backward.__self__, f"d{k}")) for k in self.params}
        return found


def _on_device(method: Callable, arrays: Sequence[Any]) -> Any:
    """method(*arrays) on the device; what it writes into an array shows in ours too."""
    theirs = [_to_device(x) for x in arrays]
    result = method(*theirs)
    for ours, there in zip(arrays, theirs):
        if isinstance(ours, np.ndarray) and ours.flags.writeable:
            ours[...] = _as_numpy(there)
    return tuple(map(_as_numpy, result)) if isinstance(result, tuple) else _as_numpy(result)


def _to_device(x: Any) -> Any:
    import cupy

    return cupy.asarray(x) if isinstance(x, np.ndarray) else x
