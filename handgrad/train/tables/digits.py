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
    words = np.ndarray((len(raw) - WORD + 1,), "<u8", raw, strides=(1,))
    value, right = _integers(words, marks, whole)
    if fraction.any():
        part, also = _integers(words, ends, fraction)
        right &= also
        value = value * TENS[np.minimum(fraction, MOST)] + part
        value /= TENS[np.minimum(fraction, MOST)]
    count = whole + fraction
    right &= (count > 0) & (count <= MOST) & (whole >= 0)
    return np.where(minus, -value, value), right


def _integers(words: Array, ends: Array, sizes: Array) -> tuple[Array, Array]:
    """The integers of so many digits before `ends`, as float64, and whether all are digits."""
    value, right = _eight(words, ends, np.minimum(sizes, WORD))
    long = np.flatnonzero(sizes > WORD)
    if long.size:
        high, also = _eight(words, ends[long] - WORD, np.minimum(sizes[long] - WORD, WORD))
        value[long] += high * 1e8
        right[long] &= also
    return value, right


def _eight(words: Array, ends: Array, sizes: Array) -> tuple[Array, Array]:
    """The same for at most eight digits."""
    unused = (WORD * (WORD - np.maximum(sizes, 0))).astype(np.uint64)
    none = unused == 64
    word = words[ends - WORD] ^ ZEROS
    word >>= np.minimum(unused, np.uint64(63))
    word <<= np.minimum(unused, np.uint64(63))
    word[none] = 0
    right = ((word + OVER) | word) & HIGH == 0
    word = word * np.uint64(10) + (word >> np.uint64(8))
    low = (word & np.uint64(0x000000FF000000FF)) * np.uint64(0x000F424000000064)
    high = (word >> np.uint64(16) & np.uint64(0x000000FF000000FF)) * np.uint64(0x0000271000000001)
    return ((low + high) >> np.uint64(32)).astype(np.float64), right
