"""Watchdog: a thread of each rank that ends the job when an exchange takes too long."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

LIMIT = 600.0  # seconds that an exchange may wait for a rank that computes
SILENCE = 60.0  # … for a rank that does not answer, because it has stopped or is gone
VARIABLE = "HANDGRAD_MPI_TIMEOUT"
PERIOD = 0.25  # seconds between two looks: a look takes some microseconds
ASKING = 2.0  # seconds of waiting before and between questions, at most
QUESTION, ANSWER = 1, 2  # tags of the messages


def limit_of(environment: Any = os.environ) -> float:
    """The limit in seconds: of the environment, or LIMIT. Raises ValueError for none."""
    text = environment.get(VARIABLE, "")
    try:
        limit = float(text) if text else LIMIT
    except ValueError:
        limit = 0.0
    if not limit > 0:
        raise ValueError(f"{VARIABLE}: a positive number of seconds is needed, got {text!r}")
    return limit


class Watchdog:
    """Asks the other ranks what they do while this one waits, and answers their questions.

    enter, leave: said by the rank around each exchange; this costs it well under a microsecond.
    asks: whether the thread may use MPI. end: called with a text when the limit, in seconds, is
    over.
    """

    def __init__(self, mpi: Any, comm: Any, asks: bool, limit: float, end: Callable[[str], None]):
        self._mpi, self._comm, self.limit, self._end = mpi, comm, limit, end
        self.rank, self.size = comm.rank, comm.size
        self._asks = asks
        self._now: tuple[str, bool, float] = "is computing", False, time.monotonic()
        self._heard: dict[int, tuple[str, float]] = {}  # what other ranks answered, and when
        self._asked, self._first = 0.0, 0.0
        self._sent: list[Any] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="handgrad-watchdog", daemon=True)
        self._thread.start()

    @property
    def _patience(self) -> float:
        """Seconds of waiting before and between questions."""
        return min(ASKING, self.limit / 4)

    def enter(self, what: str) -> None:
        """An exchange begins."""
        self._now = what, True, time.monotonic()

    def leave(self, what: str = "is computing") -> None:
        """It is over, or its end may take any time."""
        self._now = what, False, time.monotonic()

    def stop(self) -> None:
        """End the thread, before MPI ends."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(PERIOD):
            what, waiting, since = self._now
            waited = time.monotonic() - since
            if self._asks:
                self._answer()
            if not waiting or waited < self._patience:
                self._heard, self._first = {}, 0.0
            elif self._judge(waited):
                self._end(self._report(what, waited))

    def _answer(self) -> None:
        """Answer the questions that have come, and take in the answers."""
        self._sent = [(r, data) for r, data in self._sent if not r.Test()]
        status = self._mpi.Status()
        while self._comm.Iprobe(self._mpi.ANY_SOURCE, self._mpi.ANY_TAG, status):
            data = np.empty(status.Get_count(self._mpi.BYTE), np.uint8)
            source, tag = status.Get_source(), status.Get_tag()
            self._comm.Recv([data, self._mpi.BYTE], source, tag)
            if tag == ANSWER:
                self._heard[source] = json.loads(bytes(data)), time.monotonic()
            else:
                what, _, since = self._now
                self._send(source, ANSWER, f"{what} since {time.monotonic() - since:.0f} s")

    def _send(self, to: int, tag: int, text: str) -> None:
        data = np.frombuffer(json.dumps(text).encode(), np.uint8)
        self._sent.append((self._comm.Isend([data, self._mpi.BYTE], to, tag), data))

    def _judge(self, waited: float) -> bool:
        """Ask again where it is time; whether the limit is over. The lowest rank says so first."""
        now = time.monotonic()
        self._first = self._first or now
        if self._asks and now - self._asked > self._patience:
            self._asked = now
            for rank in range(self.size):
                if rank != self.rank:
                    self._send(rank, QUESTION, "")
        late = min(self.rank, 20) * PERIOD
        silent = self._asks and any(
            now - self._heard.get(rank, ("", self._first))[1] > min(SILENCE, self.limit) + late
            for rank in range(self.size)
            if rank != self.rank
        )
        return waited > self.limit + late or silent

    def _report(self, what: str, waited: float) -> str:
        """Which rank waits for which, and since when."""
        now, others = time.monotonic(), []
        for rank in range(self.size):
            text, heard = self._heard.get(rank, ("", self._first))
            if not text or now - heard > 2 * self._patience + 2 * PERIOD:
                text = f"does not answer since {now - heard:.0f} s" + (f" ({text})" if text else "")
            if rank != self.rank:
                others.append(f"rank {rank} {text}")
        told = "this MPI serves one thread alone, so the others are not asked"
        if self._asks:
            told = "; ".join(others)
        return (
            f"parallel: rank {self.rank} {what} since {waited:.0f} s; {told}. The job ends: the "
            f"limit is {self.limit:g} s, or {min(SILENCE, self.limit):g} s for a rank that does "
            f"not answer; {VARIABLE}=seconds sets another"
        )


def complain(text: str) -> None:
    """Say it on standard error, at once."""
    sys.stderr.write(f"handgrad: {text}\n")
    sys.stderr.flush()
