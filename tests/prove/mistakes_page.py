"""docs/mistakes.md: its blocks of code, what they print, and writing the page anew.

    python -m tests.prove.mistakes_page

runs every Python block of the page and puts what it prints into the text block behind it.
"""

import contextlib
import io
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

PAGE = Path(__file__).parents[2] / "docs" / "mistakes.md"
BLOCK = re.compile(r"```python\n(.*?)```\n(?:\n```text\n(.*?)```\n)?", re.DOTALL)
HEADING = re.compile(r"^## `(\w+)`", re.MULTILINE)


@dataclass(frozen=True)
class Section:
    """A cause: code that is wrong, what the doctor prints, code that is right."""

    cause: str
    wrong: str
    printed: str
    fixed: str


def prelude():
    """The first block of the page: what every other block begins with."""
    return BLOCK.search(PAGE.read_text())[1]


def sections():
    """Every cause on the page."""
    _, *parts = HEADING.split(PAGE.read_text())
    for cause, text in zip(parts[::2], parts[1::2]):
        (wrong, printed), (fixed, _) = BLOCK.findall(text)
        yield Section(cause, wrong, printed, fixed)


def run(code):
    """What a block prints after the prelude, as a file called layer.py."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "layer.py"
        path.write_text(code)
        module = ModuleType("layer")
        exec(prelude(), module.__dict__)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, str(path), "exec"), module.__dict__)
    return printed.getvalue()


def rewrite():
    """Puts what each block prints into the page."""

    def renewed(match):
        if match[2] is None:
            return match[0]
        return f"```python\n{match[1]}```\n\n```text\n{run(match[1])}```\n"

    PAGE.write_text(BLOCK.sub(renewed, PAGE.read_text()))


if __name__ == "__main__":
    rewrite()
