"""Networks: layers made of layers, whose parameters lie in one flat buffer.

`Sequential` runs its layers one after the other, by hand. A subclass of `Network` writes any
Python in `__call__`; its forward records, its backward walks the record. Both are layers.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError
from handgrad.engines import predictions
from handgrad.flat import Flat
from handgrad.layer import Layer, adopt, apply, as_input, is_layer, shallow_clone, slots, walk
from handgrad.layers import Concat, Loss, counted, meant
from handgrad.layers.recurrent.state import forgetting
from handgrad.tensor import CallRecord, Tensor, learning, no_grad

Metric = Callable[[Array, Array], Any]


class Network(Layer):
    """Base of networks: write the layers in `__init__`, and any Python in `__call__(x)`.

    Layers, lists and dicts of layers, and `Parameter`s that are attributes belong to it.
    All parameters lie in the 1-D array `parameters`, in the order of the attributes, and their
    gradients in `gradients`; `layer.W` is a view. Class attributes: `seed` of the initial weights
    and of random layers, `dtype` of the parameters (float inputs are converted to it).
    """

    seed = 0
    dtype: Any = np.float32
    _flat: Flat | None = None
    _record: tuple[list[Tensor], Tensor] | None = None
    _ready = False  # every layer inside has its dtype and its random stream
    _built = False  # every parameter has its size
    engine = "auto"  # of predictions and training, where nothing else is asked for
    _programs: Any = None  # of the native engine
    _inside = False  # a network around this one holds the flat arrays
    _transient = ("_flat", "_record", "_programs")  # rebuilt when needed, never copied

    def __call__(self, *inputs: Any) -> Any:
        """The network on tensors or arrays, in plain Python."""
        if type(self).forward is Network.forward:
            raise NotImplementedError(f"{type(self).__name__} needs a __call__ or a forward")
        return apply(self, *inputs)

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in self._transient}

    def forward(self, *inputs: Any) -> Array:
        """The output for arrays, recorded for `backward`."""
        self._adopt()
        tensors = [self._tensor(x) for x in inputs]
        with learning():
            output = self(*tensors)
        if not isinstance(output, Tensor):
            raise ValueError(
                f"{type(self).__name__}: __call__ must return one tensor, "
                f"got {type(output).__name__}"
            )
        self._record = tensors, output
        if not self._inside:
            self._buffers()
        return output.data

    def backward(self, dy: Any) -> Any:
        """The gradients of the inputs; sets those of the parameters."""
        if self._record is None:
            raise RuntimeError(f"{type(self).__name__}: backward needs a forward before it")
        for slot in slots(self):
            slot.set_grad(None)
        inputs, output = self._record
        output.backward(dy, retain=True)
        gradients = tuple(x.grad if isinstance(x, Tensor) else None for x in inputs)
        return gradients[0] if len(gradients) == 1 else gradients

    def _tensor(self, x: Any) -> Any:
        array = as_input(x, self.dtype)
        return (
            Tensor(array, requires_grad=self.needs_input_grad) if array.dtype.kind == "f" else array
        )

    def _adopt(self) -> None:
        if not self._ready:
            adopt(self, self.seed, self.dtype)
            for _, inner in walk(self):
                if isinstance(inner, Network):
                    inner._inside, inner._ready = inner is not self, True
            cast: dict[int, Array] = {}  # tied weights stay tied
            for slot in slots(self):
                if slot.value is not None and slot.value.dtype != self.dtype:
                    slot.set(cast.setdefault(id(slot.value), slot.value.astype(self.dtype)))

    def build(self, *inputs: Any) -> Any:
        """Make every parameter, with sizes from these inputs; draws nothing else, trains nothing.

        Without inputs, the sizes must have been declared in the layers.
        """
        self._adopt()
        if not self._built:
            if inputs and any(slot.value is None for slot in slots(self)):
                with self.evaluating(), forgetting(self), no_grad():
                    self(*(as_input(x, self.dtype) for x in inputs))
            if not self._inside:
                self._buffers()
            self._built = True
        return self

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        modes = [(layer, layer.training) for _, layer in walk(self) if hasattr(layer, "training")]
        try:
            yield self.eval()
        finally:
            for layer, mode in modes:
                layer.training = mode

    # -- parameters ---------------------------------------------------------------------------

    def _buffers(self) -> Flat:
        if self._flat is None:
            self._adopt()
            self._flat = Flat(slots(self), self.dtype)
        return self._flat

    @property
    def flat(self) -> Flat:
        """The buffers, after arrays that were put in a parameter's place are taken over."""
        flat = self._buffers()
        flat.tie()
        return flat

    @property
    def parameters(self) -> Array:
        """All parameters, one after the other in one array; writing to it changes the layers."""
        return self.flat.parameters

    @property
    def gradients(self) -> Array:
        """All gradients in the parameters' order, as the last backward left them in the layers.

        Zero where a parameter took no part or is frozen.
        """
        return self._buffers().collect()

    @property
    def layout(self) -> list[tuple[str, int, int, tuple[int, ...]]]:
        """(path, start, stop, shape) of every parameter in the flat arrays."""
        return self._buffers().layout

    def named_parameters(self) -> dict[str, Array]:
        """Every parameter under its path, as a view into the flat array."""
        return {s.path: s.view for s in self.flat.segments}

    def named_gradients(self) -> dict[str, Array]:
        """Every gradient under its parameter's path, as a view into the flat array."""
        flat = self._buffers()
        flat.collect()
        return {s.path: s.grad_view for s in flat.segments}

    def freeze(self, *prefixes: str) -> Any:
        """Keep these parameters as they are: paths, or the beginnings of paths ("0", "encoder").

        Raises ValueError for a prefix that names nothing.
        """
        self._buffers().freeze(prefixes)
        return self

    def unfreeze(self) -> Any:
        """Let every parameter learn again."""
        self._buffers().frozen = frozenset()
        return self

    @property
    def frozen(self) -> frozenset[str]:
        """Paths of the frozen parameters."""
        return self._buffers().frozen

    def astype(self, dtype: Any) -> Any:
        """A copy of this network with its parameters in another dtype."""
        other = copy.deepcopy(self)
        other.dtype, other._ready = np.dtype(dtype), False
        other._adopt()
        return other

    # -- use ----------------------------------------------------------------------------------

    def predict(self, x: Any, *, batch: int = 1024, engine: str | None = None) -> Array:
        """The outputs for x (N, …) in evaluation mode, computed `batch` samples at a time.

        Mode, state and random streams are left alone; recurrent layers start from zero. engine:
        "native" (ValueError where there is no such form), "numpy", or "auto" for native where
        possible; by default `self.engine`. The same x gives the same bits, each time and in any
        thread; natively, but not with NumPy's BLAS, whatever other samples are beside it.
        """
        x = as_input(x, self.dtype)
        if not x.ndim:
            raise ShapeError("predict: x needs a batch axis (N, …), got a scalar")
        self.build(x[:batch])
        name, required = self.engine if engine is None else engine, engine == "native"
        if (y := predictions(name, self, x, batch, required)) is not None:
            return y
        network, parts = shallow_clone(self, training=False), []
        for i in range(0, max(len(x), 1), batch):
            with no_grad(), forgetting(network):
                parts.append(network(x[i : i + batch]))
        arrays = [y.data if isinstance(y, Tensor) else y for y in parts]
        return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)

    def evaluate(
        self, x: Any, t: Any, *, loss: Any = None, metrics: Iterable[Metric] = (),
        engine: str | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Loss and metrics of `predict(x, engine=engine)` against t, each under its name.

        loss: by default the one that the targets mean (`layers.meant`); the mean over all elements
        that it counts, each with its weight. Metrics see those elements alone.
        """
        y = self.predict(x, engine=engine)
        loss, t = meant(t, y, loss, self.members[-1] if self.members else None)
        if isinstance(loss := shallow_clone(loss), Loss):
            loss.normalizer = None
        results = {"loss": float(loss.forward(y, t))}
        seen = counted(loss, y, t)
        return results | {metric.__name__: metric(*seen) for metric in metrics}

    def calls(self, *inputs: Any) -> tuple[Any, list[CallRecord]]:
        """A shallow clone of this network, and the uses of its layers on these inputs, in order."""
        self.build(*inputs)
        network = shallow_clone(self, training=False)
        arrays = (as_input(x, self.dtype) for x in inputs)
        with learning(), forgetting(network):
            output = network(*(Tensor(a) if a.dtype.kind == "f" else a for a in arrays))
        found: set[CallRecord] = set()
        waiting = [getattr(output, "creator", None)]  # integers are not recorded
        while waiting:
            call = waiting.pop()
            if call is not None and call not in found:
                found.add(call)
                waiting.extend(x.creator for x in call.inputs if x is not None)
        return network, sorted(found, key=lambda a: a.order)

    def summary(self, *inputs: Any) -> str:
        """A table of the layers that these inputs pass: output shape, number of parameters."""
        network, calls = self.calls(*inputs)
        path_of = {id(layer): path for path, layer in walk(network)}
        rows, counted = [], set()
        for a in calls:
            own = 0 if id(a.original) in counted else sum(s.value.size for s in slots(a.original))
            counted.add(id(a.original))
            shape = " ".join(str(("N", *s[1:]) if s else s).replace("'", "") for s in a.shapes)
            rows.append((path_of.get(id(a.original), ""), _name(a.original), shape, f"{own:,}"))
        total = sum(slot.value.size for slot in slots(self))
        return _table(("name", "layer", "output shape", "parameters"), rows, f"{total:,}")


def _table(head: tuple, rows: list[tuple], total: str) -> str:
    widths = [max(len(r[i]) for r in (head, *rows, ("", "", "total", total))) for i in range(4)]
    line = "  ".join("─" * w for w in widths)

    def text(row: tuple) -> str:
        cells = [c.ljust(w) for c, w in zip(row[:3], widths)]
        return "  ".join([*cells, row[3].rjust(widths[3])])

    return "\n".join([text(head), line, *map(text, rows), line, text(("", "", "total", total))])


class Sequential(Network):
    """Layers one after the other: y = fₙ(… f₂(f₁(x))).

    Shapes: x whatever the first layer takes, y whatever the last one gives.
    Gradient: backward runs the layers from the last to the first.
    Raises ValueError for members that are not layers; errors of a layer name its place.
    """

    def __init__(self, *layers: Any, seed: int = 0, dtype: Any = np.float32):
        _require_layers(self, layers)
        self.layers, self.seed, self.dtype = tuple(layers), seed, np.dtype(dtype)
        self._shared = len({id(layer) for layer in layers}) < len(layers)
        for layer, following in zip(layers, layers[1:]):
            if isinstance(layer, Layer):
                layer.followed_by = following

    @property
    def members(self) -> tuple[Any, ...]:
        return self.layers

    def __repr__(self) -> str:
        inner = "".join(f"\n    {layer!r}," for layer in self.layers)
        return f"{type(self).__name__}({inner}\n)"

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, i: int) -> Any:
        return self.layers[i]

    def __call__(self, x: Any) -> Any:
        self._adopt()
        if not isinstance(x, Tensor):
            x = as_input(x, self.dtype)
        return self._run(_use, x)

    def forward(self, x: Any) -> Array:
        if self._shared:
            return super().forward(x)
        self.build(x)
        return self._run(_forward, as_input(x, self.dtype))

    def backward(self, dy: Array) -> Array | None:
        if self._shared:
            return super().backward(dy)
        if self.layers and isinstance(self.layers[0], Layer):
            self.layers[0].needs_input_grad = self.needs_input_grad
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return dy

    def _run(self, use: Callable[[Any, Any], Any], x: Any) -> Any:
        i = 0
        try:
            for i, layer in enumerate(self.layers):  # noqa: B007
                x = use(layer, x)
        except ShapeError as error:
            raise ShapeError(f"{error} (layer {i} of the {type(self).__name__})") from None
        return x


def _forward(layer: Any, x: Any) -> Any:
    return layer.forward(x)


class Residual(Network):
    """y = x + f(x), f being the layers one after the other.

    Shapes: x, f(x), y (any, equal).
    Gradient: dx = dy + the gradient that f sends back.
    Raises ShapeError where f changes the shape.
    Source: He et al., "Deep residual learning for image recognition", CVPR 2016.
    """

    def __init__(self, *layers: Any, seed: int = 0, dtype: Any = np.float32):
        self.body, self.seed, self.dtype = Sequential(*layers), seed, np.dtype(dtype)

    @property
    def members(self) -> tuple[Any, ...]:
        return self.body.layers

    def __call__(self, x: Any) -> Any:
        y = self.body(x)
        if y.shape != np.shape(x):
            raise ShapeError(f"Residual: its layers must keep the shape {x.shape}, got {y.shape}")
        return x + y


class Parallel(Network):
    """The branches' outputs side by side: y = concat(f₁(x), f₂(x), …) along `axis`.

    Shapes: x (N, …), fᵢ(x) (N, …, Dᵢ, …), y (N, …, ΣDᵢ, …).
    Gradient: dx = Σ of the branches' gradients, each from its part of dy.
    Raises ShapeError where the outputs differ in another axis.
    """

    def __init__(self, *branches: Any, axis: int = -1, seed: int = 0, dtype: Any = np.float32):
        _require_layers(self, branches)
        self.branches, self.axis = tuple(branches), axis
        self.seed, self.dtype = seed, np.dtype(dtype)

    @property
    def members(self) -> tuple[Any, ...]:
        return self.branches

    def __call__(self, x: Any) -> Any:
        return apply(Concat(self.axis), *(_use(branch, x) for branch in self.branches))


def _use(layer: Any, x: Any) -> Any:
    """A layer on a tensor or an array, with or without the base class."""
    return layer(x) if isinstance(layer, Layer) else apply(layer, x)


def _require_layers(network: Network, members: tuple) -> None:
    for i, member in enumerate(members):
        if not is_layer(member):
            hint = "; make an instance of the class" if isinstance(member, type) else ""
            raise ValueError(
                f"{type(network).__name__}: member {i} needs forward and backward, "
                f"got {member!r}{hint}"
            )


def _name(layer: Any) -> str:
    plain = type(layer).__repr__ is object.__repr__
    return type(layer).__name__ if plain else repr(layer)
