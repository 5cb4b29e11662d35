"""What the book layers share: a layer around one of handgrad's, and one without weights."""

from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.layer import Layer


def held(index: int) -> property:
    """A weight of an Adapter under its own name: `params[index]`."""

    def get(self: Any) -> Array:
        return self.params[index]

    def put(self: Any, value: Array) -> None:
        self.params[index] = value

    return property(get, put)


class Weightless:
    """Base of the book layers that neither have weights nor are handgrad's own."""

    def __init__(self) -> None:
        self.params: list[Array] = []
        self.grads: list[Array] = []


class Adapter:
    """Base of the book layers with weights. The inner layer computes.

    `params` and `grads` are lists in the order of `names`, as the second book has them; grads
    are filled in index. `dW` and so on, as the first book has them, are new in every backward.
    """

    names: tuple[str, ...] = ()

    def __init__(self, inner: Layer, *weights: Array):
        self.inner: Any = inner
        self.params = [np.asarray(w) for w in weights]
        self.grads = [np.zeros_like(w) for w in self.params]
        for name in self.names:
            setattr(self, "d" + name, None)

    def lend(self, x: Array) -> Array:
        """Give the inner layer x and the weights in the dtype that NumPy would multiply in."""
        dtype = np.result_type(x, *self.params)
        for name, weight in zip(self.names, self.params):
            setattr(self.inner, name, weight.astype(dtype, copy=False))
        return x.astype(dtype, copy=False)

    def collect(self) -> None:
        """Take the gradients of the weights from the inner layer."""
        for name, grad in zip(self.names, self.grads):
            new = getattr(self.inner, "d" + name)
            grad[...] = new
            setattr(self, "d" + name, new)

    def forward(self, x: Array) -> Any:
        """The inner layer's output."""
        return self.inner.forward(self.lend(x))

    def backward(self, dout: Array) -> Any:
        """The gradient of x; those of the weights go where the books look for them."""
        dx = self.inner.backward(dout.astype(self.inner_dtype, copy=False))
        self.collect()
        return dx

    @property
    def inner_dtype(self) -> Any:
        """The dtype that the last forward computed in."""
        return getattr(self.inner, self.names[0]).dtype
