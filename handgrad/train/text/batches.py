"""Batches of text: contexts and targets, the order of truncated backpropagation, padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from handgrad.arrays import Array


def contexts_and_targets(corpus: Any, window: int = 1) -> tuple[Array, Array]:
    """For each word with `window` neighbours on both sides: the neighbours, and the word.

    Shapes: corpus (T,), contexts (T − 2·window, 2·window), targets (T − 2·window).
    Raises ValueError for a window below 1 or a corpus without such a word.
    Source: Mikolov et al., "Efficient estimation of word representations", 2013.
    """
    corpus = np.asarray(corpus)
    inner = len(corpus) - 2 * window
    if window < 1 or inner < 1:
        raise ValueError(
            f"contexts_and_targets: window {window} needs a corpus of {2 * max(window, 1) + 1} "
            f"words or more, got {len(corpus)}"
        )
    contexts = [corpus[i : i + inner] for i in range(2 * window + 1) if i != window]
    return np.stack(contexts, axis=1), corpus[window:-window]


def truncated_batches(corpus: Any, batch: int, steps: int) -> Iterator[tuple[Array, Array]]:
    """x (batch, steps) and the words that follow, t, block after block through the corpus.

    Sequence n of a block goes on where that of the block before stopped, so that a layer may keep
    its state from block to block while gradients stop at the border.
    Raises ValueError where the corpus (T,) has no full block.
    Source: Williams & Peng, "An efficient gradient-based algorithm for on-line training of
    recurrent network trajectories", 1990.
    """
    corpus = np.asarray(corpus)
    length = (len(corpus) - 1) // max(batch, 1)
    if batch < 1 or steps < 1 or length < steps:
        raise ValueError(
            f"truncated_batches: {batch} sequences of {steps} steps need {batch * steps + 1} words "
            f"or more, got {len(corpus)}"
        )
    x = corpus[: batch * length].reshape(batch, length)
    t = corpus[1 : batch * length + 1].reshape(batch, length)
    for start in range(0, length - steps + 1, steps):
        yield x[:, start : start + steps], t[:, start : start + steps]


def pad(sequences: Sequence[Any], value: int = -1, length: int | None = None) -> Array:
    """Sequences of different lengths as one array (N, T), filled up behind with `value`.

    T is the longest length by default. Raises ValueError for one longer than `length`.
    """
    longest = max(map(len, sequences), default=0)
    width = longest if length is None else length
    if longest > width:
        raise ValueError(f"pad: a sequence of {longest} does not fit into length {width}")
    padded = np.full((len(sequences), width), value, np.int64)
    for row, sequence in zip(padded, sequences):
        row[: len(sequence)] = sequence
    return padded
