"""Tensor: an array that remembers what made it, and the walk that sends gradients back.

Nothing here knows an operation. The rooms above put the operators on `Tensor` and enter
their rules for NumPy's own functions in `numpy_rules`.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np

from handgrad.arrays import Array, ShapeError, array_module, as_float
from handgrad.pictures import small_picture

_recording: ContextVar[bool] = ContextVar("recording", default=True)
_refusing: ContextVar[bool] = ContextVar("refusing", default=False)
_comparing: ContextVar[bool] = ContextVar("comparing", default=True)
_learning: ContextVar[bool] = ContextVar("learning", default=False)
_order = itertools.count()
KEPT = 64  # elements of a tensor that a freed call still shows in a picture

# NumPy function or ufunc -> what it does on tensors.
numpy_rules: dict[Callable[..., Any], Callable[..., Any]] = {}


def is_recording() -> bool:
    """Whether layers called on tensors are being recorded."""
    return _recording.get()


@contextmanager
def no_grad() -> Iterator[None]:
    """Inside, layers called on tensors compute and record nothing."""
    token = _recording.set(False)
    try:
        yield
    finally:
        _recording.reset(token)


@contextmanager
def arrays_refused(*, comparisons: bool = False) -> Iterator[None]:
    """Inside, a tensor does not become an array or a number: its past would be lost unseen.

    comparisons: nor is it compared, where what follows from its numbers has to be recorded too.
    """
    token, other = _refusing.set(True), _comparing.set(not comparisons)
    try:
        yield
    finally:
        _refusing.reset(token)
        _comparing.reset(other)


def require_comparable() -> None:
    """Raise TypeError where tensors may not be compared."""
    if not _comparing.get():
        raise TypeError("a tensor is compared, and the result is no layer's")


def is_learning() -> bool:
    """Whether uses of parameters are being recorded where no input is a tensor, too."""
    return _learning.get() and _recording.get()


@contextmanager
def learning() -> Iterator[None]:
    """Inside, a layer with parameters is recorded on plain arrays too: on indices, on constants.

    A network's forward runs inside, so that an embedding, whose input is never a tensor, learns.
    """
    token = _learning.set(True)
    try:
        yield
    finally:
        _learning.reset(token)


class CallRecord:
    """One use of a layer: a copy with its own state, its inputs, and who gets the gradients.

    `layer` is the copy that ran forward; `owners` lists (copy, original, parameter name), so
    that gradients of a parameter used several times meet at the original; `tensors` are the
    parameters inside that are tensors themselves; `given` are the inputs as they came, `steps`
    lists (copy, step) of random streams before the use: with these it can be repeated.
    Outputs are held weakly: a tensor owns its past, the past does not own the tensor.
    Once it is freed, `past` is what its inputs were, for pictures: the small ones, and `Faded`.
    """

    __slots__ = ("__weakref__", "given", "inputs", "layer", "order", "original", "outputs",
                 "owners", "past", "shapes", "steps", "tensors")  # fmt: skip

    def __init__(
        self, layer: Any, original: Any, inputs: tuple[Any, ...],
        owners: list[tuple[Any, Any, str]], steps: Sequence[tuple[Any, int]] = (),
        tensors: Sequence[Tensor] = (),
    ):  # fmt: skip
        self.layer, self.original, self.owners = layer, original, owners
        self.given, self.steps, self.tensors = inputs, steps, tensors
        self.inputs = tuple(x if isinstance(x, Tensor) else None for x in inputs)
        self.order = next(_order)

    def produce(self, outputs: tuple[Any, ...]) -> tuple[Tensor, ...]:
        """The outputs as tensors that know this call made them."""
        tensors = tuple(Tensor._made(y, self, i) for i, y in enumerate(outputs))
        self.outputs = tuple(weakref.ref(t) for t in tensors)
        self.shapes = tuple(t.shape for t in tensors)
        return tensors

    def backward(self, gradients: list[Any]) -> tuple[tuple[Any, ...], list[Any]]:
        """The gradients of the inputs, checked against their shapes, and of the parameters.

        Those of the parameters in the order of `owners`, then of `tensors`; None for one inside
        the layer that took no part.
        """
        if self.layer is None:
            raise RuntimeError(
                "this part of the graph was freed by an earlier backward(); "
                "use backward(retain=True) there, or run the forward again"
            )
        name = type(self.original).__name__
        for i, g in enumerate(gradients):
            if g is None:
                gradients[i] = np.zeros(self.shapes[i], self.layer_dtype())
        kept = [t.grad for t in self.tensors]
        for t in self.tensors:
            t.grad = None
        result = self.layer.backward(*gradients)
        parameters = [getattr(copy, "d" + name, None) for copy, _, name in self.owners]
        for (copy, original, wanted), g in zip(self.owners, parameters):
            if g is None and copy is self.layer:
                raise ValueError(f"{type(original).__name__}: backward did not set d{wanted}")
        parameters += [t.grad for t in self.tensors]
        for t, g in zip(self.tensors, kept):
            t.grad = g
        result = tuple(result) if isinstance(result, tuple | list) else (result,)
        for i, (x, dx) in enumerate(zip(self.inputs, result)):
            if x is not None and dx is not None and np.shape(dx) != x.shape:
                raise ShapeError(
                    f"{name}: the gradient of input {i} must have the input's shape {x.shape}, "
                    f"backward returned {np.shape(dx)}"
                )
        return result, parameters

    def layer_dtype(self) -> Any:
        """The dtype of the first tensor among the inputs."""
        return next(x.dtype for x in self.inputs if x is not None)

    def free(self) -> None:
        """Let go of the saved state and of the inputs, but for what a picture of them needs."""
        self.past = tuple(x if getattr(x, "size", 0) <= KEPT else Faded(x) for x in self.given)
        self.layer, self.inputs, self.given, self.owners, self.steps = None, (), (), [], ()
        self.tensors = ()


class Faded:
    """A large input of a freed call: where it came from and its shape, without its elements."""

    __slots__ = ("creator", "index", "name", "requires_grad", "shape", "tensor")

    def __init__(self, x: Any):
        self.tensor = weakref.ref(x)  # which may live on elsewhere
        self.shape = x.shape
        if isinstance(x, Tensor):
            self.creator, self.index, self.name = x.creator, x.index, x.name
            self.requires_grad = x.requires_grad
        else:
            self.creator, self.index, self.name, self.requires_grad = None, 0, None, False


class Tensor:
    """An array, its gradient after a backward(), and the call that made it.

    data: the array; integers and booleans become float64. requires_grad: whether a gradient
    is wanted; False for constants. Operators and NumPy functions on tensors record layers.
    """

    __slots__ = ("__weakref__", "creator", "data", "grad", "index", "name", "requires_grad")

    def __init__(self, data: Any, requires_grad: bool = True, name: str | None = None):
        self.data: Array = as_float(data.data if isinstance(data, Tensor) else data)
        self.requires_grad, self.name = requires_grad, name
        self.grad: Array | None = None
        self.creator: CallRecord | None = None
        self.index = 0

    @classmethod
    def _made(cls, data: Any, creator: CallRecord, index: int) -> Tensor:
        tensor = Tensor(data)
        tensor.creator, tensor.index = creator, index
        return tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return self.data.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.data.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.data.size

    @property
    def dtype(self) -> Any:
        """Type of the elements."""
        return self.data.dtype

    def __len__(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __float__(self) -> float:
        return float(self.__array__())

    def item(self) -> float:
        """The only element, as a Python number."""
        number: float = self.__array__().item()
        return number

    def detach(self) -> Tensor:
        """The same elements without a past: gradients stop here."""
        return Tensor(self.data, requires_grad=False)

    if TYPE_CHECKING:  # layers/operators.py puts these here
        T: Tensor

        def __add__(self, other: Any) -> Tensor: ...
        def __radd__(self, other: Any) -> Tensor: ...
        def __sub__(self, other: Any) -> Tensor: ...
        def __rsub__(self, other: Any) -> Tensor: ...
        def __mul__(self, other: Any) -> Tensor: ...
        def __rmul__(self, other: Any) -> Tensor: ...
        def __truediv__(self, other: Any) -> Tensor: ...
        def __rtruediv__(self, other: Any) -> Tensor: ...
        def __pow__(self, other: Any) -> Tensor: ...
        def __rpow__(self, other: Any) -> Tensor: ...
        def __matmul__(self, other: Any) -> Tensor: ...
        def __rmatmul__(self, other: Any) -> Tensor: ...
        def __neg__(self) -> Tensor: ...
        def __lt__(self, other: Any) -> Array: ...
        def __le__(self, other: Any) -> Array: ...
        def __gt__(self, other: Any) -> Array: ...
        def __ge__(self, other: Any) -> Array: ...
        def __getitem__(self, key: Any) -> Tensor: ...
        def reshape(self, *shape: Any) -> Tensor: ...
        def transpose(self, *axes: Any) -> Tensor: ...
        def sum(self, axis: Any = None, keepdims: bool = False) -> Tensor: ...
        def mean(self, axis: Any = None, keepdims: bool = False) -> Tensor: ...
        def max(self, axis: Any = None, keepdims: bool = False) -> Tensor: ...

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if _refusing.get():
            raise TypeError("a tensor is taken for a plain array")
        return np.array(self.data, dtype=dtype, copy=copy)

    def __dlpack__(self, **options: Any) -> Any:
        """The elements for other libraries, without a copy: `torch.from_dlpack(tensor)`."""
        return self.data.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        """Where they lie."""
        return self.data.__dlpack_device__()

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        rule = numpy_rules.get(ufunc)
        if rule is None or method != "__call__" or options:
            raise TypeError(
                f"np.{ufunc.__name__} has no gradient rule for this use on tensors; "
                "use a layer, or tensor.data to compute without gradients"
            )
        return rule(*inputs)

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        rule = numpy_rules.get(function)
        if rule is None:
            raise TypeError(
                f"np.{function.__name__} has no gradient rule on tensors; "
                "use a layer, or tensor.data to compute without gradients"
            )
        return rule(*args, **options)

    def __repr__(self) -> str:
        text = np.array2string(np.asarray(self.data), precision=4, threshold=20, prefix="Tensor(")
        maker = f", made by {type(self.creator.original).__name__}" if self.creator else ""
        return f"Tensor({text}{maker})"

    def _repr_svg_(self) -> str | None:
        return small_picture(self)

    def backward(self, dy: Any = None, *, retain: bool = False) -> None:
        """Send the gradient `dy` (1 for a scalar) back to everything this tensor came from.

        Sets `grad` on every tensor on the way and d<name> on every layer for its parameters;
        each call sets them anew. Saved state is freed after use unless `retain`.
        Raises ShapeError if dy has another shape, or is missing where the tensor has several
        elements; RuntimeError if the graph has been freed.
        """
        dy = self._upstream(dy)
        self.grad = dy
        if self.creator is not None:
            _walk(self, dy, retain)

    def _upstream(self, dy: Any) -> Array:
        if dy is None:
            if self.size != 1:
                raise ShapeError(
                    f"backward() without a gradient needs a scalar; this tensor has shape "
                    f"{self.shape}: pass dy of that shape, or sum() first"
                )
            ones: Array = array_module(self.data).ones_like(self.data)
            return ones
        g: Array = as_float(dy.data if isinstance(dy, Tensor) else dy)
        if g.shape != self.shape:
            raise ShapeError(f"backward: dy must have shape {self.shape}, got {g.shape}")
        return g.astype(self.dtype, copy=False)


def calls_behind(*tensors: Any, constants: bool = True) -> list[CallRecord]:
    """The calls that these tensors came from, in the order in which they were made.

    Without `constants`, only through inputs whose gradient is wanted.
    """
    found: set[CallRecord] = set()
    waiting = [t.creator for t in tensors if isinstance(t, Tensor)]
    while waiting:
        call = waiting.pop()
        if call is not None and call not in found:
            found.add(call)
            waiting.extend(
                x.creator for x in call.inputs if x is not None and (constants or x.requires_grad)
            )
    return sorted(found, key=lambda call: call.order)


def _walk(root: Tensor, dy: Array, retain: bool) -> None:
    """Visit the calls behind `root`, latest first, and hand each its summed gradient.

    An input exists before the call that uses it, so the latest first is a right order.
    Sums make new arrays: a gradient that was handed out is never written to again.
    """
    start = root.creator
    assert start is not None
    pending: dict[CallRecord, list[Any]] = {start: [None] * len(start.outputs)}
    pending[start][root.index] = dy
    leaves: dict[int, tuple[Tensor, Array]] = {}
    parameters: dict[tuple[int, str], tuple[Any, Array]] = {}

    waiting = calls_behind(root, constants=False)
    while waiting:
        call = waiting.pop()
        gradients = pending.pop(call, None)
        if gradients is None:
            continue
        for reference, g in zip(call.outputs, gradients):
            tensor = reference()
            if tensor is not None:
                tensor.grad = g
        results, found = call.backward(gradients)
        for (_, original, name), g in zip(call.owners, found):
            _add(parameters, (id(original), name), original, g)
        for parameter, g in zip(call.tensors, found[len(call.owners) :]):
            _add(leaves, id(parameter), parameter, g)
        for x, dx in zip(call.inputs, results):
            if x is None or dx is None or not x.requires_grad:
                continue
            if x.creator is None:
                _add(leaves, id(x), x, dx)
                continue
            slots = pending.setdefault(x.creator, [None] * len(x.creator.outputs))
            slots[x.index] = dx if slots[x.index] is None else slots[x.index] + dx
        if not retain:
            call.free()

    for leaf, g in leaves.values():
        leaf.grad = g
    for (_, name), (original, g) in parameters.items():
        setattr(original, "d" + name, g)


def _add(sums: dict[Any, tuple[Any, Any]], key: Any, owner: Any, g: Any) -> None:
    """Add g to the owner's sum, without writing into either."""
    if g is not None:
        sums[key] = (owner, g if key not in sums else sums[key][1] + g)
