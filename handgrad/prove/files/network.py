"""Classes of the books that are no layers yet, as something with forward and backward."""

from __future__ import annotations

import functools
from typing import Any


class LossNetwork:
    """forward is loss(x, t) of given samples, backward is gradient(x, t): of `params` alone."""

    def __init__(self, network: Any, x: Any, t: Any):
        self.network, self.x, self.t = network, x, t
        self.params = network.params
        self.grads: Any = {}

    def forward(self) -> Any:
        """The loss, a number."""
        return self.network.loss(self.x, self.t)

    def backward(self, dout: Any = 1) -> None:
        """The gradients of the parameters; gradient() itself takes no dout."""
        found = self.network.gradient(self.x, self.t)
        if isinstance(found, dict):
            self.grads = {name: dout * value for name, value in found.items()}
        else:
            self.grads = [dout * value for value in found]


def at_one(loss: type) -> type:
    """The class with a backward that ignores its dout = 1, and is multiplied by it outside."""

    @functools.wraps(loss.backward)  # type: ignore[attr-defined]
    def backward(self: Any, dout: Any = 1) -> Any:
        found = loss.backward(self)  # type: ignore[attr-defined]
        if isinstance(found, tuple):
            return tuple(None if g is None else dout * g for g in found)
        return dout * found

    return type(loss.__name__, (loss,), {"backward": backward, "__module__": loss.__module__})
