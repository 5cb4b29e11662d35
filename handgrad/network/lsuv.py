"""Initial weights by data: each layer's outputs brought to variance 1, in the order of use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.inside import untouched
from handgrad.layer import as_input, parameter_names, walk
from handgrad.layers.checks import is_number
from handgrad.tensor import no_grad


def lsuv(network: Any, x: Array, *, tolerance: float = 0.05, rounds: int = 10) -> dict[str, float]:
    """Scale each W until the outputs of its layer have variance 1 on a batch, layer by layer.

    W ← W / √Var(y), in the order in which the network uses its layers, until |Var(y) − 1| ≤
    tolerance, in at most so many rounds. To be used once, before training, best on weights that
    are `orthogonal`. Running statistics, random streams and modes stay as they were.
    Shapes: x (N, …), some hundred samples.
    Returns the variances before, by the paths of the layers, in order.
    Raises ValueError for a tolerance that is not positive, a network without a W, and outputs that
    do not vary, or are not finite.
    Source: Mishkin & Matas, "All you need is a good init", ICLR 2016.
    """
    if not is_number(tolerance) or tolerance <= 0:
        raise ValueError(f"lsuv: tolerance must be positive, got {tolerance!r}")
    x = as_input(x, network.dtype)
    network.build(x)
    layers = {path: layer for path, layer in walk(network) if "W" in parameter_names(layer)}
    if not layers:
        raise ValueError(f"lsuv: a network with a layer that has a W is needed, got {network!r}")
    with no_grad(), untouched(network), network.mode(True):
        before = variances(network, layers, x)
        for path in before:
            for _ in range(rounds):
                now = variances(network, layers, x)[path]
                if abs(now - 1) <= tolerance:
                    break
                if not 0 < now < np.inf:
                    raise ValueError(f"lsuv: the outputs of layer {path} have the variance {now}")
                layers[path].W *= 1 / np.sqrt(now)
    return before


def variances(network: Any, layers: dict[str, Any], x: Array) -> dict[str, float]:
    """The variance of the first outputs of each layer, in the order of their use."""
    found: dict[str, float] = {}
    with heard(layers, found):
        network(x)
    return found


@contextmanager
def heard(layers: dict[str, Any], found: dict[str, float]) -> Iterator[None]:
    """Inside, each layer writes the variance of its outputs into `found`."""

    def listener(path: str, forward: Any) -> Any:
        def listening(*inputs: Any) -> Any:
            y = forward(*inputs)
            found.setdefault(path, float(np.var(y, dtype=np.float64)))
            return y

        return listening

    for path, layer in layers.items():
        layer.forward = listener(path, layer.forward)
    try:
        yield
    finally:
        for layer in layers.values():
            del layer.forward
