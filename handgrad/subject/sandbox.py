"""Calling code that may raise, hang, print, warn or draw random numbers, without harm."""

from __future__ import annotations

import contextlib
import ctypes
import dis
import io
import linecache
import os
import random
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

_NUMPY = str(Path(np.__file__).parent)
_HERE = [str(Path(__file__).parents[1] / room) for room in ("subject", "prove")]


class SubjectError(Exception):
    """The subject failed: in which phase, in which way, and with an exception of which type.

    kind: "raised"; "refused", by a raise or an assert of the subject's own; "hang"; "exit";
    "value", something returned that cannot be used. sentence: without its full stop.
    """

    def __init__(
        self, phase: str, sentence: str, kind: str = "value", line: str | None = None,
        type: type | None = None,
    ):  # fmt: skip
        sentence = sentence.rstrip(" .\n")
        super().__init__(sentence)
        self.phase, self.sentence, self.kind = phase, sentence, kind
        self.line, self.type = line, type

    @property
    def refused(self) -> bool:
        return self.kind == "refused"


class Unfit(TypeError):
    """What was given cannot be checked: it has no forward, or takes other inputs than these."""


class Hang(BaseException):
    """Raised inside the thread of a subject that runs too long."""


class Draws(BaseException):
    """Raised where a subject that was not seeded has drawn from the process's generators."""


_ENTROPY: Any = np.random.bit_generator  # its `randbits` seeds generators made without a seed
_turn = threading.Lock()  # output, warnings and random state belong to the process
_within = threading.local()


def _forks() -> None:
    if (sandbox := getattr(_within, "sandbox", None)) is not None:
        sandbox.forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_forks)


class Sandbox:
    """Runs a subject's code: random numbers from one seed, output caught, time limited.

    Several threads take turns. A thread that checks nothing keeps its output and its unseeded
    generators. effort: units of one call (see effort.py); spent: those of all calls so far.
    seeded: whether the process's generators are seeded before every call, which takes as long as
    a small layer; where they are not, `run` raises Draws as soon as the subject has used them.
    """

    def __init__(self, seed: int = 0, timeout: float = 20.0, seeded: bool = True):
        self.seed, self.timeout, self.seeded = seed, timeout, seeded
        self.twins = np.random.RandomState(seed % 2**32), random.Random(seed)
        self.effort, self.spent = 40.0, 0.0
        self.ident = threading.get_ident()  # of the thread in which the subject runs
        self.phase = ""
        self.started: float | None = None
        self.printed = io.StringIO()
        self.process, self.forked = os.getpid(), False

    def call(
        self, phase: str, function: Callable[..., Any], *args: Any, seed: int | None = None
    ) -> Any:
        """function(*args); what it raises becomes a SubjectError that says where and why."""
        if self.seeded:
            self._seed(self.seed if seed is None else seed)
        self.phase, self.started = phase, time.monotonic()
        self.spent += self.effort
        try:
            return function(*args)
        except SubjectError:
            raise
        except Exception as error:
            raise _described(phase, error) from error
        except SystemExit as error:
            raise SubjectError(phase, f"{phase} calls exit()", "exit") from error
        finally:
            self.started = None
            if os.getpid() != self.process:  # a process that the subject forked ends here
                os._exit(0)
            if not self.seeded and self._has_drawn():
                raise Draws

    @staticmethod
    def _seed(seed: int) -> None:
        np.random.seed(seed % 2**32)
        random.seed(seed)

    def _has_drawn(self) -> bool:
        """Whether a generator of the process is no longer in step with its twin."""
        mine, other = self.twins
        return np.random.random() != mine.random() or random.random() != other.random()

    def run(self, work: Callable[[], Any]) -> Any:
        """work() in a thread that is given up when a single call of the subject hangs."""
        outcome: dict[str, Any] = {}

        def body() -> None:
            self.ident, _within.check = threading.get_ident(), True
            _within.sandbox = self
            try:
                with np.errstate(all="ignore"):
                    outcome["value"] = work()
            except BaseException as error:  # handed to the caller, below
                outcome["error"] = error

        nested = getattr(_within, "check", False)  # by a subject that checks something itself
        with contextlib.nullcontext() if nested else _turn, self._quiet():
            self._seed(self.seed)
            self._await(threading.Thread(target=body, daemon=True))
        if "error" in outcome:
            raise outcome["error"]
        return outcome["value"]

    def _await(self, thread: threading.Thread) -> None:
        thread.start()
        while thread.is_alive():
            thread.join(0.05 if self.timeout > 0.5 else self.timeout / 4)
            started = self.started
            if started is not None and time.monotonic() - started > self.timeout:
                _interrupt(thread)
                text = f"{self.phase} did not return within {self.timeout:g} s"
                raise SubjectError(self.phase, text, "hang")

    @contextlib.contextmanager
    def _quiet(self) -> Iterator[None]:
        """No output, no warnings, and the process's random state as it was, afterwards."""
        states = np.random.get_state(), random.getstate()
        fresh = _ENTROPY.randbits

        def randbits(count: int) -> int:
            # A generator made inside a layer without a seed follows the sandbox's.
            own = threading.get_ident() == self.ident
            return random.getrandbits(count) if own else fresh(count)

        try:
            with (
                contextlib.redirect_stdout(_Apart(self, sys.stdout)),
                contextlib.redirect_stderr(_Apart(self, sys.stderr)),
                warnings.catch_warnings(),
            ):
                warnings.simplefilter("ignore")
                _ENTROPY.randbits = randbits
                yield
        finally:
            _ENTROPY.randbits = fresh
            np.random.set_state(states[0])
            random.setstate(states[1])


class _Apart(io.TextIOBase):
    """What the subject's thread writes is kept back; the other threads write where they did."""

    def __init__(self, sandbox: Sandbox, outside: Any):
        self.sandbox, self.outside = sandbox, outside

    def write(self, text: str) -> int:
        own = threading.get_ident() == self.sandbox.ident
        if not own and self.outside is None:  # a process without output
            return len(text)
        return (self.sandbox.printed if own else self.outside).write(text)

    def flush(self) -> None:
        if self.outside is not None:
            self.outside.flush()


_given_up: list[threading.Thread] = []


def interrupting() -> bool:
    """Whether a thread that was asked to stop has not come to it yet: it sleeps, or waits."""
    _given_up[:] = [thread for thread in _given_up if thread.is_alive()]
    return bool(_given_up)


def _interrupt(thread: threading.Thread) -> None:
    """Ask a thread to stop at its next Python instruction."""
    _given_up.append(thread)
    ident = ctypes.c_ulong(thread.ident or 0)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(Hang))


def libraries() -> tuple[str, ...]:
    """Folders of the other libraries that are loaded: no line in them is the user's."""
    loaded = [sys.modules.get(n) for n in ("torch", "jax", "jaxlib", "cupy", "triton")]
    files = [getattr(m, "__file__", None) for m in loaded]
    return tuple(str(Path(f).parent) for f in files if f)


def _described(phase: str, error: Exception) -> SubjectError:
    frames = list(traceback.walk_tb(error.__traceback__))
    hidden = (_NUMPY, *_HERE, *libraries())
    own = [(f, n) for f, n in frames if not f.f_code.co_filename.startswith(hidden)]
    line = None
    if own:
        file, number = own[-1][0].f_code.co_filename, own[-1][1]
        line = f"{file}:{number}: {linecache.getline(file, number).strip()}"
    refused = isinstance(error, NotImplementedError) or _on_purpose(error, own)
    kind, verb = ("refused", "refuses") if refused else ("raised", "raises")
    text = f"{phase} {verb}: {type(error).__name__}: {error}"
    return SubjectError(phase, text, kind, line, type(error))


def _on_purpose(error: Exception, own: list[Any]) -> bool:
    """Whether the subject's code raised it by an instruction of its own."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if last is None or not own or last.tb_frame is not own[-1][0]:
        return False
    return bool(last.tb_frame.f_code.co_code[last.tb_lasti] == dis.opmap["RAISE_VARARGS"])
