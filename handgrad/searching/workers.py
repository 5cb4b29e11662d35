"""Processes that try candidates, one native thread each; one that dies takes a candidate along."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any, cast

from handgrad.searching.trial import Job, Trial, outcome

Outcome = tuple[Trial, dict[str, Any]]
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
HELLO, READY = "hello", "ready"


class Alone:
    """The same as `Workers`, in this process, one candidate after the other."""

    def __init__(self, job: Job):
        self.job = job

    def __enter__(self) -> Alone:
        return self

    def __exit__(self, *error: Any) -> None:
        pass

    def run(self, trials: Iterable[Trial]) -> Iterator[Outcome]:
        """What comes of each, as it is done."""
        for trial in trials:
            yield trial, outcome(self.job, trial)


class Workers:
    """Some processes, begun anew rather than forked, so that threads and locks are their own.

    They import the program's main module, whose own calls belong under
    `if __name__ == "__main__":`. They end when this process does.
    """

    def __init__(self, job: Job, count: int):
        self.job, self.count = job, count
        self.processes: dict[Connection, Any] = {}
        self.given: dict[Connection, deque[Trial]] = {}  # to those that have the job

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *error: Any) -> None:
        for connection, process in self.processes.items():
            if self._idle(connection):
                with suppress(OSError):
                    connection.send(None)
            else:
                process.terminate()
        for process in self.processes.values():
            process.join()

    def run(self, trials: Iterable[Trial]) -> Iterator[Outcome]:
        """What comes of each, as it is done, in whatever order.

        While many are left, a process has its next one before the last is done, so that none waits.
        """
        left = deque(trials)
        while left or any(self.given.values()):
            while len(self.processes) < self.count and len(left) > sum(
                not self.given.get(connection) for connection in self.processes
            ):
                self._begin()
            for ahead in (0, 1):
                for connection in list(self.given):
                    if len(self.given[connection]) == ahead and len(left) > ahead * self.count:
                        self._give(connection, left)
            heeded = [c for c in self.processes if not self._idle(c)]
            for heard in wait(heeded) if heeded else ():
                connection = cast(Connection, heard)
                found = self._received(connection)
                if found == HELLO:
                    with suppress(OSError):  # it has ended: that is heard next
                        connection.send(self.job)
                elif found == READY:
                    self.given[connection] = deque()
                else:
                    done = self.given[connection].popleft()
                    if connection not in self.processes:  # the next is for another
                        left.extendleft(self.given.pop(connection))
                    yield done, found

    def _idle(self, connection: Connection) -> bool:
        return connection in self.given and not self.given[connection]

    def _give(self, connection: Connection, left: deque[Trial]) -> None:
        try:
            connection.send(left[0])
        except OSError:  # it has ended: while it waited, or what it does is heard of next
            if self._idle(connection):
                self.processes.pop(connection).join()
                del self.given[connection]
            return
        self.given[connection].append(left.popleft())

    def _begin(self) -> None:
        context = get_context("spawn")
        here, there = context.Pipe()
        # The job follows once the process has begun: one that ends while it is started would leave
        # start() waiting for ever for it to read more than a pipe holds.
        process = context.Process(target=serve, args=(there,), daemon=True)
        with one_thread():
            process.start()
        there.close()
        self.processes[here] = process

    def _received(self, connection: Any) -> Any:
        """A message; of a process that has ended, the row of its candidate."""
        try:
            found = connection.recv()
        except (EOFError, ConnectionError):
            process = self.processes.pop(connection)
            process.join()
            if connection not in self.given:
                raise RuntimeError(
                    f"search: a process ended with exit code {process.exitcode} before it began; "
                    "put the program's own calls under `if __name__ == '__main__':`, or use "
                    "processes=1"
                ) from None
            return {"error": f"its process ended with exit code {process.exitcode}", "seconds": 0.0}
        if isinstance(found, str) and found not in (HELLO, READY):
            raise RuntimeError(f"search: a process cannot have the function or options: {found}")
        return found


def serve(connection: Any) -> None:
    """The life of a process: take the job, and try what it is given, until it is given nothing."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the business of the one that waits
    warnings.simplefilter("ignore")
    with suppress(EOFError, ConnectionError):  # nobody waits any more
        connection.send(HELLO)
        try:
            job: Job = connection.recv()
        except (EOFError, ConnectionError):
            raise
        except Exception as error:  # what it refers to is not there
            connection.send(" ".join(f"{type(error).__name__}: {error}".split()))
            return
        connection.send(READY)
        while (trial := connection.recv()) is not None:
            connection.send(outcome(job, trial))


@contextmanager
def one_thread() -> Iterator[None]:
    """Processes that are begun inside use one thread each, natively and in BLAS."""
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def why_alone(job: Job) -> str:
    """Why other processes cannot have the job; "" where they can."""
    try:
        ForkingPickler.dumps((job.make, dict(job.options)))
    except Exception as error:  # whatever the objects inside raise
        return " ".join(str(error).split()) or type(error).__name__
    main = sys.modules["__main__"]
    file, spec = getattr(main, "__file__", None), getattr(main, "__spec__", None)
    if spec is None and file is not None and not Path(file).is_file():
        return f"the program has no file to begin from, but {file}"
    if getattr(job.make, "__module__", "") == "__main__" and file is None:
        return "the function was typed in, and no file has it"
    return ""
