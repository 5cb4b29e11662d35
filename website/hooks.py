"""What MkDocs calls: the pages of the public names are made, and links out of docs/ adapted."""

from __future__ import annotations

import contextlib
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from mkdocs.structure.files import File
from names import GROUPS
from pages import all_pages

with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):  # examples write files
    PAGES = all_pages()
ROOT = Path(__file__).parents[1]


def on_files(files: Any, config: Any, **_: Any) -> Any:
    """Add the made pages, CONTRIBUTING.md, and the examples as pages of code."""
    for path, text in PAGES.items():
        files.append(File.generated(config, path, content=text))
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    files.append(File.generated(config, "contributing.md", content=contributing))
    for script in sorted((ROOT / "examples").rglob("*.py")):
        name = script.relative_to(ROOT).with_suffix(".md").as_posix()
        text = f"# {script.name}\n\n```python\n{script.read_text()}```\n"
        files.append(File.generated(config, name, content=text))
    return files


def on_config(config: Any, **_: Any) -> Any:
    """Enter the groups of names in the navigation."""
    folders = {path.split("/")[1]: None for path in PAGES}
    titles = {re.sub(r"\W+", "-", title.lower()): title for title, _ in GROUPS}
    reference = []
    for folder in folders:
        pages = sorted(p for p in PAGES if p.startswith(f"api/{folder}/") and "index" not in p)
        named = [{Path(page).stem: page} for page in pages]
        reference.append({titles[folder]: [f"api/{folder}/index.md", *named]})
    config["nav"].append({"Reference": reference})
    return config


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links to files beside docs/ lead to their pages; marks for tests are left out."""
    markdown = re.sub(r"\]\(\.\./(examples/[\w/]+)\.py\)", r"](\1.md)", markdown)
    markdown = markdown.replace("](../CONTRIBUTING.md)", "](contributing.md)")
    return re.sub(r"<!-- \w+ -->\n", "", markdown)
