"""A network of the user's: an instance, a function of the sizes, or a Python file."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from handgrad.network import Network, Sequential
from handgrad.train.heads import head_layers
from handgrad.train.nets import network_from_file


def own_network(
    network: Any, inputs: int, outputs: int, random: Any, first: Any = None,
    heads: Sequence[int] = (),
) -> Network:  # fmt: skip
    """A new network for so many inputs and outputs, behind a `first` layer where there is one, and
    before those of `heads`, the classes of several targets.

    network: a Network, which is copied; a function (inputs, outputs) -> Network; or FILE.py[:name].
    Raises ValueError where it does not give (N, outputs).
    """
    if isinstance(network, str):
        made: Any = network_from_file(network)[0]
    elif isinstance(network, Network):
        made = copy.deepcopy(network)
    else:
        made = network(inputs, outputs)
    if not isinstance(made, Network):
        raise ValueError(f"network: a Network is needed, got {type(made).__name__}")
    if not made._built:
        made.seed = int(random.randint(2**31))
    y = made.predict(np.zeros((2, inputs), np.float32))
    if y.shape != (2, outputs):
        raise ValueError(
            f"network: an output of shape (N, {outputs}) is needed for these targets, "
            f"got (N{''.join(f', {n}' for n in y.shape[1:])})"
        )
    before, after = [] if first is None else [first], head_layers(heads)
    return Sequential(*before, made, *after, seed=made.seed) if before or after else made
