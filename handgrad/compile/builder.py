"""Builder: lowerings append rows to it; it knows where every array lies and who needs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from handgrad.arrays import Array
from handgrad.compile.schema import kernel as kernel_named
from handgrad.compile.values import (
    NO_EPILOGUE,
    Address,
    BatchDim,
    Epilogue,
    NotNative,
    Size,
    Value,
    times,
)

Argument = int | float | str | BatchDim | Value | Address | None


@dataclass(eq=False)
class Row:
    """One kernel call: name, and arguments by name, as the kernel declares them; what is not given
    has its default. `label` says which layer it serves.

    python: the call to make, where the kernel is Python and the arguments are what it works on.
    waits: for which rows before it, see stages.py.
    """

    kernel: str
    args: dict[str, Argument]
    label: str = ""
    python: Any = None
    waits: int = 0

    def __post_init__(self) -> None:
        if self.python is None:
            self.args = kernel_named(self.kernel).complete(self.args)

    def __getitem__(self, name: str) -> Any:
        """An argument by its name."""
        return self.args[name]

    def values(self) -> list[Any]:
        """The arguments, in the kernel's order."""
        return list(self.args.values())

    def set(self, **args: Argument) -> None:
        """Give other values to some arguments."""
        self.args = kernel_named(self.kernel).complete(self.args | args)

    def __str__(self) -> str:
        form, given = self.form, self.args
        if form is not None:
            given = {k: v for k, v in given.items() if v != form.arguments[k].default}
        return f"{self.kernel}({', '.join(f'{name}={_short(v)}' for name, v in given.items())})"

    @property
    def form(self) -> Any:
        """What the kernel declares; None of a call of Python."""
        return None if self.python is not None else kernel_named(self.kernel)


def _short(argument: Any) -> str:
    """An argument in few words: of an array its shape, or where it lies."""
    if isinstance(argument, Address):
        return f"{argument.segment}[{argument.word}]"
    return str(argument.shape if isinstance(argument, Value) else argument)


class Builder:
    """The rows of a program as they are written, and the memory they name.

    flat: the network's flat parameters and gradients; batch: the most samples of a step; trains:
    whether there are updates. whole: the largest batch, of which these may be a part; what bits
    depend on is chosen by that one.
    """

    part: Any = None  # the shards that are computed here, where batches fall into shards
    share: Any = None  # what the sums of gradients are multiplied by, where they are not means yet
    divisor = "sum"  # what the loss is divided by: Divisor of native/loss_sums.cpp

    def __init__(self, flat: Any, batch: int, trains: bool = False):
        self.flat, self.batch, self.whole, self.trains = flat, batch, batch, trains
        self.rows: list[Row] = []
        self.label = ""
        self.segments: dict[str, tuple[Any, bool]] = {}  # array, and whether writable
        self.ahead: list[Callable[[int], Array]] = []  # values for the next steps, see step_number
        self.after: list[Callable[[int], None]] = []  # told how many steps were done
        self.draws: dict[int, int] = {}  # of each random stream by its id, in one step
        self._written: set[int] = set()  # words at which a gradient has been written
        self._early = 0  # rows that come before all others
        self._later: list[Row] = []  # rows that may come after those that follow
        self._bind("parameters", flat.parameters, True)
        self._bind("gradients", flat.gradients, True)
        self._homes = {id(s.view): s for s in flat.segments}

    # -- memory -------------------------------------------------------------------------------

    def value(self, shape: Sequence[Size], *, last: bool = False) -> Value:
        """A new array in the arena."""
        return Value(tuple(shape), last)

    def total(self, shape: Sequence[Size], of: Value) -> Value:
        """A new array that is made of sums of another, maybe over the samples of the batch."""
        return self.value(shape)

    def view(self, value: Value, shape: Sequence[Size], offset: int = 0) -> Value:
        """The same memory under another shape, from an element on. Only under its own shape does a
        value keep its layout; otherwise channels that are last in memory are moved first."""
        same = tuple(shape) == value.shape and not offset
        value = value if same else self.plain(value)
        return Value(tuple(shape), value.last, whole=value, address=value.address, rows=value.rows,
                     offset=offset, integer=value.integer)  # fmt: skip

    def parameter(self, array: Array) -> Address:
        """Where a parameter lies in the flat parameters."""
        return Address("parameters", self._home(array).start)

    def gradient(self, array: Array) -> tuple[Address | None, bool]:
        """Where a parameter's gradient goes (None: frozen), and whether to add to it."""
        home = self._home(array)
        if home.path in self.flat.frozen:
            return None, False
        add = home.start in self._written
        if add:  # to what a later row may write
            self.catch_up()
        self._written.add(home.start)
        return Address("gradients", home.start), add

    def gradients(self, *arrays: Array | None) -> tuple[Any, ...]:
        """The same for parameters whose gradients one row makes, with one answer for whether to
        add: where only some have been written to before, the others are made zero first."""
        found = [(None, False) if a is None else self.gradient(a) for a in arrays]
        some = any(add for _, add in found)
        for array, (address, add) in zip(arrays, found):
            if array is not None and address is not None and some and not add:
                self.row("fill", count=array.size, y=address, value=0.0)
        return *(address for address, _ in found), some

    def gradient_view(self, array: Array) -> tuple[Array | None, bool]:
        """The same as `gradient`, for Python: a view instead of an address."""
        address, add = self.gradient(array)
        return (None if address is None else self._home(array).grad_view), add

    def _home(self, array: Array) -> Any:
        home = self._homes.get(id(array))
        if home is None:
            raise NotNative("a parameter does not lie in the network's flat array")
        return home

    def array(self, array: Array, writable: bool = False) -> Address:
        """Bind an array from elsewhere: running statistics, a table of constants."""
        if array.dtype.itemsize != 4 or not array.flags.c_contiguous:
            raise NotNative(f"an array is {array.dtype}, or not contiguous")
        for name, (bound, _) in self.segments.items():
            if bound is array:
                self.segments[name] = bound, writable or self.segments[name][1]
                return Address(name)
        return self._bind(f"array {len(self.segments)}", array, writable)

    def _bind(self, name: str, array: Array | None, writable: bool) -> Address:
        self.segments[name] = array, writable
        return Address(name)

    def step_number(self, ahead: Callable[[int], Array]) -> int:
        """A number that changes with the step: ahead(count) gives it for the next `count` steps and
        changes nothing. Returns its index in batch->hyper. What moves on with the steps that were
        really done is told by a function in `after`."""
        self.ahead.append(ahead)
        return len(self.ahead) - 1

    # -- rows ---------------------------------------------------------------------------------

    def row(self, kernel: str, **args: Argument) -> Row:
        """Append a kernel call. Data must have been gathered, or be given as its address."""
        if any(isinstance(a, Value) and a.rows is not None for a in args.values()):
            raise NotNative(f"{self.label}: {kernel} would read the data instead of the batch")
        self.rows.append(Row(kernel, args, self.label))
        return self.rows[-1]

    def early(self, kernel: str, **args: Argument) -> None:
        """A row that reads nothing which another writes: it comes before all others."""
        self.row(kernel, **args)
        self.rows.insert(self._early, self.rows.pop())
        self._early += 1

    def later(self, kernel: str, **args: Argument) -> None:
        """A row whose results only the update reads: it comes when all others are there."""
        self.row(kernel, **args)
        self._later.append(self.rows.pop())

    def catch_up(self) -> None:
        """Append the rows that were left for later."""
        self.rows += self._later
        self._later = []

    def python(self, call: Any, *values: Value) -> None:
        """Append a call(n, step, *arrays) of Python code; `values` are the arrays it may use."""
        args: dict[str, Argument] = {str(i): value for i, value in enumerate(values)}
        self.rows.append(Row("python", args, self.label, call))

    def watch(self, call: Any, y: Value) -> None:
        """Append a call(n, step, y) that looks at the outputs."""
        self.python(call, y)

    def gathered(self, value: Value) -> Value:
        """The value with its elements in the arena: rows of the data are fetched."""
        if value.rows is None:
            return value
        if value.whole is not None:
            return self.view(self.gathered(value.whole), value.shape, value.offset)
        if "gathered" not in value.moved:
            done = value.moved["gathered"] = self.value(value.shape)
            done.integer = value.integer
            self.row("gather", samples=BatchDim(1), row=value.row, data=value.rows, y=done)
        return value.moved["gathered"]

    def last(self, value: Value) -> Value:
        """The value (N, C, H, W) with channels last in memory."""
        return value if value.last else self._moved(value, True)

    def plain(self, value: Value) -> Value:
        """The value in the order of its shape."""
        return self._moved(value, False) if value.last else value

    def _moved(self, value: Value, last: bool) -> Value:
        name = "last" if last else "plain"
        if name not in value.moved:
            value = self.gathered(value)
            n, channels, *sizes = value.shape
            pixels = times(*sizes)
            if channels == 1 or pixels == 1:
                other = Value(value.shape, last, whole=value, address=value.address)
            else:
                other = self.value(value.shape, last=last)
                inner, outer = (pixels, channels) if last else (channels, pixels)
                self.row("transpose", samples=n, outer=outer, inner=inner, x=value, y=other)
            other.moved["plain" if last else "last"] = value
            value.moved[name] = other
        return value.moved[name]

    def add_up(self, loss: Any, step: Any, updates: bool) -> Array | None:
        """Append what must follow the gradients before they can be used."""
        return None

    # -- epilogues ----------------------------------------------------------------------------

    def derivative(self, x: Value, *, last: bool = False) -> Epilogue:
        """What a row that computes the gradient of x may do besides: go back through the epilogue
        of the node that made x. Nothing where there is none, or x lies in another order."""
        maker = x.made_by
        if maker is None or maker.pooling is not None or x.uses != 1 or x.last != last:
            return NO_EPILOGUE
        return maker.epilogue._replace(saved=x) if maker.epilogue.applies else NO_EPILOGUE
