"""Many decimal numbers at once, from their bytes: eight digits of each in one 64-bit word.

A cell [sign] digits [mark digits] of at most 15 digits becomes digits / 10^k: both are exact in
float64, so the quotient is the nearest number, the same that `float` gives. Other cells are left
to `float`.

Source: Lemire, "Number parsing at a gigabyte per second", 2021, sections 5 and 6.
"""

from __future__ import annotations

import numpy as np

from handgrad.arrays import Array

WORD = 8
PAD = 2 * WORD  # bytes that must lie before the first cell
ZEROS = np.uint64(0x3030303030303030)
OVER = np.uint64(0x7676767676767676)  # brings what is above 9 to the highest bit of its byte
HIGH = np.uint64(0x8080808080808080)
PAIRS = np.uint64(0x000000FF000000FF)
MASKS = np.array([(2**64 - 1) & ~(2 ** (64 - 8 * n) - 1) for n in range(9)], np.uint64)
TENS = 10.0 ** np.arange(23)
MOST = 15  # digits that float64 holds exactly
MINUS, PLUS = 45, 43


def parse_numbers(raw: Array, begins: Array, marks: Array, ends: Array) -> tuple[Array, Array]:
    """float64 values of the cells raw[begins:ends], and whether each is such a number.

    marks: where the decimal mark of each cell is, or its end. All cells have PAD bytes before them.
    """
    first = raw[begins]
    minus = first == MINUS
    begins = begins + (minus | (first == PLUS))
    whole, fraction = marks - begins, np.maximum(ends - marks - 1, 0)
    right = whole + fraction
    right = (right > 0) & (right <= MOST)
    words = np.ndarray((len(raw) - WORD + 1,), "<u8", raw, strides=(1,))
    value, wrong = _integers(words, marks, whole)
    if fraction.any():
        part, also = _integers(words, ends, fraction)
        wrong |= also
        tens = TENS[np.minimum(fraction, MOST)]
        value *= tens
        value += part
        value /= tens
    right &= wrong & HIGH == 0
    np.negative(value, out=value, where=minus)
    return value, right


def _integers(words: Array, ends: Array, sizes: Array) -> tuple[Array, Array]:
    """The integers of so many digits before `ends`; a byte's highest bit is set where none is."""
    value, wrong = _eight(words, ends, np.minimum(sizes, WORD))
    long = np.flatnonzero(sizes > WORD)
    if long.size:
        high, also = _eight(words, ends[long] - WORD, np.minimum(sizes[long] - WORD, WORD))
        value[long] += high * 1e8
        wrong[long] |= also
    return value, wrong


def _eight(words: Array, ends: Array, sizes: Array) -> tuple[Array, Array]:
    """The same for at most eight digits, which a mask leaves of the eight bytes before `ends`."""
    word = words[ends - WORD]
    word ^= ZEROS
    word &= MASKS[sizes]
    wrong = word + OVER
    wrong |= word
    tens = word * np.uint64(10)
    word >>= np.uint64(8)
    tens += word
    low = tens & PAIRS
    low *= np.uint64(0x000F424000000064)
    tens >>= np.uint64(16)
    tens &= PAIRS
    tens *= np.uint64(0x0000271000000001)
    low += tens
    low >>= np.uint64(32)
    return low.astype(np.float64), wrong
