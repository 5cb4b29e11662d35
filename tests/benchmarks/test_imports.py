"""What the import takes is measured in fresh processes."""

from benchmarks.imports import measure


def test_both_imports_are_timed():
    taken = measure(turns=1)
    assert list(taken) == ["NumPy", "handgrad"]
    assert min(taken.values()) > 0
