"""Derivatives as functions: grad, also of a gradient; the Hessian; a penalty on gradients.

With `create_graph` the backward pass is itself recorded, so that it can be differentiated again.
The code of a layer is array expressions, and tensors take part in these: at each call the
walk runs the layer's forward and backward once more, on the tensors that went in. A layer that
is linear needs only its own two methods, with their parts exchanged (`Adjoint`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, Stream
from handgrad.layer import Layer, Slot, apply, shallow_clone, walk
from handgrad.tensor import CallRecord, Tensor, arrays_refused, calls_behind

Sums = dict[Any, Any]  # key of a tensor or parameter -> its gradient so far


def grad(y: Any, xs: Any, dy: Any = None, *, create_graph: bool = False) -> Any:
    """The gradient of y by xs, without setting any `grad` or `dW`.

    y: a tensor, and xs tensors from which it was computed, or parameters of layers as
    `handgrad.layer.slots` lists them; or a function of xs, and xs arrays or tensors.
    One gradient for one x, a tuple for a list or tuple; zeros where y does not depend on an x.
    Shapes: each gradient that of its x; dy that of y, 1 for a scalar.
    Gradient: with `create_graph` the result is tensors that can be differentiated again, or
    sent back by backward(); without, arrays. The graph is kept.
    Raises ShapeError where dy is missing or has another shape; NotImplementedError, naming the
    layer, where the gradient of a gradient meets one whose code does not run on tensors.
    Source: Griewank & Walther, "Evaluating derivatives", 2008, chapter 3 (reverse mode), 5.
    """
    single = not isinstance(xs, list | tuple)
    wanted = [xs] if single else list(xs)
    if callable(y) and not isinstance(y, Tensor):
        wanted = [x if isinstance(x, Tensor) else Tensor(x) for x in wanted]
        y = y(*wanted)
    if not isinstance(y, Tensor):
        raise ValueError(f"grad: y must be a tensor, or a function that returns one, got {y!r}")
    start: Any = y._upstream(dy)
    if create_graph:
        start = dy if isinstance(dy, Tensor) else Tensor(start, requires_grad=False)
    sums = _send_back(y, start, wanted, _recorded if create_graph else CallRecord.backward)
    found = [sums.get(_key(x)) for x in wanted]
    results = [_zeros(x, create_graph) if g is None else g for x, g in zip(wanted, found)]
    return results[0] if single else tuple(results)


def hvp(f: Callable[..., Tensor], x: Any, v: Any) -> Any:
    """The Hessian of f at x times v, without making the Hessian: H v = ∇(∇f · v).

    f: a function of tensors that gives a scalar tensor; x an array, or a tuple of arrays for
    a function of several; v of the same shapes.
    Shapes: the result those of x.
    Raises ShapeError where v does not fit x, and what `grad` raises.
    Source: Pearlmutter, "Fast exact multiplication by the Hessian", Neural Computation 6, 1994.
    """
    single = not isinstance(x, list | tuple)
    xs = [Tensor(a) for a in ((x,) if single else x)]
    vs = [np.asarray(a) for a in ((v,) if single else v)]
    if [a.shape for a in vs] != [a.shape for a in xs]:
        raise ShapeError(
            f"hvp: v must have the shapes of x, {[a.shape for a in xs]}, "
            f"got {[a.shape for a in vs]}"
        )
    gradients = grad(f, xs, create_graph=True)
    directional: Any = sum((g * a).sum() for g, a in zip(gradients, vs))  # derivative of f along v
    results = grad(directional, xs)
    return results[0] if single else results


def hessian(f: Callable[[Tensor], Tensor], x: Any) -> Array:
    """All second derivatives of a scalar f at x, one Hessian-vector product per element.

    H[i, j] = ∂²f / ∂xᵢ ∂xⱼ.
    Shapes: x (D₁, …), H (D₁, …, D₁, …).
    Raises what `hvp` raises.
    """
    x = np.asarray(x)
    units = np.eye(x.size, dtype=x.dtype).reshape(x.size, *x.shape)
    point = Tensor(x)
    gradient = grad(f, point, create_graph=True)
    return np.stack([grad(gradient, point, unit) for unit in units]).reshape(2 * x.shape)


def gradient_penalty(critic: Callable[[Tensor], Tensor], x: Any, *, length: float = 1.0) -> Tensor:
    """The mean of (|∇critic(x)| − length)² over the samples x, as a tensor to be sent back.

    ∇ is the derivative with respect to x, so what is sent back to the critic's parameters is a
    gradient of a gradient. For Wasserstein critics x lies between what is real and what is made.
    Shapes: x (N, …), critic(x) (N, …), the result ().
    At |∇| = 0: its derivative is that of √(|∇|² + ε), ε the smallest float: 0.
    Raises what `grad` raises.
    Source: Gulrajani et al., "Improved training of Wasserstein GANs", NIPS 2017, equation 3.
    """
    point = Tensor(x.data if isinstance(x, Tensor) else np.asarray(x))
    g = grad(critic(point).sum(), point, create_graph=True)
    squares = (g * g).reshape(len(g), -1).sum(axis=1)
    norm = np.sqrt(squares + np.finfo(g.dtype).tiny)
    penalty: Tensor = ((norm - length) ** 2).mean()
    return penalty


# -- the walk -----------------------------------------------------------------------------------


def _key(x: Any) -> Any:
    """What tells a tensor, or a parameter of a layer, from all others."""
    if isinstance(x, Slot):
        held = getattr(x.owner, x.name)
        return id(held) if isinstance(held, Tensor) else (id(x.owner), x.name)
    if isinstance(x, Tensor):
        return id(x)
    raise ValueError(f"grad: xs must be tensors or slots of a layer, got {type(x).__name__}")


def _zeros(x: Any, as_tensor: bool) -> Any:
    zeros = np.zeros_like(x.value if isinstance(x, Slot) else x.data)
    return Tensor(zeros, requires_grad=False) if as_tensor else zeros


def _send_back(y: Tensor, dy: Any, wanted: Sequence[Any], backward: Callable[..., Any]) -> Sums:
    """The gradients of what is wanted, from the calls behind y, latest first."""
    sums: Sums = {}

    def add(key: Any, g: Any) -> None:
        sums[key] = sums[key] + g if key in sums else g

    add(id(y), dy)
    for call in _leading_to(y, {_key(x) for x in wanted}):
        outputs = [sums.get(id(reference())) for reference in call.outputs]
        if all(g is None for g in outputs):
            continue
        gradients, parameters = backward(call, outputs)
        keys = [(id(original), name) for _, original, name in call.owners]
        for key, g in zip([*keys, *map(id, call.tensors)], parameters):
            if g is not None:
                add(key, g)
        for x, dx in zip(call.inputs, gradients):
            if x is not None and dx is not None and x.requires_grad:
                add(id(x), dx)
    return sums


def _leading_to(y: Tensor, keys: set[Any]) -> list[CallRecord]:
    """The calls behind y through which something with one of these keys takes part."""
    found = calls_behind(y, constants=False)
    if any(call.layer is None for call in found):
        raise RuntimeError(
            "grad: a part of the graph was freed by backward(); use backward(retain=True) "
            "there, or run the forward again"
        )
    leading: set[CallRecord] = set()
    for call in found:
        tensors = [x for x in (*call.inputs, *call.tensors) if x is not None]
        if any(id(x) in keys or x.creator in leading for x in tensors) or any(
            (id(original), name) in keys for _, original, name in call.owners
        ):
            leading.add(call)
    return sorted(leading, key=lambda call: -call.order)


# -- the backward pass, recorded ------------------------------------------------------------------


class Adjoint(Layer):
    """The backward of a linear layer as a layer: dx = Aᵀ dy, where the layer is y = A x.

    Shapes: dy that of the layer's y, dx that of its x.
    Gradient: of dy, A times the gradient of dx: the layer's own forward.
    Source: Griewank & Walther, "Evaluating derivatives", 2008, section 3.3.
    """

    linear = True

    def __init__(self, layer: Any, given: Sequence[Any]):
        self.layer, self.given = layer, given  # given: the layer's inputs, tensors or arrays

    def forward(self, *dys: Array) -> tuple[Array, ...]:
        results = _listed(self.layer.backward(*dys))
        return tuple(g for g, x in zip(results, self.given) if isinstance(x, Tensor))

    def backward(self, *gradients: Array) -> Any:
        waiting = iter(gradients)
        return self.layer.forward(
            *(next(waiting) if isinstance(x, Tensor) else _fixed(x) for x in self.given)
        )


def _fixed(x: Any) -> Any:
    """An input that does not vary: indices stay, of real numbers the variation is 0."""
    x = np.asarray(x)
    return np.zeros_like(x) if x.dtype.kind == "f" else x


class Reading(Layer):
    """A parameter of a layer as a tensor: its gradient becomes the layer's d<name>."""

    def __init__(self, name: str):
        self.name = name

    def forward(self) -> Any:
        return getattr(self, self.name)

    def backward(self, dy: Any) -> tuple[Any, ...]:
        setattr(self, "d" + self.name, dy)
        return ()


class _Untouched(np.ndarray):
    """An array that ignores what is written to it: statistics are not gathered twice."""

    def __setitem__(self, key: Any, value: Any) -> None:
        pass


def _recorded(call: CallRecord, gradients: list[Any]) -> tuple[Sequence[Any], list[Any]]:
    """The gradients of a call's inputs and parameters, as tensors that know their past."""
    dtype = next((x.dtype for x in call.inputs if x is not None), None)
    tensors = [
        Tensor(np.zeros(shape, dtype), requires_grad=False) if g is None else g
        for g, shape in zip(gradients, call.shapes)
    ]
    if getattr(call.layer, "linear", False):
        adjoint = Adjoint(call.layer, call.given)
        varied = iter(apply(adjoint, *tensors))
        return [next(varied) if isinstance(x, Tensor) else None for x in adjoint.given], []
    copy, owners = on_tensors(call, _reading)
    try:
        with arrays_refused():
            copy.forward(*call.given)
            results = _listed(copy.backward(*tensors))
    except (AttributeError, IndexError, TypeError, ValueError) as error:
        raise NotImplementedError(
            f"{type(call.original).__name__} has no second derivative: its code does not "
            f"run on tensors ({error})"
        ) from error
    parameters = [getattr(owner, "d" + name) for owner, name in owners]
    return [_as_tensor(g) for g in results], [_as_tensor(g) for g in parameters]


def on_tensors(
    call: CallRecord, as_tensor: Callable[[Any, Any, str], Tensor]
) -> tuple[Any, list[tuple[Any, str]]]:
    """A copy of the layer as it was at this use, with parameters that are tensors.

    as_tensor(copy, original, name) gives the tensor for a parameter.
    """
    copy = shallow_clone(call.layer)
    inner = {id(old): new for (_, old), (_, new) in zip(walk(call.layer), walk(copy))}
    for old, step in call.steps:
        stream = old.stream
        inner[id(old)].stream = Stream(stream.seed, stream.layer, step)
    for layer in inner.values():
        for name in getattr(layer, "buffers", ()):
            if isinstance(getattr(layer, name, None), np.ndarray):
                setattr(layer, name, getattr(layer, name).view(_Untouched))
    owners = [(inner[id(old)], original, name) for old, original, name in call.owners]
    for owner, original, name in owners:
        setattr(owner, name, as_tensor(owner, original, name))
    return copy, [(owner, name) for owner, _, name in owners]


def _reading(owner: Any, original: Any, name: str) -> Tensor:
    reading = Reading(name)
    value = getattr(owner, name)
    setattr(reading, name, value)
    call = CallRecord(reading, original, (), [(reading, original, name)])
    return call.produce((value,))[0]


def _listed(results: Any) -> Sequence[Any]:
    return results if isinstance(results, tuple | list) else (results,)


def _as_tensor(g: Any) -> Any:
    """A gradient that came out as a plain array is a constant."""
    return g if g is None or isinstance(g, Tensor) else Tensor(g, requires_grad=False)
