"""When a loss or a gradient stops being finite: in which layer it began."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.layer import slots, walk
from handgrad.network import Network


class DivergenceError(ArithmeticError):
    """Training met NaN or infinity and stopped; the last good weights are in the network.

    what: became not finite; where: it began. diagnosis: of the training doctor, if it watched.
    """

    diagnosis: Any = None

    def __init__(self, what: str, where: str = ""):
        super().__init__(f"{what}; it began in {where}" if where else what)
        self.what, self.where = what, where


def forward_origin(network: Network, x: Any) -> str:
    """The first layer on the way of x with a parameter or an output that is not finite."""
    with np.errstate(all="ignore"):
        shallow_clone, calls = network.calls(x)
        y = network.predict(x, engine="numpy")
    paths = {id(layer): path for path, layer in walk(shallow_clone)}
    for a in calls:
        name = f"layer {paths.get(id(a.original), '?')} ({type(a.original).__name__})"
        for slot in slots(a.original):
            if not np.isfinite(slot.value).all():
                return f"{name}: its {slot.name} is no longer finite"
        made = [tensor.data for output in a.outputs if (tensor := output()) is not None]
        if a is calls[-1]:  # nothing holds the network's own output any more
            made.append(y)
        if all(np.isfinite(values).all() for values in made):
            continue
        seen = [t.data for t in a.inputs if t is not None and t.size]
        low, high = min(map(np.min, seen)), max(map(np.max, seen))
        return f"{name}: inputs from {low:.3g} to {high:.3g} gave NaN or infinity"
    return f"the loss: the network's outputs, from {y.min():.3g} to {y.max():.3g}, are finite"


def backward_origin(network: Network) -> str:
    """The last layer, so the first on the way back, whose gradient is not finite."""
    for path, gradient in reversed(network.named_gradients().items()):
        if not np.isfinite(gradient).all():
            return f"the gradient of {path}: NaN or infinity"
    return "the sum of the gradients of the batches of one update"
