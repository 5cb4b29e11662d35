"""Whether a gradient is that of the loss: the loss along it, by central differences."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.train.watch.measure.network import Batch, loss_on

CHANGE = 0.01  # of the loss, by one step there and one back
MOST = 12  # parameters that are looked at


def slopes_of(trainer: Any, batch: Batch, gradient: Array) -> tuple[bool, dict[str, float]]:
    """Whether the loss in training mode differs from call to call, where nothing can be measured;
    and for each parameter with a gradient g: the derivative of the loss along g, over |g|².

    1 where backward is right, but for kinks and rounding: the better of two step lengths counts.
    """
    network, loss = trainer.network, trainer.task.loss
    p = network.parameters
    kept, found = p.copy(), {}
    first, again = (loss_on(network, loss, batch, training=True) for _ in range(2))
    if first != again:
        return True, {}
    level = max(abs(first), 1e-3)

    def along(where: slice, g: Array, length: float) -> float:
        values = []
        for way in (1, -1):
            p[where] = kept[where] + (way * length * g).astype(p.dtype)
            values.append(loss_on(network, loss, batch, training=True))
            p[where] = kept[where]
        return (values[0] - values[1]) / (2 * length)

    for path, start, stop, _ in network.layout[:MOST]:
        where = slice(start, stop)
        g = gradient[where].astype(np.float64)
        square = float(g @ g)
        if not square or not np.isfinite(square):
            continue
        length = CHANGE * level / square / 2
        tries = [along(where, g, length * part) / square for part in (1, 1 / 8)]
        found[path] = min(tries, key=lambda ratio: abs(ratio - 1))
    return False, found
