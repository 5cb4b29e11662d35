"""When a loss or a gradient stops being finite: in which layer it began."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.layer import slots, walk
from handgrad.network import Network


class DivergenceError(ArithmeticError):
    """Training met NaN or infinity and stopped; the last good weights are in the network."""


def forward_origin(network: Network, x: Any) -> str:
    """The first layer on the way of x with a parameter or an output that is not finite."""
    with np.errstate(all="ignore"):
        shallow_clone, calls = network.calls(x)
    paths = {id(layer): path for path, layer in walk(shallow_clone)}
    for a in calls:
        name = f"layer {paths.get(id(a.original), '?')} ({type(a.original).__name__})"
        for slot in slots(a.original):
            if not np.isfinite(slot.value).all():
                return f"{name}: its {slot.name} is no longer finite"
        made = [y.data for reference in a.outputs if (y := reference()) is not None]
        if all(np.isfinite(y).all() for y in made):
            continue
        seen = [t.data for t in a.inputs if t is not None and t.size]
        low, high = min(map(np.min, seen)), max(map(np.max, seen))
        return f"{name}: inputs from {low:.3g} to {high:.3g} gave NaN or infinity"
    return "the loss layer: the outputs of the network are finite"


def backward_origin(network: Network) -> str:
    """The last layer, so the first on the way back, whose gradient is not finite."""
    for path, gradient in reversed(network.named_gradients().items()):
        if not np.isfinite(gradient).all():
            return f"the gradient of {path}: NaN or infinity"
    return "the gradients together: their squares overflow"
