"""MPIRanks: the processes that mpirun has started, behind the interface of ranks."""

from __future__ import annotations

import atexit
import json
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.parallel.failing import CAUSE, end_job, end_on_errors, guarded
from handgrad.parallel.meeting import KINDS, Disagreement, Header, Mismatch, blocks_of
from handgrad.parallel.meeting import fold as plain
from handgrad.parallel.partner import check_size, launched, load_mpi, name_of
from handgrad.parallel.ranks import Alone, Ranks
from handgrad.parallel.shards import Fold, Shards
from handgrad.parallel.shared import NodeMemory
from handgrad.parallel.threads import divided
from handgrad.parallel.watchdog import Watchdog, complain, limit_of
from handgrad.parallel.wire import Wire
from handgrad.warn import warn_user

START = (
    "handgrad: parallel: MPI has not started since {:g} s, for some process has not come as far: "
    "does each of them call fit? The job ends\n"
)
MOST = 5  # differing ranks that are named
SHARED = "HANDGRAD_MPI_SHARED"  # "off": messages also between ranks of one machine


@cache
def world() -> Ranks:
    """All processes that were started together; where this is one alone, it says so.

    Raises ModuleNotFoundError without mpi4py, ImportError without an MPI library, ValueError where
    the launcher is another MPI's than mpi4py's library.
    """
    limit = limit_of()
    with guarded(limit, START.format(limit)) if launched()[0] > 1 else nullcontext():
        mpi = load_mpi()
    check_size(mpi.COMM_WORLD.size, name_of(mpi.Get_library_version()))
    if mpi.COMM_WORLD.size > 1:
        return MPIRanks(mpi)
    warn_user(
        "MPI: one process was started, and it goes on alone; `mpirun -n 4 python "
        f"{os.path.basename(sys.argv[0]) or 'script.py'}` would start four"
    )
    return Alone()


class MPIRanks(Ranks):
    """The ranks of a communicator of MPI, by default of all processes.

    Ranks of one machine meet in memory that they share, others by messages. Nothing is added by
    MPI: the blocks are added in the order of the tree, each slice of the numbers by one rank, and
    then given to all, so the bits do not depend on the number of ranks, nor on the way.
    shared=False: messages also between ranks of one machine; HANDGRAD_MPI_SHARED=off says so too.
    way, nodes, asks: how they meet, the names of the machines, and whether a rank can ask others
    what they do.
    limit: seconds that an exchange may wait before the job is ended; by default
    HANDGRAD_MPI_TIMEOUT, or 600. The first uncaught exception of a rank ends all.
    Raises Mismatch, on all ranks, where they make different calls.
    """

    def __init__(
        self, mpi: Any, comm: Any = None, *, limit: float | None = None, shared: bool | None = None
    ):
        self._mpi, self._comm = mpi, (mpi.COMM_WORLD if comm is None else comm).Dup()
        self.rank, self.size = self._comm.rank, self._comm.size
        node = self._comm.Split_type(mpi.COMM_TYPE_SHARED)
        crowded = node.size > len(cores())
        if shared is None:
            shared = os.environ.get(SHARED, "") != "off"
        kind: Any = NodeMemory if shared and node.size == self.size else Wire
        self._way: Any = kind(mpi, self._comm, crowded)
        self.way: str = kind.name
        self.common = self._way.common
        self.asks = bool(mpi.Query_thread() >= mpi.THREAD_MULTIPLE)
        self._number = 0
        limit = limit_of() if limit is None else limit
        self._watchdog = Watchdog(mpi, self._comm.Dup(), self.asks, limit, self._out_of_time)
        self._cores = [set(of) for of in self.share(sorted(cores()))]
        self.nodes = self.share(platform.node())
        self._failed: tuple[int, Callable[[], None]] | None = None
        end_on_errors(mpi, self.rank)
        atexit.register(self._finish)

    def combine(self, shards: Shards, sums: Array, fold: Fold | None = None) -> None:
        """Add the shards of all ranks into row 0 of sums (B, L)."""
        with self._call("combine", sums.shape[1], sums.itemsize, len(sums)) as header:
            self._way.combine(header, blocks_of(shards, self.size), sums, fold or plain)

    def buffer(self, rows: int, width: int, dtype: Any) -> Array:
        """Zeros (rows, width) for sums, which ranks of one machine add without a copy."""
        array: Array = self._way.buffer(rows, width, dtype)
        return array

    def reach(self, buffer: Array) -> list[Array]:
        """The buffers of all ranks, in order; each gives its own."""
        with self._call("reach", buffer.shape[1], buffer.itemsize) as header:
            every: list[Array] = self._way.reach(header, buffer)
        return every

    def combine_slices(self, shards: Shards, every: list[Array], width: int) -> None:
        """Add from column `width` on as `combine`; before it, in this rank's slice, all but the
        last addition."""
        mine = every[self.rank]
        with self._call("combine", mine.shape[1], mine.itemsize, len(mine)) as header:
            self._way.combine_slices(header, blocks_of(shards, self.size), every, width)

    def gather(self, part: Array) -> Array:
        """Rows (k, L) of each rank, one after the other: (Σ k, L)."""
        rows = self._bytes("gather", part, part.shape[1], part.itemsize)
        return np.concatenate(rows).view(part.dtype).reshape(-1, part.shape[1])

    def share(self, value: Any) -> list[Any]:
        """The values of all ranks, in order."""
        text = np.frombuffer(json.dumps(value).encode(), np.uint8)
        return [json.loads(bytes(part)) for part in self._bytes("share", text)]

    def agree(self, facts: Mapping[str, Any]) -> None:
        """Raise Disagreement, on all ranks alike, unless the facts are equal, and Python and the
        order of bytes too."""
        mine = {"Python": platform.python_version(), "byte order": sys.byteorder} | dict(facts)
        every = self.share(mine)
        names = dict.fromkeys(name for facts in every for name in facts)
        wrong = {
            rank: [name for name in names if differ(every[0], facts, name)]
            for rank, facts in enumerate(every)
        }
        differing = {rank: found for rank, found in wrong.items() if found}
        if not differing:
            return
        differing[0] = [name for name in names if any(name in of for of in differing.values())]
        told = [f"rank {r}{self._on(r)}: {said(every[r], of)}" for r, of in differing.items()]
        told[:-1] = told[: len(told) - 1][:MOST]
        raise Disagreement(f"parallel: all ranks must train the same; {', '.join(told)}")

    def broadcast(self, array: Array) -> None:
        """Write rank 0's array into that of every other rank."""
        part = array if self.rank == 0 else np.empty(0, array.dtype)
        got = self._bytes("broadcast", part, array.size, array.itemsize)[0]
        if self.rank:
            array[...] = got.view(array.dtype).reshape(array.shape)

    def barrier(self, failed: bool = False) -> bool:
        """Wait until all ranks are here; whether any of them says that it has failed."""
        with self._call("barrier") as header:
            return any(h.failed for h in self._way.meet(header._replace(failed=int(failed))))

    def threads(self, usable: int) -> int:
        """How many of the threads that a process may use are this rank's share of its machine."""
        here = [c for c, node in zip(self._cores, self.nodes) if node == self.nodes[self.rank]]
        return divided(usable, self._cores[self.rank], here)

    def _bytes(self, kind: str, part: Array, width: int = 0, itemsize: int = 0) -> list[Array]:
        data = np.ascontiguousarray(part).reshape(-1).view(np.uint8)
        with self._call(kind, width, itemsize, data.size) as header:
            parts: list[Array] = self._way.gather(header, data)
        return parts

    @contextmanager
    def _call(self, kind: str, *sizes: int) -> Iterator[Header]:
        """A call of all ranks, under the eye of the watchdog."""
        self._number += 1
        header = Header(self._number, KINDS.index(kind), *sizes)
        self._watchdog.enter(f"waits in exchange {self._number} ({kind})")
        try:
            yield header
        finally:
            self._watchdog.leave()

    def _on(self, rank: int) -> str:
        return f" on {self.nodes[rank]}" if len(set(self.nodes)) > 1 else ""

    def _out_of_time(self, text: str) -> None:
        complain(text)
        end_job(self._mpi)

    def fail(self, code: int, show: Callable[[], None]) -> None:
        """Say that this process ends with a code that is not 0; `show` says why, on one rank."""
        if self.rank == 0:
            show()
        self._failed = code, show

    def _finish(self) -> None:
        """Meet all others at the end of the process; one that is elsewhere would wait for ever."""
        self._number += 1
        self._watchdog.leave("has ended")
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing is left to be interrupted
        end = Header(self._number, KINDS.index("end"), failed=self._failed is not None)
        try:
            first, *_ = self._way.meet(end)
        except Mismatch:
            self._leave_others()
        if self._failed and self.rank and not first.failed:
            self._failed[1]()
        self._watchdog.stop()
        self._way.free()

    def _leave_others(self) -> None:
        """Others are still at work, and cannot go on: say why this rank failed, or let them."""
        code = 1
        if self._failed:
            code, show = self._failed
            if self.rank:
                show()
        else:
            time.sleep(2 * CAUSE)
        end_job(self._mpi, code)


def cores() -> set[int]:
    """The processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return set(os.sched_getaffinity(0))
    return set(range(os.cpu_count() or 1))


def differ(first: Mapping[str, Any], other: Mapping[str, Any], name: str) -> bool:
    """Whether two ranks have different values under a name; NaN is equal to NaN."""
    values = [json.dumps(of[name]) if name in of else None for of in (first, other)]
    return values[0] != values[1]


def said(facts: Mapping[str, Any], names: list[str]) -> str:
    """The facts of these names, in words."""
    return ", ".join(f"{name} {facts[name]}" if name in facts else f"no {name}" for name in names)
