"""as_torch: a layer or network of ours as a torch.nn.Module."""

from __future__ import annotations

import functools
import operator
from typing import Any

import numpy as np

from handgrad.layer import is_layer, shallow_clone, slots, walk
from handgrad.network import Network
from handgrad.tensor import Tensor, learning


def as_torch(layer: Any, *example: Any) -> Any:
    """A torch.nn.Module around a layer or network, to be used among PyTorch's.

    Its parameters are ours: the memory is shared, so that an optimizer of PyTorch's trains our
    weights. Each call keeps a state of its own. example: inputs that sizes are found from, where
    they are not known yet. On CPU tensors; a gradient of its gradient is not there.
    Raises ValueError for what is no layer, or has no sizes.
    """
    import torch

    if not is_layer(layer):
        raise ValueError(f"as_torch: a layer or network is needed, got a {type(layer).__name__}")
    if example:
        _build(layer, [np.asarray(x) for x in example])
    held = slots(layer)
    for slot in held:
        if slot.value is None:
            raise ValueError(f"as_torch: {slot.path} has no size yet; give an example of its input")
    return _module(torch, layer)


def _build(layer: Any, inputs: list[Any]) -> None:
    if isinstance(layer, Network):
        layer.build(*inputs)
    else:
        shallow_clone(layer, training=False).forward(*inputs)


def _use(torch: Any) -> Any:
    """One call of a layer as a function of PyTorch's."""

    class Use(torch.autograd.Function):
        """One call of the layer."""

        @staticmethod
        def forward(ctx: Any, layer: Any, count: int, *tensors: Any) -> Any:
            inputs = [_incoming(x) for x in tensors[:count]]
            ctx.inputs, ctx.held = inputs, slots(layer)
            with learning():
                ctx.outputs = layer(*inputs)
            made = ctx.outputs if isinstance(ctx.outputs, tuple) else (ctx.outputs,)
            arrays = [
                torch.from_numpy(np.array(y.data if isinstance(y, Tensor) else y)) for y in made
            ]
            return tuple(arrays) if isinstance(ctx.outputs, tuple) else arrays[0]

        @staticmethod
        def backward(ctx: Any, *upstream: Any) -> Any:
            made = ctx.outputs if isinstance(ctx.outputs, tuple) else (ctx.outputs,)
            for slot in ctx.held:
                slot.clear()
            pairs = [(y, dy.numpy()) for y, dy in zip(made, upstream) if isinstance(y, Tensor)]
            if len(pairs) == 1:
                pairs[0][0].backward(pairs[0][1], retain=True)
            elif pairs:  # the gradients of several outputs meet in one scalar
                functools.reduce(operator.add, [(y * dy).sum() for y, dy in pairs]).backward(
                    retain=True
                )
            gradients = [x.grad if isinstance(x, Tensor) else None for x in ctx.inputs]
            gradients += [slot.grad for slot in ctx.held]
            return (
                None,
                None,
                *(None if g is None else torch.from_numpy(np.array(g)) for g in gradients),
            )

    return Use


def _module(torch: Any, wrapped: Any) -> Any:
    use = _use(torch)

    class Wrapped(torch.nn.Module):
        """A layer of handgrad's."""

        def __init__(self) -> None:
            super().__init__()
            self.layer = wrapped
            for slot in slots(wrapped):
                shared = torch.nn.Parameter(torch.from_numpy(slot.value))
                self.register_parameter(slot.path.replace(".", "_"), shared)

        def forward(self, *inputs: Any) -> Any:
            parameters = list(self.parameters())
            for slot, parameter in zip(slots(self.layer), parameters):
                array = parameter.detach().numpy()
                if array.ctypes.data != slot.value.ctypes.data:  # in a copy of this module
                    slot.value[...] = array
            return use.apply(self.layer, len(inputs), *inputs, *parameters)

        def train(self, mode: bool = True) -> Any:
            super().train(mode)
            for _, inner in walk(self.layer):
                inner.training = mode
            return self

        def extra_repr(self) -> str:
            return repr(self.layer)

    return Wrapped()


def _incoming(x: Any) -> Any:
    """A real tensor as one of ours, whose gradient is asked for; others as arrays."""
    array = x.detach().numpy()
    return Tensor(array) if array.dtype.kind == "f" else array
