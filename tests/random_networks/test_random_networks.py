"""Random networks learn and predict the same on both engines."""

from __future__ import annotations

import pytest

from handgrad.compile.binary import why_not
from tests.random_networks.compare import run

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


@pytest.mark.parametrize("first", range(0, 300, 30))
def test_both_engines_agree(first):
    failures = [failure for seed in range(first, first + 30) if (failure := run(seed))]
    assert not failures, "\n".join(map(str, failures))
