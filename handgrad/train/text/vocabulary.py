"""Words as numbers: a text becomes a corpus, one number for each word."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from handgrad.arrays import Array


class Vocabulary:
    """The numbers of words, given out in the order in which words come first.

    `word_to_id` and `id_to_word` are the two directions, `len` the number of words.
    """

    def __init__(self, words: Iterable[str] = ()):
        self.word_to_id: dict[str, int] = {}
        self.id_to_word: dict[int, str] = {}
        self.add(words)

    def __len__(self) -> int:
        return len(self.word_to_id)

    def add(self, words: Iterable[str]) -> None:
        """Number the words that have no number yet."""
        for word in words:
            if word not in self.word_to_id:
                self.id_to_word[len(self)] = word
                self.word_to_id[word] = len(self)

    def encode(self, words: Iterable[str]) -> Array:
        """The numbers (T,) of words. Raises ValueError for a word without a number."""
        try:
            return np.array([self.word_to_id[word] for word in words], dtype=np.int64)
        except KeyError as error:
            raise ValueError(
                f"Vocabulary: {error.args[0]!r} is none of the {len(self)} known words; "
                "add it first"
            ) from None

    def decode(self, ids: Iterable[int]) -> list[str]:
        """The words of numbers. Raises ValueError for a number without a word."""
        try:
            return [self.id_to_word[int(i)] for i in ids]
        except KeyError as error:
            raise ValueError(
                f"Vocabulary: no word has the number {error.args[0]}; they go from 0 to "
                f"{len(self) - 1}"
            ) from None


def split_words(text: str) -> list[str]:
    """The words of a text in lower case, a full stop being a word of its own."""
    return text.lower().replace(".", " .").split()


def preprocess(
    text: str, tokenize: Callable[[str], Iterable[str]] = split_words
) -> tuple[Array, Vocabulary]:
    """The corpus (T,) of a text, one number for each token, and the vocabulary it is written in.

    tokenize: from the text to its tokens; `list` makes them characters.
    Source: Saito, "Deep Learning from Scratch 2", section 2.3.1.
    """
    tokens = list(tokenize(text))
    vocabulary = Vocabulary(tokens)
    return vocabulary.encode(tokens), vocabulary


def read_penn_treebank(
    path: str | Path, vocabulary: Vocabulary | None = None
) -> tuple[Array, Vocabulary]:
    """The corpus (T,) of a file of the Penn Treebank, each line closed by the word <eos>.

    vocabulary: that of the training part, for the other parts; by default the file's own.
    Raises ValueError for a word that it lacks.
    Source: Marcus et al., 1993; Mikolov's preparation of it, 2010.
    """
    words = Path(path).read_text(encoding="utf-8").replace("\n", " <eos> ").split()
    vocabulary = Vocabulary(words) if vocabulary is None else vocabulary
    return vocabulary.encode(words), vocabulary
