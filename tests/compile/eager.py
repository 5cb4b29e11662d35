"""A network's forward and backward as a native program beside the same in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.compile.builder import Builder
from handgrad.compile.plan import lower_backward, lower_forward, plan_with, prepare
from handgrad.compile.program import Program, words_of
from handgrad.compile.trace import trace
from handgrad.compile.values import Value


class Compiled(Program):
    """One forward and backward from a given gradient of y; nothing is updated."""

    def __init__(
        self, network: Any, x: Array, dy: Array, *, batch: int, threads: int = 1,
        python: bool = False,
    ):  # fmt: skip
        network.build(x)
        self.network = network
        self.y = np.zeros((batch, *dy.shape[1:]), np.float32)

        def plan(numbers: set[int]) -> Builder:
            b = Builder(network.flat, batch)
            b.segments["x"] = words_of(x, "x"), False
            traced = trace(network, x[:3], numbers)
            nodes = prepare(traced, backward=True)
            y = lower_forward(b, traced, nodes)[traced.y]
            plain = b.plain(b.gathered(y))
            b.row("copy", count=plain.size, x=plain, y=b.array(self.y, writable=True))
            upstream = Value(y.shape, address=b.array(np.ascontiguousarray(dy, np.float32)))
            lower_backward(b, nodes, y, upstream)
            return b

        super().__init__(plan_with(plan, python), len(x), threads, (network, x[:3], False))

    def run(self, rows: Any) -> tuple[Array, Array]:
        """y and the flat gradients for the batch of these rows of x."""
        rows = np.asarray(rows, np.int32)
        self.start(rows, np.zeros(1, np.int64), np.array([len(rows)]))
        assert self.go(0) == 0
        return self.y[: len(rows)].copy(), self.network.flat.gradients.copy()


def require_equal(
    network: Any, x: Array, *, threads: int = 1, rtol: float = 1e-4, rows: Any = None
) -> Compiled:
    """Assert that y and the gradients are those of NumPy in float64, up to rounding.

    rtol is relative to the largest number of each array. rows: of x in the batch; by default
    the batch of all, then one of fewer rows in another order.
    """
    network.build(x)
    reference = network.astype(np.float64)
    size = reference.forward(x).shape[1:]
    dy = np.random.default_rng(0).standard_normal((len(x), *size)).astype(np.float32)
    before = x.copy()
    program = Compiled(network, x, dy, batch=len(x), threads=threads)
    fewer = np.arange(len(x))[::-1][: max(1, len(x) - 1)]
    for some in [np.arange(len(x)), fewer] if rows is None else [rows]:
        y, gradients = program.run(some)
        _require_close(y, reference.forward(x[some]), rtol, "y")
        reference.backward(dy[: len(some)].astype(np.float64))
        expected = reference.gradients
        for path, start, stop, _ in reference.layout:
            _require_close(gradients[start:stop], expected[start:stop], rtol, path)
    assert np.array_equal(x, before)
    return program


def _require_close(got: Array, expected: Array, rtol: float, what: str) -> None:
    largest = np.abs(expected).max(initial=0) + 0.1  # sums that cancel keep their rounding
    np.testing.assert_allclose(got, expected, rtol=0, atol=rtol * largest, err_msg=what)
