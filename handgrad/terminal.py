"""How the command speaks: one line for what is wrong, quiet where no reader is left, Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click


class Refused(click.ClickException):
    """Bad input: one line on standard error, exit code 2."""

    exit_code = 2

    def show(self, file: Any = None) -> None:
        """Print the line."""
        click.echo(f"handgrad: {self.message}", err=True)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn errors about input, files and modules into one line, and warnings too.

    A reader of the output who has gone (`handgrad … | head`) is no error.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # it was closed before the program began
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
    with warnings.catch_warnings():
        for kind in (UserWarning, RuntimeWarning):
            warnings.simplefilter("always", kind)
        warnings.showwarning = lambda message, *_: complain(str(message))
        try:
            yield
            sys.stdout.flush()
        except BrokenPipeError:
            raise  # click ends quietly
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise Refused(f"{where}{error.strerror or error}") from None
        except (ValueError, ImportError) as error:
            raise Refused(" ".join(str(error).split())) from None


def complain(message: str) -> None:
    click.echo(f"handgrad: {' '.join(message.split())}", err=True)


def say(text: str = "") -> None:
    """Print; where nobody reads on, or a disk is full, nothing more: a training goes on."""
    try:
        click.echo(text)
    except OSError as error:
        if not isinstance(error, BrokenPipeError):
            complain(f"standard output: {error.strerror}; going on without it")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def patient() -> Iterator[None]:
    """Until the result is written, Ctrl-C does not end the program, unless it comes three times.

    The first one is the trainer's: it ends after the present step.
    """
    pressed = 0

    def again(signum: int, frame: Any) -> None:
        nonlocal pressed
        pressed += 1
        if pressed > 1:
            os._exit(130)  # at once, and nothing half-done is written: the last checkpoint stands
        complain("ending, and writing the result; Ctrl-C once more gives it up")

    before = signal.signal(signal.SIGINT, again)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
