"""Options of a training: taken where it is clear what is meant, refused in one line where not."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array, as_float
from handgrad.compile import usable_threads
from handgrad.layer import walk
from handgrad.optim import Optimizer, make_optimizer
from handgrad.optim.own_rule import OwnRule
from handgrad.parallel import HALVES, Feedback, Ranks, Shards
from handgrad.warn import warn_user

EVENTS = ("on_start", "on_step", "on_epoch", "on_end")


def check_count(option: str, value: Any) -> int:
    """An integer of at least 1."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{option}: an integer of at least 1 is needed, got {value!r}")
    return int(value)


def refuse_compile(compile: Any) -> None:
    """Raise ValueError where the option is given that `engine` has taken over from."""
    if compile is not None:
        name = {True: "native", False: "numpy"}.get(compile, "auto")
        raise ValueError(f"compile: this option is called engine now; engine={name!r} would do")


def check_choice(option: str, value: Any, choices: tuple[str, ...]) -> Any:
    """One of some words."""
    if value not in choices:
        raise ValueError(f"{option}: one of {', '.join(map(repr, choices))}, got {value!r}")
    return value


def check_optimizer(optimizer: Any) -> Optimizer:
    """An optimizer; a class of one, or its name ("adam"), stands for one with its usual options.

    A rule of one's own is any object with `update(params, grads)`.
    """
    if isinstance(optimizer, str):
        return make_optimizer(optimizer)
    if isinstance(optimizer, type) and issubclass(optimizer, Optimizer):
        return optimizer()
    return optimizer if isinstance(optimizer, Optimizer) else OwnRule(optimizer)


def check_callbacks(callbacks: Any) -> list[Any]:
    """A list of callbacks; a single one, or a class of one, is taken too."""
    several = callbacks if isinstance(callbacks, list | tuple) else [callbacks]
    made = [c() if isinstance(c, type) else c for c in several]
    for callback in made:
        if not any(hasattr(callback, event) for event in EVENTS):
            raise ValueError(
                f"callbacks: objects with one of {', '.join(EVENTS)} are needed, got {callback!r}"
            )
    return made


def check_weights(weights: Any, samples: int) -> Array:
    """One finite weight ≥ 0 for each sample, not all 0."""
    try:
        array = as_float(weights)
    except ValueError as error:
        raise ValueError(f"sample_weights: {error}") from None
    fits = array.shape == (samples,)
    if not (fits and np.isfinite(array).all() and (array >= 0).all() and array.any()):
        raise ValueError(
            f"sample_weights: {samples} finite numbers ≥ 0 are needed, one per sample and not "
            f"all 0, got shape {array.shape}"
        )
    return array


def check_shards(shards: Any, parallel: Any) -> Shards | None:
    """Shards for a power of two; 16 where several processes train and nothing is said."""
    if shards is None:
        return None if parallel is None else Shards()
    return Shards(shards)


def check_gradients(name: Any, shards: Shards | None, ranks: Ranks) -> Feedback | None:
    """How the sums of shards travel as halves; None for in the network's own dtype."""
    if name is None:
        return None
    check_choice("gradients", name, tuple(HALVES))
    if shards is None:
        raise ValueError(
            f"gradients: {name!r} says how the sums of shards travel, and there are no shards; "
            "give shards=16, or parallel='mpi', too"
        )
    return Feedback(name, shards, ranks)


def check_threads(threads: Any, ranks: Ranks) -> int | None:
    """The number asked for; of several ranks, each one's share of its machine; or None."""
    if threads is not None:
        return check_count("threads", threads)
    return ranks.threads(usable_threads()) if ranks.size > 1 else None


def check_sharding(network: Any, task: Any) -> None:
    """Raise ValueError for layers that shards cannot compute; warn of shards without work."""
    if task.shards is None:
        return
    for path, layer in walk(network):
        if getattr(layer, "stateful", False) is True:
            raise ValueError(
                f"shards: layer {path} ({type(layer).__name__}) is stateful, and a shard has no "
                "state from the batch before; use stateful=False, or shards=None"
            )
    count, size, batch = task.shards.count, task.ranks.size, task.batch
    if task.ranks.rank:
        return
    if size > (most := min(count, batch)):
        more = f"batch={size}" if batch < count else f"shards={1 << (size - 1).bit_length()}"
        warn_user(
            f"parallel: of {size} ranks {size - most} have nothing to compute, for {most} shards "
            f"have samples; {most} ranks, or {more}, would do"
        )
    elif batch < count:
        warn_user(
            f"shards: a batch of {batch} samples leaves {count - batch} of {count} shards empty; "
            f"batch={count}, or fewer shards, would do"
        )


def check_pair(validation: Any) -> tuple[Any, Any]:
    """The inputs and targets of data to validate on."""
    if not isinstance(validation, list | tuple) or len(validation) != 2:
        raise ValueError(
            "validation: (x, t), or the fraction of the samples to hold out, is needed, got "
            f"{type(validation).__name__}"
        )
    return validation[0], validation[1]
