"""How good a model is: perplexity of a language model, right answers of a seq2seq model."""

import sys
from collections.abc import Iterable
from typing import Any

import numpy as np

from handgrad.arrays import Array

GREEN, RED, PLAIN = "\033[92m", "\033[91m", "\033[0m"


def eval_perplexity(model: Any, corpus: Array, batch_size: int = 10, time_size: int = 35) -> float:
    """exp of the mean loss over the corpus, read in `batch_size` rows side by side."""
    print("evaluating perplexity ...")
    words, jump = len(corpus), (len(corpus) - 1) // batch_size
    blocks = (words - 1) // (batch_size * time_size)
    starts = jump * np.arange(batch_size)[:, None] + np.arange(time_size)
    total = 0.0
    for block in range(blocks):
        rows = starts + block * time_size
        xs, ts = corpus[rows % words], corpus[(rows + 1) % words]
        try:
            total += model.forward(xs, ts, train_flg=False)
        except TypeError:  # a model without dropout has no train_flg
            total += model.forward(xs, ts)
        sys.stdout.write(f"\r{block} / {blocks}")
        sys.stdout.flush()
    print()
    return np.exp(total / blocks)


def eval_seq2seq(
    model: Any, question: Array, correct: Array, id_to_char: dict,
    verbose: bool = False, is_reverse: bool = False,
) -> int:  # fmt: skip
    """1 where the model's answer is the right one, else 0; printed if `verbose`."""

    def spell(ids: Iterable[int]) -> str:
        return "".join(id_to_char[int(i)] for i in ids)

    start, *rest = correct.flatten()
    guess = spell(model.generate(question, start, len(rest)))
    answer, asked = spell(rest), spell(question.flatten())
    if verbose:
        colour, mark = (GREEN, "☑") if guess == answer else (RED, "☒")
        print("Q", asked[::-1] if is_reverse else asked)
        print("T", answer)
        print(f"{colour}{mark}{PLAIN} {guess}")
        print("---")
    return int(guess == answer)
