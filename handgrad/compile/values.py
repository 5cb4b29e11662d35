"""Values: the arrays of a program, whose first axes may grow with the batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class NotNative(Exception):
    """A layer, or an option of it, has no native form; the text says which.

    number: of the node in the trace, where one layer is the reason.
    """

    number: int | None = None


@dataclass(frozen=True)
class BatchDim:
    """A length that grows with the batch: `count` for each sample."""

    count: int

    def __repr__(self) -> str:
        return "N" if self.count == 1 else f"{self.count}N"


Size = int | BatchDim


def times(*sizes: Size) -> Size:
    """The product of lengths, of which at most one grows with the batch."""
    product, growing = 1, 0
    for size in sizes:
        growing += isinstance(size, BatchDim)
        product *= size.count if isinstance(size, BatchDim) else size
    if growing > 1:
        raise NotNative("an array grows with the square of the batch")
    return BatchDim(product) if growing else product


def at_most(size: Size, batch: int) -> int:
    """The length in a batch of that size."""
    return size.count * batch if isinstance(size, BatchDim) else size


def lengths(shape: Sequence[Size], batch: int) -> tuple[int, ...]:
    """The shape in a batch of that size."""
    return tuple(at_most(size, batch) for size in shape)


@dataclass(frozen=True)
class Address:
    """Where an array begins: a segment of memory by name, and a word (4 bytes) in it."""

    segment: str
    word: int = 0

    def __add__(self, words: int) -> Address:
        return Address(self.segment, self.word + words)


@dataclass(eq=False)
class Value:
    """An array of the program, in the arena or anywhere else.

    shape: its lengths as the layers see them. last: channels are last in memory, (N, H, W, C),
    though the shape says (N, C, H, W). address: None until the arena is laid out. made_by: the
    node that computes it; uses: how many inputs of nodes it is.
    """

    shape: tuple[Size, ...]
    last: bool = False
    address: Any = None
    made_by: Any = None
    uses: int = 0
    through_epilogue: bool = False  # a gradient that went back through its maker's epilogue already
    rows: Any = None  # the data segment whose samples the batch picks: not gathered yet
    constant: float | None = None  # the number that all its elements are, where that is known
    integer: bool = False  # its words are int32
    parameter: Any = None  # the array of a network's own Parameter
    whole: Value | None = None  # the value of which this one is a view: same memory, another shape
    offset: int = 0  # words after the beginning of `whole`
    moved: dict[str, Value] = field(default_factory=dict)  # the same elements in another order

    @property
    def size(self) -> Size:
        """The number of elements."""
        return times(*self.shape)

    @property
    def batch(self) -> Size:
        """The first axis."""
        return self.shape[0]

    @property
    def row(self) -> int:
        """Elements of one sample."""
        size = self.size
        if not isinstance(size, BatchDim):
            raise NotNative(f"an array of shape {self.shape} has no batch axis")
        return size.count

    @property
    def owner(self) -> Value:
        """The value whose memory this one has."""
        return self if self.whole is None else self.whole.owner

    @property
    def start(self) -> Address:
        """Where it begins, once memory is laid out."""
        begin: Address = self.address if self.whole is None else self.whole.start + self.offset
        return begin


class Epilogue(NamedTuple):
    """What a row does to each element that it has computed: apply an activation, or multiply by the
    activation's derivative where y is `saved`. The name and options are those of kernels.
    """

    op: str = "identity"
    options: tuple[float, ...] = ()
    saved: Value | None = None

    @property
    def applies(self) -> bool:
        """Whether it does anything."""
        return self.op != "identity"

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of a row that says so."""
        named: dict[str, Any] = {"op": self.op}
        named |= zip(("op_a", "op_b", "op_c"), self.options)
        return named if self.saved is None else {**named, "derivative_at": self.saved}


NO_EPILOGUE = Epilogue()
