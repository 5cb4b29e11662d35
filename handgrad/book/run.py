"""Running a chapter's script as it is, with the books' modules in place."""

from __future__ import annotations

import importlib
import os
import pickle
import runpy
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from handgrad.book import sizes, unpickle
from handgrad.book.figures import pictures_into
from handgrad.book.modules import served


def run_script(
    path: str | Path, arguments: Sequence[str] = (), *, book: int | None = None,
    strict: bool = False, samples: int | None = None,
) -> None:  # fmt: skip
    """Run a script of *Deep Learning from Scratch* 1 or 2, unchanged, on handgrad's layers.

    path: of the script; it runs in its own folder, so that it finds its neighbours and files.
    book: 1 or 2; by default found by what the script's book looks like.
    strict: with the original's mistakes, where handgrad would be right.
    samples: only so many examples of each data set, for a quick try.
    Pictures go to the present folder where there is no screen. `pickle.load` reads arrays, dicts,
    lists and numbers, and refuses the rest.
    Raises FileNotFoundError where there is no script, ValueError for another book or no samples,
    and whatever the script raises.
    """
    script = Path(path).resolve()
    if not script.is_file():
        raise FileNotFoundError(f"book: no script {path}")
    if book not in (None, 1, 2):
        raise ValueError(f"book: book must be 1 or 2, got {book!r}")
    if samples is not None and samples < 1:
        raise ValueError(f"book: samples must be at least 1, got {samples}")
    root = script.parent.parent
    here = Path.cwd()
    with (
        served(book or which_book(script), strict, root),
        pictures_into(here, script.stem),
        in_place_of_python(script, arguments, samples),
    ):
        runpy.run_path(str(script), run_name="__main__")


def which_book(script: Path) -> int:
    """2 where the script's book has layers over time, or the script asks for what it alone has."""
    if (script.parent.parent / "common").is_dir():
        return 2 if (script.parent.parent / "common" / "time_layers.py").exists() else 1
    text = script.read_text(encoding="utf-8")
    only = ("time_layers", "base_model", "common.np", "spiral", "ptb", "sequence")
    return 2 if any(word in text for word in only) else 1


@contextmanager
def in_place_of_python(
    script: Path, arguments: Sequence[str], samples: int | None
) -> Iterator[None]:
    """The folder, arguments, path and readers that the script shall find; as before, afterwards."""
    before = Path.cwd(), sys.argv, sys.path, pickle.load, pickle.loads, sizes.samples
    os.chdir(script.parent)
    importlib.invalidate_caches()  # ".." is another folder now
    sys.argv = [str(script), *arguments]
    chapters = sorted(map(str, script.parent.parent.glob("ch*")))
    # A module of another chapter finds its neighbours too: ch08/train.py needs that.
    sys.path = [str(script.parent), *sys.path, *chapters]
    pickle.load, pickle.loads = unpickle.load, unpickle.loads  # type: ignore[assignment]
    sizes.samples = samples
    try:
        yield
    finally:
        folder, sys.argv, sys.path, pickle.load, pickle.loads, sizes.samples = before
        os.chdir(folder)
        importlib.invalidate_caches()
