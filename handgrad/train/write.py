"""Writing files so that at every moment the old or the new content is there, whole."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


def write_whole(path: str | Path, content: bytes) -> Path:
    """Write a file beside, flush it, and rename it; what killed writers left is cleared away.

    A link's target is written, and a device or pipe is written to: neither is replaced.
    """
    with written(path) as file:
        file.write(content)
    return Path(path)


@contextmanager
def written(path: str | Path) -> Iterator[BinaryIO]:
    """A file that becomes `path`, as by `write_whole`, once all has been written to it."""
    path = Path(path)
    if path.exists() and not (path.is_file() or path.is_dir()):
        with path.open("wb") as file:
            yield file
        return
    path = Path(os.path.realpath(path)) if path.is_symlink() else path
    beside = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_native_id()}")
    try:
        clear_stale(path)
        with beside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:  # a full disk does not say which file it is about
        raise OSError(error.errno, error.strerror, error.filename or str(path)) from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def clear_stale(path: Path) -> None:
    """Remove what writers of this file left beside it when they were killed.

    Only files of processes that are gone: another writer may be at work.
    """
    name = re.compile(rf"\.{re.escape(path.name)}\.(\d+)(\.\d+)?")
    with os.scandir(path.parent) as entries:
        found = [(e.path, m) for e in entries if (m := name.fullmatch(e.name))]
    for stale, match in found:
        if not is_alive(int(match[1])):
            with suppress(OSError):
                os.unlink(stale)


def is_alive(process: int) -> bool:
    """Whether there is a process of this number; on Windows, where asking ends it, always."""
    if os.name == "nt":
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True  # another user's
    return process > 0
