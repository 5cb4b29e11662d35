"""Native: the structures of the shared library, and programs as Python objects."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.compile.binary import library, why_not
from handgrad.compile.builder import Row
from handgrad.compile.schema import Argument, kernel, kernels
from handgrad.compile.sharding import Part
from handgrad.compile.values import Address, BatchDim, NotNative, Value, lengths

ARGS, SEGMENT_BITS, PYTHON = 40, 40, -1

ROW = np.dtype(
    [("kernel", "i4"), ("threads", "i2"), ("waits", "i2"), ("scaled", "u8"), ("args", "i8", ARGS)]
)
PythonCall = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)


class Spec(ctypes.Structure):
    """struct hg_spec of native/api.h."""

    _fields_ = [
        ("rows", ctypes.c_void_p), ("count", ctypes.c_int64), ("batch", ctypes.c_int64),
        ("data_rows", ctypes.c_int64), ("hyper_width", ctypes.c_int64),
        ("segment_words", ctypes.c_void_p), ("writable", ctypes.c_void_p),
        ("segments", ctypes.c_int64), ("bad_row", ctypes.c_int64), ("bad_arg", ctypes.c_int64),
        ("rule", ctypes.c_char_p), ("shards", ctypes.c_int64), ("first_shard", ctypes.c_int64),
        ("stop_shard", ctypes.c_int64), ("sums", ctypes.c_int64), ("sums_step", ctypes.c_int64),
    ]  # fmt: skip


class Run(ctypes.Structure):
    """struct hg_run of native/api.h."""

    _fields_ = [
        ("segments", ctypes.c_void_p), ("order", ctypes.c_void_p),
        ("order_length", ctypes.c_int64), ("starts", ctypes.c_void_p),
        ("counts", ctypes.c_void_p), ("steps", ctypes.c_int64), ("hyper", ctypes.c_void_p),
        ("threads", ctypes.c_int64), ("seconds", ctypes.c_double), ("step", ctypes.c_int64),
        ("row", ctypes.c_int64), ("times", ctypes.c_void_p), ("python", PythonCall),
    ]  # fmt: skip


@cache
def programs() -> Any:
    """The library, with the types of its functions that work on programs."""
    found = library()
    if found is None:
        raise NotNative(why_not())
    found.hg_program_new.restype = ctypes.c_void_p
    found.hg_program_new.argtypes = [ctypes.POINTER(Spec)]
    found.hg_program_free.argtypes = [ctypes.c_void_p]
    found.hg_program_cost.argtypes = [
        ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p
    ]  # fmt: skip
    found.hg_program_run.argtypes = [ctypes.c_void_p, ctypes.POINTER(Run)]
    return found


@cache
def step_function() -> Any:
    """hg_program_step, which checks no argument: they are made once."""
    return ctypes.CFUNCTYPE(ctypes.c_int)(("hg_program_step", programs()))


class SpecError(ValueError):
    """A row of a plan that is not legal."""


class NativeProgram:
    """Checked rows over segments of memory, ready to run."""

    def __init__(
        self, rows: Sequence[Row], segments: dict[str, tuple[Array, bool]], *, batch: int,
        data_rows: int, hyper_width: int, part: Part | None = None,
    ):  # fmt: skip
        numbers = {name: i for i, name in enumerate(segments)}
        self.rows = rows
        table = encode(rows, numbers)
        self.arrays = {name: array for name, (array, _) in segments.items()}
        words = np.array([a.nbytes // 4 for a in self.arrays.values()], np.int64)
        writable = np.array([w for _, w in segments.values()], np.uint8)
        spec = Spec(
            table.ctypes.data, len(table), batch, data_rows, hyper_width,
            words.ctypes.data, writable.ctypes.data, len(words),
        )  # fmt: skip
        if part is not None:
            spec.shards, (spec.first_shard, spec.stop_shard) = part.shards.count, part.span
            spec.sums, spec.sums_step = numbers["gradients"], self.arrays["gradients"].shape[1]
        self._library = programs()
        self._program = self._library.hg_program_new(spec)
        if not self._program:
            where = f"row {spec.bad_row}: {rows[spec.bad_row]}, " if spec.bad_row >= 0 else ""
            argument = f" ({self._name(spec)})" if spec.bad_arg >= 0 else ""
            raise SpecError(f"{where}{spec.rule.decode()}{argument}")
        self._bases = np.array([a.ctypes.data for a in self.arrays.values()], np.uint64)
        self._run = Run(segments=self._bases.ctypes.data, python=PythonCall(self._call_python))
        self._error: BaseException | None = None

    def __del__(self) -> None:
        if getattr(self, "_program", None):
            self._library.hg_program_free(self._program)

    def _name(self, spec: Spec) -> str:
        """The argument that is not legal."""
        names: list[str] = list(kernel(self.rows[spec.bad_row].kernel).arguments)
        return names[int(spec.bad_arg)]

    def bind(self, name: str, array: Array) -> None:
        """Put another array of the same size for a segment."""
        if array.nbytes != self.arrays[name].nbytes or not array.flags.c_contiguous:
            raise ValueError(f"{name}: {self.arrays[name].nbytes} contiguous bytes are needed")
        self.arrays[name] = array
        self._bases[list(self.arrays).index(name)] = array.ctypes.data

    def cost(self, row: int) -> tuple[float, float]:
        """Floating-point operations and bytes of a row, for the largest batch."""
        flops, bytes_ = ctypes.c_double(), ctypes.c_double()
        self._library.hg_program_cost(self._program, row, ctypes.byref(flops), ctypes.byref(bytes_))
        return flops.value, bytes_.value

    def start(
        self, order: Array, starts: Array, counts: Array, hyper: Array, threads: int,
        times: Array | None = None,
    ) -> None:  # fmt: skip
        """Make ready for the steps whose batches are order[start : start + count]."""
        run = self._run
        self._held = order, starts, counts, hyper, times
        run.order, run.order_length = order.ctypes.data, len(order)
        run.starts, run.counts, run.steps = starts.ctypes.data, counts.ctypes.data, len(starts)
        run.hyper, run.threads, run.step, run.row = hyper.ctypes.data, threads, 0, 0
        run.times = None if times is None else times.ctypes.data

    def go(self, seconds: float) -> int:
        """Run on for about that long; the code that `hg_program_run` returns."""
        self._run.seconds = seconds
        code: int = self._library.hg_program_run(self._program, self._run)
        self.raise_error()
        return code

    def raise_error(self) -> None:
        """Raise the error of a layer's own Python, if there was one."""
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def stepper(self, numbers: Array) -> Callable[[], int]:
        """A call that makes one more step, with as little as can be between Python and the rows.

        Of a run that `start` began and whose `room` steps are not all made. numbers: float32, of
        which one that is not finite makes it return NOT_NUMBERS, and nothing is done.
        """
        self._numbers, self._run.seconds = numbers, 0.0
        arguments = (self._program, ctypes.byref(self._run), numbers.ctypes.data, numbers.size)
        held = (ctypes.c_void_p(a) if isinstance(a, int) else a for a in arguments)
        return partial(step_function(), *held)

    def stop_after_step(self) -> None:
        """Let the present step be the last one."""
        self._run.steps = self._run.step + (self._run.row > 0)

    @property
    def step(self) -> int:
        """The step that is running, or the number of those that are done."""
        return int(self._run.step)

    @property
    def row(self) -> int:
        """The row that is to run next."""
        return int(self._run.row)

    def array_of(self, value: Any, n: int) -> Array:
        """A value for a batch of n, as an array where it lies."""
        shape, start = lengths(value.shape, n), value.start
        words = self.arrays[start.segment].reshape(-1)
        array = words[start.word : start.word + int(np.prod(shape))].reshape(shape)
        return array.view(np.int32) if value.integer else array

    def _call_python(self, row: int, n: int, step: int) -> int:
        try:
            self.rows[row].python(n, step, *(self.array_of(v, n) for v in self.rows[row].values()))
        except BaseException as error:
            self._error = error
            return 1
        return 0


def encode(rows: Sequence[Row], segments: dict[str, int]) -> Array:
    """Rows as the library reads them."""
    table = np.zeros(len(rows), ROW)
    for i, row in enumerate(rows):
        table["waits"][i] = row.waits
        if row.python is not None:
            table["kernel"][i], table["args"][i, 0] = PYTHON, i
            continue
        form, values = kernels()[row.kernel], row.values()
        table["kernel"][i] = form.number
        words = zip(form.arguments.values(), values)
        table["args"][i, : len(values)] = [_word(a, value, segments) for a, value in words]
        table["scaled"][i] = sum(1 << k for k, v in enumerate(values) if isinstance(v, BatchDim))
    return table


def _word(argument: Argument, value: Any, segments: dict[str, int]) -> int:
    """An argument's value as 64 bits."""
    if argument.values:
        return argument.values.index(value)
    if argument.kind == "real":
        return int(np.float64(value).view(np.int64))
    if isinstance(value, BatchDim):
        return value.count
    if isinstance(value, Value):
        value = value.start
    if isinstance(value, Address):
        return (segments[value.segment] + 1) << SEGMENT_BITS | value.word
    return int(value or 0)
