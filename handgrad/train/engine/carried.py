"""Carried: what a network takes from one batch to the next, for shards that are computed apart."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from handgrad.arrays import Array, Stream
from handgrad.layer import Parameter, shallow_clone, walk
from handgrad.parallel import STRIDE


class Start(NamedTuple):
    """Buffers, and steps of random streams, before a batch."""

    buffers: list[Array]
    steps: list[int]


class Carried:
    """The buffers and the random streams of a network and its loss.

    Every shard of a batch begins with the same buffers, and with random numbers of its own, as
    `Shards` says. Afterwards the network has the mean of what the shards made of the buffers,
    weighted by their samples; an integer is that of the first shard that has samples, and an
    element that no shard changed keeps its bits.
    """

    def __init__(self, network: Any, loss: Any):
        layers = [*(layer for _, layer in walk(network)), loss]
        streams = [getattr(layer, "stream", None) for layer in layers]
        self.streams = list({id(s): s for s in streams if isinstance(s, Stream)}.values())
        named = [(x, name) for x in layers for name in getattr(x, "buffers", ())]
        arrays = {id(a): (x, name) for x, name in reversed(named)
                  if isinstance(a := getattr(x, name, None), np.ndarray)}  # fmt: skip
        self.held = list(reversed(arrays.values()))

    def start(self) -> Start:
        """Where a batch begins."""
        buffers = [getattr(layer, name).copy() for layer, name in self.held]
        return Start(buffers, [stream.step for stream in self.streams])

    def begin(self, start: Start, shard: int) -> None:
        """As before the batch, with the random numbers of a shard."""
        self.put(start.buffers)
        for stream, step in zip(self.streams, start.steps):
            stream.step = step + shard * STRIDE

    def made(self, start: Start, shard: int, share: float, first: bool) -> Array:
        """What a shard made of the buffers, for a sum over all shards: values and changes.

        share: of the batch's samples; first: whether no shard before has any.
        """
        for stream, step in zip(self.streams, start.steps):
            if (drawn := stream.step - step - shard * STRIDE) > STRIDE:
                raise ValueError(
                    f"shards: a layer drew {drawn:,} times in one batch; {STRIDE:,} are possible"
                )
        values, changes = [np.empty(0)], [np.empty(0)]
        for (layer, name), before in zip(self.held, start.buffers):
            now = np.asarray(getattr(layer, name))
            weight = share if now.dtype.kind == "f" else float(first)
            values.append(weight * now.ravel() if weight else np.zeros(now.size))
            changes.append(weight * (now != before).ravel())
        return np.concatenate([*values, *changes], dtype=np.float64)

    def end(self, start: Start, total: Array, shards: int) -> None:
        """After the batch: the network goes on from the sum of what all shards made."""
        values, changes = np.split(total, 2)
        new, at = [], 0
        for before in start.buffers:
            part = slice(at, at + before.size)
            at = part.stop
            mean = np.where(changes[part] > 0, values[part], before.ravel())
            new.append(mean.reshape(before.shape).astype(before.dtype))
        self.put(new)
        for stream, step in zip(self.streams, start.steps):
            stream.step = step + shards * STRIDE

    def put(self, buffers: list[Array]) -> None:
        """Write into the buffers; another array is put in the place of one of another shape."""
        for (layer, name), new in zip(self.held, buffers):
            now = getattr(layer, name)
            if now.shape == new.shape and now.flags.writeable:
                now[...] = new
            else:
                setattr(layer, name, new.copy())


def apart(network: Any, loss: Any) -> Any:
    """A clone of a network that shares its parameters alone, to run beside it in a thread.

    The loss, a clone already, gets a random stream of its own as well.
    """
    clone = shallow_clone(network)
    own: dict[int, Any] = {}
    for layer in (*(layer for _, layer in walk(clone)), loss):
        for name, value in list(vars(layer).items()):
            if isinstance(value, Stream):
                new = own.setdefault(id(value), Stream(value.seed, value.layer, value.step))
            elif isinstance(value, Parameter):
                new = own.setdefault(id(value), Parameter(value.data, value.requires_grad))
            elif name in getattr(layer, "buffers", ()) and isinstance(value, np.ndarray):
                new = own.setdefault(id(value), value.copy())
            else:
                continue
            setattr(layer, name, new)
    return clone
