"""Layer: the one abstraction. A class with `forward`, and `backward` right below it.

Any object with these two methods is a layer; the base class only adds convenience. What is
here works on both: finding parameters, calling on tensors, copying for a second use.

The contract
 1. The gradient of `x` is called `dx`; of a parameter `W`, the attribute `dW`, which backward
    sets and never adds to.
 2. backward takes one gradient per output and returns one per input, in order, None for
    labels and indices; each has the shape and dtype of its input.
 3. Neither method writes into what it was given; no result is changed by a later call.
 4. backward is linear in the upstream gradient, in a loss too.
 5. Any memory layout, a batch of one and an empty batch: the same answer, or a clear error.
 6. Random layers draw from a `Stream`, never from global state; backward draws nothing.
 7. float32 stays float32 and float64 stays float64; integers are converted.
 8. The rule at a kink or tie stands in the docstring, with its source.
 9. No overflow where the answer is finite.
10. A wrong shape, dtype or value is an error that names layer, rule, what came, what would do.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from reprlib import recursive_repr
from typing import Any, Self

import numpy as np

from handgrad.arrays import Array, Stream, integers_become, is_array
from handgrad.attributes import arguments, assigned, given
from handgrad.inside import PLAIN
from handgrad.inside import is_layer as is_layer
from handgrad.inside import sublayers as sublayers
from handgrad.inside import walk as walk
from handgrad.naming import explain_arguments
from handgrad.protocols import LayerLike
from handgrad.tensor import CallRecord, Tensor, is_learning, is_recording


class Layer:
    """Base of handgrad's layers: names of parameters and buffers, modes, calling on tensors.

    A subclass writes `forward(*inputs)` and `backward(*output_gradients)`, and keeps each
    constructor argument under the argument's own name, so that a file can hold it.
    """

    params: tuple[str, ...] = ()  # learned arrays; backward sets d<name> for each
    buffers: tuple[str, ...] = ()  # arrays that are saved but not learned
    training = True
    linear = False  # y is linear in the real inputs: backward uses only their shapes
    needs_input_grad = True  # False where the gradient of the input is not needed
    stream: Stream | None = None  # random numbers; a network gives each layer its own
    dtype: Any = None  # of parameters still to be made; None: that of the first input
    followed_by: Any = None  # the next layer in a Sequential: initial weights depend on it

    def __new__(cls, *arguments: Any, **named: Any) -> Self:
        """A layer still to be initialized; a foreign name of an argument is answered with ours."""
        if named:
            explain_arguments(cls, named)
        if (arguments or named) and cls.__init__ is object.__init__:
            raise TypeError(f"{cls.__name__} takes no arguments")
        return super().__new__(cls)

    def forward(self, *inputs: Any) -> Any:
        """Outputs from inputs; keeps on self what backward needs."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, *gradients: Any) -> Any:
        """Gradients of the inputs from gradients of the outputs; sets those of parameters."""
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def build(self, *inputs: Any) -> None:
        """Make the parameters, with sizes from the inputs; without inputs, if sizes are known."""

    def __getattr__(self, name: str) -> Any:
        # Reached only for what is not there: a parameter before its first use.
        if name in self.params:
            given = {n: self.__dict__.pop(n) for n in self.params if n in self.__dict__}
            try:  # parameters that were given stay, the others are made
                self.build()
            finally:
                self.__dict__.update(given)
            if name in self.__dict__:
                return self.__dict__[name]
            raise AttributeError(
                f"{type(self).__name__} has no {name} yet: its size is found from the first "
                "batch; use the layer once, or call build(x) with a batch"
            )
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __call__(self, *inputs: Any) -> Any:
        """forward on arrays; on tensors the use is recorded."""
        return apply(self, *inputs)

    def train(self) -> Any:
        """Set training mode on this layer and all inside it."""
        return self._set_mode(True)

    def eval(self) -> Any:
        """Set evaluation mode on this layer and all inside it."""
        return self._set_mode(False)

    def _set_mode(self, training: bool) -> Any:
        for _, layer in walk(self):
            if hasattr(layer, "training"):
                layer.training = training
        return self

    def draw(self) -> Stream:
        """This layer's random stream; one with seed 0 unless it was given one."""
        if self.stream is None:
            self.stream = Stream()
        return self.stream

    def config(self) -> dict[str, Any]:
        """The constructor's arguments, as this layer keeps them."""
        return {name: getattr(self, name) for name in arguments(type(self))}

    @property
    def members(self) -> tuple[Any, ...]:
        """The layers that the constructor took as *args."""
        return ()

    @recursive_repr("...")
    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(given(self, self.members))})"


# What `inspect.signature` says of a layer without __init__: __new__ lets everything through.
_CLS = inspect.Parameter("cls", inspect.Parameter.POSITIONAL_ONLY)
Layer.__new__.__signature__ = inspect.Signature([_CLS])  # type: ignore[attr-defined]


def parameter_names(layer: Any) -> tuple[str, ...]:
    """Names of a layer's own parameters.

    A `Layer` says them in `params`. Without the base class they are the float arrays `W` of the
    object that forward reads and never assigns, and whose gradient `dW` backward assigns or the
    constructor made (None, or an array of W's shape). What forward assigns, with the methods
    that it calls, is state: `x`, `mask`, or the `c` and `h` of a recurrent layer.
    """
    if isinstance(layer, Layer):
        return layer.params
    state = vars(layer)
    cls: Any = type(layer)
    return tuple(
        name
        for name, value in state.items()
        if getattr(getattr(value, "dtype", None), "kind", "") == "f"
        and hasattr(value, "__array__")
        and not isinstance(value, Tensor)
        and name not in assigned(cls, "forward")
        and ("d" + name in assigned(cls, "backward") or _made_for(state.get("d" + name, 0), value))
    )


def _made_for(gradient: Any, value: Any) -> bool:
    """Whether the constructor made this as the gradient of the value."""
    return gradient is None or getattr(gradient, "shape", None) == value.shape != ()


def clear_gradients(owner: Any, *names: str) -> None:
    """Take away the gradients of an earlier backward, so that one which is not set is missing.

    Where backward never assigns one but writes into an array, it gets an array of its own.
    """
    state: dict[str, Any] = owner.__dict__
    cls: Any = type(owner)
    for name in names:
        key = "d" + name
        held = state.get(key)
        if held is not None:
            into = isinstance(held, np.ndarray) and key not in assigned(cls, "backward")
            state[key] = np.zeros_like(held) if into else None


@dataclass(frozen=True, slots=True)
class Slot:
    """A parameter as an attribute: `owner.name`, found under `path` from the outside."""

    path: str
    owner: Any
    name: str

    @property
    def value(self) -> Any:
        """The parameter; None before its size is known."""
        held = getattr(self.owner, self.name, None)
        return held.data if isinstance(held, Tensor) else held

    @property
    def grad(self) -> Array | None:
        """The gradient that the last backward set."""
        held = getattr(self.owner, self.name, None)
        return held.grad if isinstance(held, Tensor) else getattr(self.owner, "d" + self.name, None)

    def set(self, value: Array) -> None:
        """Put another array in the parameter's place."""
        held = getattr(self.owner, self.name, None)
        if isinstance(held, Tensor):
            held.data = value
        else:
            setattr(self.owner, self.name, value)

    def set_grad(self, value: Array | None) -> None:
        """Put another array in the gradient's place."""
        held = getattr(self.owner, self.name, None)
        if isinstance(held, Tensor):
            held.grad = value
        else:
            setattr(self.owner, "d" + self.name, value)

    def clear(self) -> None:
        """Take away the gradient of an earlier backward."""
        held = getattr(self.owner, self.name, None)
        if isinstance(held, Tensor):
            held.grad = None
        else:
            clear_gradients(self.owner, self.name)


class Parameter(Tensor):
    """A learned tensor that belongs to a network rather than to a layer."""

    __slots__ = ()


def slots(layer: Any) -> list[Slot]:
    """Every parameter of a layer or network, in order, each once."""
    found = []
    tensors: set[int] = set()  # one that has several owners is one parameter
    for path, inner in walk(layer):
        names = dict.fromkeys(parameter_names(inner))
        for name, value in getattr(inner, "__dict__", {}).items():
            if isinstance(value, Parameter) and id(value) not in tensors:
                tensors.add(id(value))
                names[name] = None
        found += [Slot(f"{path}.{name}" if path else name, inner, name) for name in names]
    return found


def shallow_clone(layer: Any, training: bool | None = None) -> Any:
    """A copy with its own state that shares the parameters, for a second use of a layer.

    Layers inside are cloned too; arrays, buffers and random streams are shared. `training`
    sets the mode of the copy.
    """
    copy = object.__new__(type(layer))
    state = copy.__dict__
    state.update(layer.__dict__)
    for name, value in state.items():
        if isinstance(value, PLAIN) or name == "followed_by":
            continue
        if isinstance(value, list | tuple):
            state[name] = type(value)(
                shallow_clone(v, training) if is_layer(v) else v for v in value
            )
        elif isinstance(value, dict):
            state[name] = type(value)(
                (k, shallow_clone(v, training) if is_layer(v) else v) for k, v in value.items()
            )
        elif is_layer(value):
            state[name] = shallow_clone(value, training)
    if training is not None and hasattr(layer, "training"):
        copy.training = training
    return copy


def apply(layer: LayerLike, *inputs: Any) -> Any:
    """Use a layer on inputs: forward on arrays, a recorded call on tensors.

    Inside `learning()` a layer with parameters is recorded on arrays too.
    """
    on_tensors = any(isinstance(x, Tensor) for x in inputs)
    if not on_tensors and not (is_learning() and slots(layer)):
        return run_forward(layer, *inputs)
    arrays = [x.data if isinstance(x, Tensor) else x for x in inputs]
    if isinstance(layer, Layer):
        layer.build(*arrays)  # on the original: the copy would keep the new parameters
    if not is_recording():
        outputs = run_forward(layer, *arrays)
        if isinstance(outputs, tuple | list):
            return tuple(Tensor(y, requires_grad=False) for y in outputs)
        return Tensor(outputs, requires_grad=False)

    copy = shallow_clone(layer)
    copy.needs_input_grad = any(isinstance(x, Tensor) and x.requires_grad for x in inputs)
    inner, tensors = [copy], list[Tensor]()
    if isinstance(layer, Layer) and next(sublayers(layer), None) is None:  # alone
        owners = [(copy, layer, n) for n in layer.params]
    else:
        inner = [inside for _, inside in walk(copy)]
        owners, tensors = _parameters(copy, layer)
    for owner, _, name in owners:
        clear_gradients(owner, name)
    steps = [(i, i.stream.step) for i in inner if getattr(i, "stream", None) is not None]
    outputs = run_forward(copy, *arrays)
    several = isinstance(outputs, tuple | list)
    call = CallRecord(copy, layer, inputs, owners, steps, tensors)
    made = call.produce(tuple(outputs) if several else (outputs,))
    return made if several else made[0]


def run_forward(layer: Any, *inputs: Any) -> Any:
    """forward on arrays; in a network, integers meant as real numbers become its dtype."""
    kinds = {getattr(getattr(x, "dtype", None), "kind", "") for x in inputs}
    dtype = None if kinds.isdisjoint("iub") else parameter_dtype(layer)
    if dtype is None:
        return layer.forward(*inputs)
    if kinds == {"b"} and len(inputs) == 1:  # NumPy does not negate or subtract booleans
        inputs = (inputs[0].astype(np.int64),)
    with integers_become(dtype):
        outputs = layer.forward(*inputs)
    if "f" in kinds or getattr(getattr(outputs, "dtype", None), "kind", "") != "f":
        return outputs
    return outputs.astype(dtype, copy=False)


def parameter_dtype(layer: Any) -> Any:
    """What a layer computes in: the dtype that a network gave it, or that of its parameters."""
    if isinstance(layer, Layer):
        return layer.dtype
    return next((slot.value.dtype for slot in slots(layer) if slot.value is not None), None)


def _parameters(copy: Any, layer: Any) -> tuple[list[tuple[Any, Any, str]], list[Tensor]]:
    """(copy, original, name) for every parameter of a layer that was cloned, and the tensors.

    A layer that is reached in two ways has two clones, and so two gradients that are summed.
    """
    owners: list[tuple[Any, Any, str]] = []
    tensors: dict[int, Tensor] = {}
    pairs = [(copy, layer)]
    while pairs:
        copy, layer = pairs.pop()
        owners += [(copy, layer, name) for name in parameter_names(layer)]
        state = getattr(layer, "__dict__", {})
        tensors |= {id(v): v for v in state.values() if isinstance(v, Parameter)}
        pairs += [(c, x) for (_, c), (_, x) in zip(sublayers(copy), sublayers(layer), strict=True)]
    return owners, list(tensors.values())


def adopt(layer: Any, seed: int, dtype: Any, first: int = 0) -> None:
    """Give every layer inside the network's dtype, and a random stream numbered by its order.

    first: the first number, so that layers that came later get numbers of their own.
    """
    for number, (_, inner) in enumerate(walk(layer), first):
        if isinstance(inner, Layer):
            inner.dtype = np.dtype(dtype)
            if inner.stream is None:
                inner.stream = Stream(seed, number)


def as_input(x: Any, dtype: Any) -> Array:
    """x as an array for a network: floats in its dtype, integers (labels, indices) as they are."""
    array = x if is_array(x) and hasattr(x, "shape") else np.asarray(x)
    return array.astype(dtype, copy=False) if array.dtype.kind == "f" else array
