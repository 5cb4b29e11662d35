"""Networks: layers made of layers, whose parameters lie in one flat buffer.

`Sequential` runs its layers one after the other, by hand. A subclass of `Network` writes any
Python in `__call__`; its forward records, its backward walks the record. Both are layers.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from reprlib import recursive_repr
from typing import Any

import numpy as np

from handgrad.arrays import Array, ShapeError, float_dtype, require_seed
from handgrad.attributes import short
from handgrad.engines import check_name, predictions
from handgrad.layer import (
    Layer,
    adopt,
    apply,
    as_input,
    shallow_clone,
    slots,
    walk,
)
from handgrad.layers import Concat, Loss, counted
from handgrad.layers.loss.meaning import check_metrics, meant, value_of
from handgrad.layers.loss.targets import as_taken
from handgrad.layers.recurrent.state import forgetting
from handgrad.network.by_hand import ByHand
from handgrad.network.flat import Flattened, cast_parameters, require_array
from handgrad.network.membership import Membership, join, require_layers
from handgrad.network.summary import Summary, table_of_calls, table_of_layers
from handgrad.protocols import LayerLike, LossLike, MetricLike
from handgrad.tensor import CallRecord, Tensor, calls_behind, learning, no_grad


class Network(Flattened, Layer):
    """Base of networks: write the layers in `__init__`, and any Python in `__call__(x)`.

    Layers, lists and dicts of layers, and `Parameter`s that are attributes belong to it.
    All parameters lie in the 1-D array `parameters`, in the order of the attributes, and their
    gradients in `gradients`; `layer.W` is a view. Class attributes: `seed` of the initial weights
    and of random layers, `dtype` of the parameters (float inputs are converted to it).
    """

    seed = 0
    dtype: Any = np.float32
    _record: Any = None  # of the last forward: its inputs and output, or a ByHand
    _held: Membership | None = None  # the layers inside; each has its dtype and random stream
    _streams = 0  # how many random streams were given to layers
    _built = False  # every parameter has its size
    _engine = "auto"
    _programs: Any = None  # of the native engine
    _inside = False  # a network around this one holds the flat arrays
    _transient: tuple[str, ...] = (  # never copied
        "_flat", "_record", "_programs", "_held", "_membership", "_inside", "_frozen",
    )  # fmt: skip

    def __call__(self, *inputs: Any) -> Any:
        """The network on tensors or arrays, in plain Python."""
        if type(self).forward is Network.forward:
            raise NotImplementedError(f"{type(self).__name__} needs a __call__ or a forward")
        return apply(self, *inputs)

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k not in self._transient}

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        # The last layer first: each knows the next one, and a long chain would be a deep recursion.
        for _, inner in reversed([*walk(self)][1:]):
            copy.deepcopy(inner, memo)
        memo[id(self)] = other = object.__new__(type(self))
        other.__dict__.update(copy.deepcopy(self.__getstate__(), memo))
        return other

    def forward(self, *inputs: Any) -> Array:
        """The output for arrays, recorded for `backward`."""
        self.build(*inputs)
        tensors = [self._tensor(x) for x in inputs]
        try:
            with learning():
                output = self(*tensors)
        except TypeError:
            self._explain()
            raise
        if not isinstance(output, Tensor | np.ndarray):
            raise ValueError(
                f"{type(self).__name__}: __call__ must return one tensor, "
                f"got {type(output).__name__}"
            )
        self._record = tensors, output
        return output.data if isinstance(output, Tensor) else output

    def backward(self, dy: Any) -> Any:
        """The gradients of the inputs; sets those of the parameters."""
        if self._record is None:
            raise RuntimeError(f"{type(self).__name__}: backward needs a forward before it")
        for slot in slots(self):
            slot.clear()
        inputs, output = self._record
        if isinstance(output, Tensor):
            output.backward(dy, retain=True)
        gradients = tuple(x.grad if isinstance(x, Tensor) else None for x in inputs)
        return gradients[0] if len(gradients) == 1 else gradients

    def _tensor(self, x: Any) -> Any:
        array = as_input(x, self.dtype)
        return Tensor(array, self.needs_input_grad) if array.dtype.kind == "f" else array

    def _adopt(self) -> None:
        """Take in the layers that are new since the last time."""
        held = self._held
        if held is not None and (held.network() is not self or held.is_right(self)):
            return  # a clone looks at nothing
        adopt(self, self.seed, self.dtype, self._streams)
        self._held = join(self)
        self._streams += len(self._held.ids)
        for _, inner in walk(self):
            if isinstance(inner, Network) and inner is not self:
                inner._inside = True
        cast_parameters(slots(self), self.dtype)
        self._built = False
        flat = self._flat
        if flat is not None and not flat.covers(slots(self)):
            self._flat, self._frozen = None, flat.frozen

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

    def _explain(self) -> None:
        """Name the layer that met a tensor instead of its array, if there is one."""
        for slot in slots(self):
            require_array(slot)

    def _set_mode(self, training: bool) -> Any:
        for layer in self._with_mode():
            layer.training = training
        return self

    def _with_mode(self) -> list[Any]:
        """The layers inside that have a mode, and the network."""
        held = self._held
        known = held is not None and held.network() is self and held.is_right(self)
        inner = held.inner if held is not None and known else list(walk(self))[1:]
        return [self, *(layer for _, layer in inner if hasattr(layer, "training"))]

    @contextmanager
    def mode(self, training: bool) -> Iterator[Any]:
        """Inside, every layer is in this mode; afterwards in the one that it had."""
        modes = [(layer, layer.training) for layer in self._with_mode()]
        try:
            for layer, _ in modes:
                layer.training = training
            yield self
        finally:
            for layer, before in modes:
                layer.training = before

    def evaluating(self) -> AbstractContextManager[Any]:
        """Inside, every layer is in evaluation mode; afterwards in the mode that it had."""
        return self.mode(False)

    def astype(self, dtype: Any) -> Any:
        """A copy of this network with its parameters in another dtype."""
        other = copy.deepcopy(self)
        other.dtype = np.dtype(dtype)
        other._adopt()
        return other

    @property
    def engine(self) -> str:
        """Of predictions and training where nothing else is asked for: "auto", "native", "numpy".

        Raises ValueError for another name.
        """
        return self._engine

    @engine.setter
    def engine(self, name: str) -> None:
        self._engine = check_name(name)

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
        if not np.ndim(arrays[0]):
            raise ShapeError(
                f"predict: the output of {type(self).__name__} needs a batch axis (N, …), got a "
                "scalar; Sum(axis=1), say, keeps one number for each sample"
            )
        return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)

    def evaluate(
        self, x: Any, t: Any, *, loss: LossLike | None = None,
        metrics: MetricLike | Iterable[MetricLike] = (), engine: str | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Loss and metrics of `predict(x, engine=engine)` against t, each under its name.

        loss: by default the one that the targets mean (`layers.meant`); the mean over all elements
        that it counts, each with its weight. Metrics see those elements alone, all at once; those
        of probabilities see these, where the loss is one of scores.
        """
        several = check_metrics(metrics)
        y = self.predict(x, engine=engine)
        loss, t = meant(t, y, loss, self.members[-1] if self.members else None)
        if isinstance(loss := shallow_clone(loss), Loss):
            loss.normalizer = None
        results = {"loss": value_of(loss, y, t)}
        y, t = counted(loss, y, t)
        return results | {m.__name__: m(as_taken(m, loss, y), t) for m in several}

    def calls(self, *inputs: Any) -> tuple[Any, list[CallRecord]]:
        """A shallow clone of this network, and the uses of its layers on these inputs, in order."""
        self.build(*inputs)
        network = shallow_clone(self, training=False)
        arrays = (as_input(x, self.dtype) for x in inputs)
        with learning(), forgetting(network):
            output = network(*(Tensor(a) if a.dtype.kind == "f" else a for a in arrays))
        return network, calls_behind(output)

    def summary(self, *inputs: Any) -> Summary:
        """A table of the layers that these inputs pass: output shape, number of parameters.

        Without inputs, of the layers as they stand. A notebook shows it as HTML.
        """
        return table_of_calls(self, *self.calls(*inputs)) if inputs else table_of_layers(self)

    def _repr_html_(self) -> str:
        return table_of_layers(self)._repr_html_()


class Sequential(Network):
    """Layers one after the other: y = fₙ(… f₂(f₁(x))).

    Shapes: x whatever the first layer takes, y whatever the last one gives.
    Gradient: backward runs the layers from the last to the first. Where a layer is used more
    than once, however deep inside, or by another network too, each use is recorded instead.
    Raises ValueError for members that are not layers; errors of a layer name its number.
    """

    def __init__(self, *layers: LayerLike, seed: int = 0, dtype: Any = np.float32):
        require_layers(self, layers)
        self.layers = tuple(layers)
        self.seed, self.dtype = require_seed(seed), float_dtype(dtype)
        for layer, following in zip(layers, layers[1:]):
            if isinstance(layer, Layer):
                layer.followed_by = following

    @property
    def members(self) -> tuple[Any, ...]:
        return self.layers

    @recursive_repr("Sequential(...)")
    def __repr__(self) -> str:
        inner = "".join(f"\n    {short(layer)}," for layer in self.layers)
        return f"{type(self).__name__}({inner}\n)"

    def __len__(self) -> int:
        return len(self.layers)

    def __getitem__(self, i: int) -> Any:
        return self.layers[i]

    def __call__(self, x: Any) -> Any:
        if self._held is None and not self._inside:
            self._adopt()
        if not isinstance(x, Tensor):
            x = as_input(x, self.dtype)
        return self._run(_use, self.layers, x)

    def forward(self, x: Any) -> Array:
        self.build(x)
        held = self._held
        if held is None or held.network() is not self or not held.alone:
            return super().forward(x)
        if held.took:
            held.took = False
            return super().forward(x)
        if held.by_hand is None:
            held.by_hand = ByHand(self.layers, Sequential)
        y: Array = self.run_by_hand(as_input(x, self.dtype), held.by_hand)
        return y

    def run_by_hand(self, x: Any, by_hand: ByHand) -> Any:
        """forward, with the state on the layers."""
        self._record = by_hand
        by_hand.begin(x, self.needs_input_grad)
        return self._run(by_hand.use, by_hand.steps, x)

    def backward(self, dy: Any) -> Any:
        if isinstance(self._record, ByHand):
            return self._record.backward(dy, type(self).__name__)
        return super().backward(dy)

    def _run(self, use: Callable[[Any, Any], Any], steps: Sequence[Any], x: Any) -> Any:
        i = 0
        try:
            for i, step in enumerate(steps):
                if isinstance(x, tuple) and isinstance(self.layers[i], Layer):
                    raise ValueError(
                        f"{type(self).__name__}: layer {i - 1} gives {len(x)} outputs, and layer "
                        f"{i} takes one; write a Network whose __call__ says what goes where"
                    )
                x = use(step, x)
        except ShapeError as error:
            raise ShapeError(f"{error} (layer {i} of the {type(self).__name__})") from None
        except TypeError:
            self._explain()
            raise
        return x


class Residual(Network):
    """y = x + f(x), f being the layers one after the other.

    Shapes: x, f(x), y (any, equal).
    Gradient: dx = dy + the gradient that f sends back.
    Raises ShapeError where f changes the shape.
    Source: He et al., "Deep residual learning for image recognition", CVPR 2016.
    """

    def __init__(self, *layers: LayerLike, seed: int = 0, dtype: Any = np.float32):
        self.body = Sequential(*layers)
        self.seed, self.dtype = require_seed(seed), float_dtype(dtype)

    @property
    def members(self) -> tuple[Any, ...]:
        return self.body.layers

    def __call__(self, x: Any) -> Any:
        y = self.body(x)
        if not isinstance(x, Tensor) and y.dtype.kind == "f":
            x = np.asarray(x, y.dtype)  # integers meant as real numbers
        if y.shape != (shape := np.shape(x)):
            raise ShapeError(f"Residual: its layers must keep the shape {shape}, got {y.shape}")
        return x + y


class Parallel(Network):
    """The branches' outputs side by side: y = concat(f₁(x), f₂(x), …) along `axis`.

    Shapes: x (N, …), fᵢ(x) (N, …, Dᵢ, …), y (N, …, ΣDᵢ, …).
    Gradient: dx = Σ of the branches' gradients, each from its part of dy.
    Raises ShapeError where the outputs differ in another axis.
    """

    def __init__(
        self, *branches: LayerLike, axis: int = -1, seed: int = 0, dtype: Any = np.float32
    ):
        require_layers(self, branches)
        self.branches, self.axis = tuple(branches), axis
        self.seed, self.dtype = require_seed(seed), float_dtype(dtype)

    @property
    def members(self) -> tuple[Any, ...]:
        return self.branches

    def __call__(self, x: Any) -> Any:
        return apply(Concat(self.axis), *(_use(branch, x) for branch in self.branches))


def _use(layer: Any, x: Any) -> Any:
    """A layer on a tensor or an array, with or without the base class."""
    return layer(x) if isinstance(layer, Layer) else apply(layer, x)
