"""Which words are alike, by the angle between their vectors."""

from __future__ import annotations

import numpy as np

from handgrad.arrays import Array
from handgrad.train.text.vocabulary import Vocabulary


def most_similar(
    word: str, vocabulary: Vocabulary, vectors: Array, top: int = 5
) -> list[tuple[str, float]]:
    """The `top` words whose vectors make the smallest angle with the word's, and the cosines.

    Shapes: vectors (V, D). Raises ValueError for a word without a vector.
    """
    rows = directions(vectors)
    (wanted,) = vocabulary.encode([word])
    return nearest(rows, rows[wanted], vocabulary, [wanted], top)


def analogy(
    a: str, b: str, c: str, vocabulary: Vocabulary, vectors: Array, top: int = 5
) -> list[tuple[str, float]]:
    """a is to b as c is to which word? Those nearest to b − a + c, and the cosines.

    Shapes: vectors (V, D). Raises ValueError for a word without a vector.
    Source: Mikolov, Yih, Zweig, "Linguistic regularities in continuous space word
    representations", NAACL 2013.
    """
    rows = directions(vectors)
    given = vocabulary.encode([a, b, c])
    first, second, third = np.asarray(vectors, rows.dtype)[given]
    return nearest(rows, directions((second - first + third)[None])[0], vocabulary, given, top)


def directions(vectors: Array) -> Array:
    """Each vector with length 1, in float32 at least; one of zeros stays as it is."""
    vectors = vectors.astype(np.result_type(vectors, np.float32), copy=False)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length > 0, length, 1)


def nearest(
    rows: Array, query: Array, vocabulary: Vocabulary, without: Array | list[int], top: int
) -> list[tuple[str, float]]:
    """The words with the largest cosines, and the cosines; of equals, the first."""
    cosines = rows @ query
    order = [i for i in np.argsort(-cosines, kind="stable") if i not in set(without)]
    return [(vocabulary.id_to_word[int(i)], float(cosines[i])) for i in order[:top]]
