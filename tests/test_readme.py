"""The README's and the guides' code runs as it stands, and prints what they say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_house import ROOMS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> list[str]:
    """The Python blocks of a page, one after the other: later ones use names of earlier ones."""
    return re.findall(r"```python\n(.*?)```", page.read_text(), re.S)


@pytest.mark.parametrize(
    "page", [p for p in PAGES if p.name != "mistakes.md"], ids=lambda p: p.name
)  # the page of mistakes has a test of its own
def test_the_code_of_a_page_runs(page, tmp_path):
    for partner in ("torch", "jax", "sklearn", "pandas"):
        if f"import {partner}" in page.read_text() or f"from {partner}." in page.read_text():
            pytest.importorskip(partner, reason=f"{page.name} is about {partner}")
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks(page)))
    result = subprocess.run(
        [sys.executable, "-W", "error", str(script)], cwd=tmp_path, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    shown = re.findall(r"<!-- printed -->\n```\n(.*?)```", page.read_text(), re.S)
    for text in shown:
        assert text.strip() in result.stdout.replace(f"{script}:", "page.py:"), result.stdout


def test_links_lead_somewhere():
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def test_the_map_names_what_is_there():
    """Every room, at its level; and nothing that is not."""
    text = (ROOT / "README.md").read_text().split("## Map of the house")[1].split("\n## ")[0]
    level, found = "", {}
    for start, name, end in re.findall(r"^([ \d]) (\w+)(\.py|/) ", text, re.M):
        assert (ROOT / "handgrad" / (name + end)).exists(), name
        level = start if start.isdigit() else level
        found[name] = int(level)
    assert found == {name: room for name, room in ROOMS.items() if not name.startswith("__")}
    for name in re.findall(r"`([\w/]+\.py)`", text):
        assert (ROOT / "handgrad" / name).exists(), name
