"""The network at one step: one forward and backward on some samples, beside the training.

Nothing of it is left behind: weights, running statistics and random streams are as before.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from handgrad.arrays import Array
from handgrad.inside import untouched
from handgrad.layer import as_input, shallow_clone, slots, walk
from handgrad.layers.recurrent.state import forgetting
from handgrad.tensor import Tensor, calls_behind, learning, no_grad
from handgrad.train.watch.finding import Histogram, OutputReading, ParameterReading

BINS = 30
LINEAR = ("Affine", "Linear", "Dense", "MatMul")
PASSES = ("Flatten", "Reshape", "Dropout", "SpatialDropout")  # what keeps a linear layer linear
FLAT = 0.05  # of the largest derivative of an activation, below which an element is saturated


class Batch(NamedTuple):
    """Samples as a loss and a network take them; weights: none, or one array."""

    x: Array
    t: Array
    weights: tuple[Array, ...] = ()


class Look(NamedTuple):
    """What one forward and backward showed.

    gradient: of all parameters, in their order. alike: parameters whose units are all equal, and
    have equal gradients. unused: parameters that no call has. stacked: fully connected layers
    that take the output of another, as (path, shape of that one's W, shape of its own).
    """

    loss: float
    y: Array
    outputs: list[OutputReading]
    gradient: Array
    alike: list[str]
    unused: list[str]
    stacked: list[tuple[str, tuple[int, ...], tuple[int, ...]]]


def batch_of(task: Any, samples: Array, number: int = 0) -> Batch:
    """These samples, as the training takes them."""
    x = task.x[samples]
    if task.augment is not None:
        x = task.augment(x, number)
    return Batch(x, task.t[samples], () if task.weights is None else (task.weights[samples],))


def loss_on(network: Any, loss: Any, batch: Batch, *, training: bool) -> float:
    """The loss of some samples, without the penalty of l2, in one mode or the other."""
    return float(shallow_clone(loss).forward(_output(network, batch.x, training), *batch[1:2],
                                             *batch.weights))  # fmt: skip


def look(network: Any, loss: Any, batch: Batch, *, histograms: bool = False) -> Look:
    """Forward and backward in training mode, each call recorded."""
    clone, loss = shallow_clone(network, training=True), shallow_clone(loss)
    kept = [(s, s.grad) for s in slots(network) if isinstance(vars(s.owner).get(s.name), Tensor)]
    x = as_input(batch.x, network.dtype)
    with untouched(network), forgetting(clone), learning():
        y = clone(Tensor(x, requires_grad=False) if x.dtype.kind == "f" else x)
        value = float(loss.forward(y.data, batch.t, *batch.weights))
        calls = calls_behind(y)
        made = [(call, call.outputs[0]()) for call in calls]
        y.backward(first(loss.backward()), retain=True)
    found = {slot.path: slot.grad for slot in slots(clone)}
    for slot, gradient in kept:
        slot.set_grad(gradient)
    paths = {id(layer): path for path, layer in walk(clone)}
    outputs = [
        _output_reading(paths.get(id(call.original), ""), call, tensor, histograms)
        for call, tensor in made
        if tensor is not None
    ]
    gradient = _flat_gradient(network, found)
    noise = 1e-6 * float(np.abs(gradient).max(initial=0.0))
    alike = [path for call, tensor in made for path in _alike(call, tensor, paths, noise)]
    unused = [p for p, g in found.items() if g is None and p not in network.frozen]
    uses = Counter(id(x) for call in calls for x in call.inputs)
    stacked = [found for call, _ in made for found in _stacked(call, paths, uses)]
    return Look(value, y.data, outputs, gradient, alike, unused, stacked)


def parameter_readings(network: Any, gradient: Array, histograms: bool) -> list[ParameterReading]:
    """Sizes of each parameter and its gradient."""
    made, p = [], network.parameters
    for path, start, stop, shape in network.layout:
        where = slice(start, stop)
        made.append(
            ParameterReading(
                path,
                shape,
                rms(p[where]),
                rms(gradient[where]),
                frozen=path in network.frozen,
                histogram=histogram(p[where]) if histograms else None,
                gradient_histogram=histogram(gradient[where]) if histograms else None,
            )
        )
    return made


def rms(array: Array) -> float:
    """The root mean square, without overflow; 0 of nothing."""
    return float(np.linalg.norm(array.ravel()) / max(array.size, 1) ** 0.5)


def histogram(array: Array) -> Histogram:
    """How the finite elements lie."""
    finite = array[np.isfinite(array)].astype(np.float64) / 2  # halves: their range is finite, too
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if not (high - low) * BINS > 0 or not np.isfinite(BINS / (high - low)):
        low, high = low - 0.25, high + 0.25
    at = ((finite - low) / (high - low) * BINS).astype(int)  # np.histogram refuses narrow ranges
    counts = np.bincount(np.minimum(at, BINS - 1), minlength=BINS)
    return Histogram(2 * low, 2 * high, counts.tolist())


def first(gradients: Any) -> Array:
    """The gradient of y: a loss returns (dy, None), the books' return dy alone."""
    dy: Array = gradients[0] if isinstance(gradients, tuple | list) else gradients
    return dy


def _output(network: Any, x: Array, training: bool) -> Array:
    clone = shallow_clone(network, training=training)
    with untouched(network), forgetting(clone), no_grad():
        y = clone(as_input(x, network.dtype))
    return np.asarray(y.data if isinstance(y, Tensor) else y)


def _output_reading(path: str, call: Any, tensor: Any, histograms: bool) -> OutputReading:
    kind, y = type(call.original).__name__, tensor.data
    moved = None if tensor.grad is None else y[tensor.grad != 0]
    return OutputReading(
        path, kind, y.shape, rms(y), None if tensor.grad is None else rms(tensor.grad),
        dead_share(kind, y), saturated_share(kind, y), histogram(y) if histograms else None,
        rms(moved) if moved is not None and moved.size else None,
    )  # fmt: skip


def dead_share(kind: str, y: Array) -> float | None:
    """The share of units of a ReLU, by its name, whose output is 0 for every sample."""
    if "relu" not in kind.lower() or y.ndim < 2:
        return None
    units = 1 if y.ndim > 3 else y.ndim - 1  # channels of pictures, else the last axis
    fires = (y != 0).any(axis=tuple(a for a in range(y.ndim) if a != units))
    return float(1 - fires.mean())


def saturated_share(kind: str, y: Array) -> float | None:
    """The share of elements of a sigmoid or tanh, by its name, where its derivative is small."""
    name = kind.lower()
    if "logsigmoid" in name or not ("sigmoid" in name or "tanh" in name):
        return None
    derivative = 1 - np.square(y) if "tanh" in name else 4 * y * (1 - y)
    return float((derivative < FLAT).mean())


def _flat_gradient(network: Any, found: dict[str, Any]) -> Array:
    """All gradients in the order of the parameters; 0 where one took no part or is frozen."""
    flat = network.flat
    gradient: Array = np.zeros_like(flat.parameters)
    for segment in flat.segments:
        if segment.path not in flat.frozen:
            for slot in segment.slots:
                if (g := found.get(slot.path)) is not None:
                    gradient[segment.start : segment.stop] += g.ravel()
    return gradient


def _alike(call: Any, tensor: Any, paths: dict[int, str], noise: float) -> list[str]:
    """Parameters of a call whose units have equal weights, and gradients but for rounding."""
    if tensor is None:
        return []
    found = []
    path = paths.get(id(call.original), "")
    for name in getattr(call.original, "params", ()):
        W, dW = (getattr(call.original, n, None) for n in (name, "d" + name))
        if dW is None or W is None or W.ndim < 2:
            continue
        units = tensor.shape[1] if W.ndim > 2 and tensor.data.ndim > 2 else tensor.shape[-1]
        axis = 0 if W.ndim > 2 else 1
        if W.shape[axis] != units or units < 2:
            continue
        one, step = W.take([0], axis), dW.take([0], axis)
        rounding = noise + 1e-4 * float(np.abs(dW).max())
        if (one == W).all() and (np.abs(dW - step) <= rounding).all():
            found.append(f"{path}.{name}" if path else name)
    return found


def _stacked(call: Any, paths: dict[int, str], uses: Counter[int]) -> list[tuple[str, Any, Any]]:
    """A fully connected layer that alone takes another's output, perhaps reshaped."""
    W, path, before = _matrix(call), paths.get(id(call.original), ""), call
    while W is not None and before.inputs and before.inputs[0] is not None:
        if uses[id(before.inputs[0])] > 1:
            return []
        before = before.inputs[0].creator
        if before is None or type(before.original).__name__ not in PASSES:
            V = None if before is None else _matrix(before)
            return [] if V is None else [(path, V.shape, W.shape)]
    return []


def _matrix(call: Any) -> Any:
    """W of a fully connected layer, by its class's name; None for other layers."""
    W = getattr(call.original, "W", None)
    return W if type(call.original).__name__ in LINEAR and getattr(W, "ndim", 0) == 2 else None
