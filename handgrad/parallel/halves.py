"""Halves: numbers in 16 bits, float16 or bfloat16, rounded to the nearest, ties to even.

By integers and additions: NumPy's own conversions take several times as long, and of numbers that
are subnormal in float16 a hundred times.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property

import numpy as np

from handgrad.arrays import Array

_SIGN = np.uint32(0x8000_0000)


class Half(ABC):
    """A format of 16 bits. largest: its largest finite number.

    `rounded` and `bits` take float32, of which no number is beyond `largest` or not finite.
    """

    name: str
    largest: float

    @abstractmethod
    def rounded(self, numbers: Array) -> Array:
        """The nearest numbers of the format, as float32."""

    @abstractmethod
    def bits(self, rounded: Array) -> Array:
        """Numbers of the format as uint16; NaN too."""

    @abstractmethod
    def numbers(self, bits: Array) -> Array:
        """The numbers, as float32."""


class Float16(Half):
    """IEEE's format: 11 bits of significand, from 2⁻²⁴ to 65,504.

    A number in [2ᵉ, 2ᵉ⁺¹) is rounded by adding 2ᵉ⁺¹³, whose last bit is worth 2ᵉ⁻¹⁰, that of the
    format; below 2⁻¹⁴ all numbers are as far apart as there.
    """

    name, largest = "float16", 65504.0

    def rounded(self, numbers: Array) -> Array:
        word = numbers.view(np.uint32)
        size, base = self._parts(word)
        base += np.uint32(13 << 23)
        rounded = (size.view(np.float32) + base.view(np.float32)) - base.view(np.float32)
        signed: Array = (rounded.view(np.uint32) | (word & _SIGN)).view(np.float32)
        return signed

    def bits(self, rounded: Array) -> Array:
        word = rounded.view(np.uint32)
        size, exponent = self._parts(word)
        base = exponent + np.uint32(13 << 23)
        whole = (size.view(np.float32) + base.view(np.float32)).view(np.uint32)
        whole += (exponent >> 13) - base - np.uint32(113 << 10)
        bits: Array = (whole | word >> 16 & np.uint32(0x8000)).astype(np.uint16)
        return np.where(np.isnan(rounded), np.uint16(0x7E00), bits)

    def numbers(self, bits: Array) -> Array:
        numbers: Array = self._table[bits]
        return numbers

    @staticmethod
    def _parts(word: Array) -> tuple[Array, Array]:
        """Absolute numbers, and the power of two below each, 2⁻¹⁴ at least, as words."""
        size = word & ~_SIGN
        return size, np.maximum(size & np.uint32(0x7F80_0000), np.uint32(113 << 23))

    @cached_property
    def _table(self) -> Array:
        return np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32)


class BFloat16(Half):
    """The upper half of float32: its range, with 8 bits of significand."""

    name, largest = "bfloat16", float(np.uint32(0x7F7F_0000).view(np.float32))

    def rounded(self, numbers: Array) -> Array:
        word = numbers.view(np.uint32)
        word = word + ((word >> 16 & np.uint32(1)) + np.uint32(0x7FFF))
        word &= np.uint32(0xFFFF_0000)
        return word.view(np.float32)

    def bits(self, rounded: Array) -> Array:
        bits: Array = (rounded.view(np.uint32) >> 16).astype(np.uint16)
        return bits

    def numbers(self, bits: Array) -> Array:
        return (bits.astype(np.uint32) << 16).view(np.float32)


HALVES: dict[str, Half] = {half.name: half for half in (Float16(), BFloat16())}
