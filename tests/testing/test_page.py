"""The page on test suites: its tests run, and pass."""

import re
from pathlib import Path

from tests.testing.test_plugin import pytest_run

PAGE = Path(__file__).parents[2] / "docs" / "testing.md"


def test_the_tests_on_the_page_pass(tmp_path):
    code = "\n\n".join(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL))
    run = pytest_run(tmp_path, code)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "50 passed" in run.stdout
    assert "test_square_everywhere[0-float32-rank3-strided]" in code + PAGE.read_text()
