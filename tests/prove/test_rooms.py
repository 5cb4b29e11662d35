"""The verdict is a measurement: it reads no source text and asks no diagnosis."""

import ast
from pathlib import Path

import pytest

import handgrad.prove.verdict

FILES = sorted(Path(handgrad.prove.verdict.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_the_verdict_reads_no_source_and_asks_no_diagnosis(path):
    named = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            named |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            named |= {node.module, *(f"{node.module}.{a.name}" for a in node.names)}
    assert not {n for n in named if n in ("re", "ast", "inspect", "time", "linecache")}
    assert not {n for n in named if n.startswith(("handgrad.prove.diagnosis", "inspect."))}
