"""Without a native library all are skipped; tests/test_install.py says when there must be one."""

from __future__ import annotations

import pytest

from handgrad.compile import why_not


@pytest.fixture(autouse=True, scope="session")
def native() -> None:
    if reason := why_not():
        pytest.skip(reason)
