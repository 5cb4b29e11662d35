"""Which words are alike, printed as the second book prints it."""

import numpy as np

from handgrad.arrays import Array

EPS = 1e-8  # keeps a zero vector from dividing by 0


def cos_similarity(x: Array, y: Array, eps: float = EPS) -> float:
    """The cosine of the angle between x and y."""
    return np.dot(unit(x, eps), unit(y, eps))


def unit(x: Array, eps: float = EPS) -> Array:
    """x divided by its length along the last axis."""
    return x / (np.sqrt(np.sum(x**2, axis=-1, keepdims=True)) + eps)


def normalize(x: Array) -> Array:
    """Each row of x (N, D), or x (D) itself, with length 1, in place."""
    x /= np.sqrt((x * x).sum(axis=-1, keepdims=True))
    return x


def most_similar(
    query: str, word_to_id: dict, id_to_word: dict, word_matrix: Array, top: int = 5
) -> None:
    """Print the words with the largest cosine to the query's vector."""
    if query not in word_to_id:
        print(f"{query} is not found")
        return
    print(f"\n[query] {query}")
    rows = unit(word_matrix)
    cosines = np.array([np.dot(row, rows[word_to_id[query]]) for row in rows], dtype=float)
    show(cosines, id_to_word, {query}, top)


def analogy(
    a: str, b: str, c: str, word_to_id: dict, id_to_word: dict, word_matrix: Array,
    top: int = 5, answer: str | None = None,
) -> None:  # fmt: skip
    """Print the words that are to c as b is to a."""
    for word in (a, b, c):
        if word not in word_to_id:
            print(f"{word} is not found")
            return
    print(f"\n[analogy] {a}:{b} = {c}:?")
    va, vb, vc = (word_matrix[word_to_id[word]] for word in (a, b, c))
    scores = np.dot(word_matrix, normalize(vb - va + vc))
    if answer is not None:
        print(f"==>{answer}:{scores[word_to_id[answer]]}")
    show(scores, id_to_word, {a, b, c}, top)


def show(scores: Array, id_to_word: dict, without: set[str], top: int) -> None:
    """Print the words with the highest scores, the given ones left out."""
    order = [i for i in np.argsort(-scores) if not np.isnan(scores[i])]
    for i in [i for i in order if id_to_word[i] not in without][:top]:
        print(f" {id_to_word[i]}: {scores[i]}")
