"""Cells of text as integers: the number of each different word, found for many cells at once."""

from __future__ import annotations

import numpy as np

from handgrad.arrays import Array
from handgrad.train.tables.digits import WORD

MOST = 100_000  # different words that are kept of one column
BITS = 12
FACTORS = tuple(np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9))


class Words:
    """The different words of a column, in the order in which they came.

    After MOST of them no more are kept; `full` says so, and what is new then has the code -1.
    """

    def __init__(self) -> None:
        self.numbers: dict[bytes, int] = {}
        self.full = False

    def texts(self, encoding: str = "utf-8") -> list[str]:
        """The words as text, without spaces around them and quotes doubled within them."""
        return [word.decode(encoding).strip().replace('""', '"') for word in self.numbers]

    def code(self, word: bytes) -> int:
        """The number of a word."""
        known = self.numbers.get(word)
        if known is not None:
            return known
        if len(self.numbers) >= MOST:
            self.full = True
            return -1
        return self.numbers.setdefault(word, len(self.numbers))

    def codes(self, data: bytes, raw: Array, begins: Array, ends: Array) -> Array:
        """The numbers (N,) of the words data[begins:ends]; raw are the same bytes as an array.

        Up to 16 bytes a word is known by its size, its first and its last eight: each is looked up
        once for all cells that share a slot of a table of hashes; other cells one by one.
        """
        sizes = ends - begins
        near = np.ndarray((len(raw) - WORD + 1,), "<u8", raw, strides=(1,))
        unused = (WORD * (WORD - np.minimum(sizes, WORD))).astype(np.uint64)
        shift, none = np.minimum(unused, np.uint64(63)), sizes == 0
        first = near[begins] << shift
        last = near[ends - WORD] >> shift
        first[none] = last[none] = 0
        mixed = first * FACTORS[0] ^ last * FACTORS[1] ^ sizes.astype(np.uint64) * FACTORS[2]
        slots = (mixed >> np.uint64(64 - BITS)).astype(np.intp)
        owners = np.zeros(1 << BITS, np.intp)
        owners[slots] = np.arange(len(slots))
        owner = owners[slots]
        same = (first == first[owner]) & (last == last[owner]) & (sizes == sizes[owner])
        same &= sizes <= 2 * WORD
        codes = np.empty(len(begins), np.int32)
        mine = np.flatnonzero(owner == np.arange(len(owner)))
        owners[slots[mine]] = self._each(data, begins[mine], ends[mine])
        codes[same] = owners[slots[same]]
        if not same.all():
            codes[~same] = self._each(data, begins[~same], ends[~same])
        return codes

    def _each(self, data: bytes, begins: Array, ends: Array) -> list[int]:
        words = [data[begin:end] for begin, end in zip(begins.tolist(), ends.tolist())]
        known = list(map(self.numbers.get, words))
        if None not in known:
            return known  # type: ignore[return-value]
        return [self.code(word) if n is None else n for word, n in zip(words, known)]
