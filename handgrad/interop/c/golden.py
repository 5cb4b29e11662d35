"""Golden numbers: what Python computes for an input that C can make itself."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.interop.c.losses import takes_labels
from handgrad.interop.c.program import Program
from handgrad.layer import as_input, walk
from handgrad.layers import ColumnEmbedding, Embedding, SigmoidCrossEntropy
from handgrad.layers.recurrent.state import forgetting, length_mask
from handgrad.network import Network
from handgrad.tensor import Tensor, no_grad

SHOWN = 8  # elements of each gradient and parameter that are compared


def noise(count: int) -> Array:
    """Numbers in [-1, 1) as `golden` of the C file makes them: exact in float32."""
    words = np.arange(count, dtype=np.uint32) * np.uint32(2654435761)
    return (words >> np.uint32(8)).astype(np.float32) / np.float32(8388608) - np.float32(1)


@dataclass
class Golden:
    """Inputs, outputs, loss, and some elements of gradients and of parameters after an update.

    y: of one call, and of a second where states are kept. gradients, updated: by name, (index,
    value) pairs. largest: what is compared is compared relative to the largest element of its
    array, by its name.
    """

    x: Array
    t: Array | None
    y: list[Array]
    factor: np.float32 | None = None  # x is the noise + 1 times it, where x has codes
    loss: float = 0.0
    gradients: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    updated: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    largest: dict[str, float] = field(default_factory=dict)


def golden(network: Network, p: Program, integers: bool, loss: Any, optimizer: Any) -> Golden:
    """The numbers, computed in float64 by the layers' own forward and backward."""
    twin = network.astype(np.float64)
    if p.memory.int8:
        dequantize(twin, p)
    x = noise(int(np.prod(p.x_shape))).reshape(p.x_shape)
    if integers:
        sizes = [m.vocabulary for _, m in walk(network) if isinstance(m, Embedding)]
        x = (np.arange(x.size) % min(sizes)).astype(np.int32).reshape(p.x_shape)
    codes = [m.vocabulary for _, m in walk(network) if isinstance(m, ColumnEmbedding)]
    factor = None
    if codes:  # 0 and 1, where every column has them
        factor = np.float32(0.74 if min(map(min, codes)) > 1 else 0.24)
        x = (x + np.float32(1)) * factor
    y = golden_outputs(twin, p, x)
    if p.backward is None:
        return Golden(x, None, y, factor)
    t = target(loss, p.y_shape)
    found = Golden(x, t, y, factor)
    with twin.mode(True), forgetting(twin):
        out = twin.forward(*inputs_of(p, x))
        if loss is None:
            dy = t.astype(np.float64)
        else:
            own = copy.deepcopy(loss)
            found.loss = float(own.forward(out, t))
            dy = own.backward()[0]
        twin.backward(dy)
        before = {path: g.copy() for path, g in twin.named_gradients().items()}
        rule = copy.deepcopy(optimizer)
        rule.load_state_dict({"steps": 0, **dict.fromkeys(rule.state_names, np.empty(0))})
        rule.step(twin)
    largest = max(np.abs(g).max() for g in before.values()) if before else 0.0
    for key, member in p.memory.gradients.items():
        path, name = p.memory.paths[key], p.memory.weights[key, "w"].name
        g, w = before[path].ravel(), twin.named_parameters()[path].ravel()
        at = np.unique(np.linspace(0, g.size - 1, SHOWN).astype(int))
        found.gradients[member.name] = [(int(i), float(g[i])) for i in at]
        found.largest[member.name] = max(float(np.abs(g).max()), 0.1 * largest)
        clear = at[np.abs(g[at]) > 1e-3 * largest]  # Adam's step has the sign of the smallest g
        found.updated[name] = [(int(i), float(w[i])) for i in clear]
        found.largest[name] = float(np.abs(w).max())
    return found


def steps(shape: tuple[int, ...]) -> Array:
    """A mask as the C file makes it: sample n has T - (n + 1) % T steps."""
    N, T = shape
    return length_mask(T - (np.arange(N) + 1) % T, T)


def inputs_of(p: Program, x: Array) -> tuple[Array, ...]:
    """x, and the mask where there is one."""
    return (x,) if p.mask is None else (x, steps(p.mask))


def golden_outputs(twin: Network, p: Program, x: Array) -> list[Array]:
    """The outputs in evaluation mode: of a call, and of the next where a layer keeps its state."""
    inputs = [as_input(a, twin.dtype) for a in inputs_of(p, x)]
    with twin.evaluating(), no_grad(), forgetting(twin):
        ys = [twin(*inputs) for _ in range(1 + bool(p.memory.states))]
    return [y.data if isinstance(y, Tensor) else y for y in ys]


def target(loss: Any, shape: tuple[int, ...]) -> Array:
    """Targets, or without a loss the gradient of y, as the C file makes them."""
    if loss is not None and takes_labels(loss):
        count = int(np.prod(shape[:-1]))
        return (np.arange(count) % shape[-1]).astype(np.int32).reshape(shape[:-1])
    t = noise(int(np.prod(shape)) + 1)[1:].reshape(shape)
    return (t + np.float32(1)) / np.float32(2) if isinstance(loss, SigmoidCrossEntropy) else t


def dequantize(twin: Network, p: Program) -> None:
    """Give the matrices of 8 bits the values that they have in C."""
    arrays = twin.named_parameters()
    for (key, use), member in p.memory.weights.items():
        if use == "q":
            W = arrays[p.memory.paths[key]]
            s = p.memory.weights[key, "s"].array.astype(np.float64)
            on_axis = 0 if W.ndim > 2 else -1
            shape = [1] * W.ndim
            shape[on_axis] = -1
            W[...] = member.array * s.reshape(shape)
