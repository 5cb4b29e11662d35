"""Sequence tasks made by program: sums of two numbers, and dates written in many ways.

Each is a list of pairs of strings, all questions of one length and all answers of another; an
answer begins with an underscore, the sign to start.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from handgrad.arrays import Array, Stream
from handgrad.train.text.vocabulary import Vocabulary

Pairs = list[tuple[str, str]]

ADDITION_WIDTHS = 7, 5
DATE_WIDTHS = 29, 11


def additions(n: int = 50_000, seed: int = 0) -> Pairs:
    """Sums of two numbers from 0 to 999, no question twice: ("16+75  ", "_91  ").

    Source: Saito, "Deep Learning from Scratch 2", section 7.2.2.
    """
    if not 1 <= n <= 10**6:
        raise ValueError(f"additions: n must lie from 1 to 1000000, got {n}")
    chosen = Stream(seed).generator().choice(10**6, n, replace=False)
    pairs = (divmod(int(k), 1000) for k in chosen)
    return fill(((f"{a}+{b}", str(a + b)) for a, b in pairs), *ADDITION_WIDTHS)


def dates(n: int = 50_000, seed: int = 0) -> Pairs:
    """Days from 1970 to 2019, as people write them and by ISO 8601: ("2/10/93  …", "_1993-02-10").

    Source: Saito, "Deep Learning from Scratch 2", section 8.4.1.
    """
    if n < 1:
        raise ValueError(f"dates: n must be at least 1, got {n}")
    random = Stream(seed).generator()
    first, last = date(1970, 1, 1), date(2019, 12, 31)
    days = random.integers((last - first).days + 1, size=n)
    manners = random.integers(len(MANNERS), size=n)
    written = (
        (MANNERS[manner](day), day.isoformat())
        for manner, day in ((m, first + timedelta(int(d))) for m, d in zip(manners, days))
    )
    return fill(written, *DATE_WIDTHS)


MANNERS = (
    lambda day: f"{day:%B} {day.day}, {day.year}",
    lambda day: f"{day:%B} {day.day}, {day.year}".lower(),
    lambda day: f"{day:%b} {day.day}, {day.year}",
    lambda day: f"{day:%b} {day.day}, {day.year}".lower(),
    lambda day: f"{day:%A}, {day:%B} {day.day}, {day.year}",
    lambda day: f"{day.month}/{day.day}/{day:%y}",
)


def fill(pairs: Iterable[tuple[str, str]], question: int, answer: int) -> Pairs:
    """The pairs with spaces behind, up to the given widths; the start sign before the answer."""
    return [(q.ljust(question), f"_{a}".ljust(answer)) for q, a in pairs]


def as_arrays(pairs: Sequence[tuple[str, str]]) -> tuple[Array, Array, Vocabulary]:
    """Questions (N, Tq) and answers (N, Ta) as numbers of characters, and the vocabulary.

    Raises ValueError where the questions, or the answers, are not all of one length.
    """
    for side, words in zip(("questions", "answers"), zip(*pairs)):
        lengths = {len(word) for word in words}
        if len(lengths) > 1:
            raise ValueError(f"as_arrays: the {side} have lengths {sorted(lengths)}, not one")
    vocabulary = Vocabulary(character for q, a in pairs for character in q + a)
    questions, answers = (
        vocabulary.encode("".join(words)).reshape(len(pairs), -1) for words in zip(*pairs)
    )
    return questions, answers, vocabulary
