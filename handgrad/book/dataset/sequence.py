"""The second book's sequence tasks: its own file beside the script's folder, or made anew."""

from pathlib import Path

import numpy as np

from handgrad.arrays import Array
from handgrad.book import sizes
from handgrad.train.text import Vocabulary, additions, as_arrays, dates

MADE = {"addition.txt": additions, "date.txt": dates}

vocabulary = Vocabulary()

Pair = tuple[Array, Array]


def load_data(file_name: str = "addition.txt", seed: int | None = 1984) -> tuple[Pair, Pair]:
    """(x_train, t_train), (x_test, t_test): numbers of characters, one row for each question.

    Raises ValueError for a file that is neither there nor one of those made by program.
    """
    global vocabulary
    x, t, vocabulary = as_arrays(pairs(file_name))
    if seed is not None:
        np.random.seed(seed)
    order = np.arange(len(x))
    np.random.shuffle(order)
    x, t = x[order][: sizes.samples], t[order][: sizes.samples]
    split = len(x) - len(x) // 10
    return (x[:split], t[:split]), (x[split:], t[split:])


def pairs(file_name: str) -> list[tuple[str, str]]:
    """Questions and answers; a line of the file is a question and, from `_` on, its answer."""
    path = Path("..", "dataset", file_name)
    if path.exists():
        lines = (line.partition("_") for line in path.read_text().splitlines())
        return [(question, sign + answer) for question, sign, answer in lines]
    if file_name not in MADE:
        raise ValueError(f"sequence: {path} is not there; made by program: {', '.join(MADE)}")
    return MADE[file_name]()


def get_vocab() -> tuple[dict[str, int], dict[int, str]]:
    """From characters to numbers, and back, for what was loaded last."""
    return vocabulary.word_to_id, vocabulary.id_to_word
