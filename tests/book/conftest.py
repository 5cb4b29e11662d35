"""A folder that looks like a book: chapters, and a `common` that must not be used."""

from __future__ import annotations

import pytest


class Book:
    """Writes scripts into chapters of a book, and runs them."""

    def __init__(self, root):
        self.root = root

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A first book, whose own `common` fails when it is imported; pictures go to `pictures`."""
    made = Book(tmp_path / "book")
    for name in ("common/__init__.py", "common/layers.py", "dataset/__init__.py"):
        made.write(name, "raise RuntimeError('the original was imported')")
    (tmp_path / "pictures").mkdir()
    monkeypatch.chdir(tmp_path / "pictures")
    return made
