"""The report: ratios by rounds, tables, pictures."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import report
from benchmarks.figures import fastest_peer, in_units, ratio
from benchmarks.systems import CURVES

ROW = {"kernel": "affine", "label": "0", "gflops": 50.0, "gbytes": 2.0, "share": 0.84}
ROWS = [ROW | {"seconds": 3e-5}, ROW | {"seconds": 1e-7, "label": "small"}]


def system(*times: float, busy: tuple = (), profile: Any = None) -> dict:
    return {"times": list(times), "busy": list(busy), "loss": 1.25, "steps": 3, "peak": 80.4,
            "imported": 40.2, "ran": None, "profile": profile or {}}  # fmt: skip


RESULT = {
    "systems": {
        "numpy": system(3e-4, 9e-4, 3e-4, busy=(6e-4,)),
        "jax": system(2e-4, 8e-4, 4e-4),
        "handgrad": system(1e-4, 2e-4, 1e-4, profile={"build": 0.004, "rows": ROWS}),
    },
    "skipped": {"torch-1": "not installed: torch"},
    "title": "2-10-3", "check_steps": 20, "others": 0.04, "quiet": 0.256,
}  # fmt: skip


def test_ratio_is_the_median_over_the_rounds():
    assert ratio(RESULT, "numpy") == pytest.approx(3.0)
    assert ratio(RESULT, "jax") == pytest.approx(4.0)
    assert fastest_peer(RESULT) == "numpy"
    times = {"jax": (3, 3, 9), "numpy": (2, 8, 4), "handgrad": (1, 4, 2)}
    disturbed = {"systems": {name: system(*some) for name, some in times.items()}}
    assert fastest_peer(disturbed) == "numpy"  # 2, though the median of jax, at 3, is smaller
    assert fastest_peer({"systems": {"handgrad": system(1.0)}}) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(6.2e-6, "6.2 µs"), (3.754e-4, "375 µs"), (9.996e-4, "1 ms"), (0.0951, "95.1 ms"), (2, "2 s")],
)
def test_units(seconds, text):
    assert in_units(seconds) == text


def test_report_has_a_table_of_what_ran_and_why_others_did_not(tmp_path):
    pytest.importorskip("matplotlib", reason="draws")
    points = {size: {kind.name: [1e-3 * int(size)] for kind in CURVES} for size in ("1", "4")}
    machine = {"processor": "P", "cores": "2", "vectors": "avx2", "python": "3.11", "numpy": "2"}
    results = {
        "machine": machine, "workloads": {"tiny": RESULT},
        "scaling": {"batch": {"title": "784-50-10 by batch", "points": points}},
    }  # fmt: skip
    report.write(results, tmp_path)
    text = (tmp_path / "results.md").read_text()
    assert "P, 2 cores, avx2; Python 3.11, numpy 2." in text
    assert "| NumPy, written out | **300 µs** |" in text
    assert "| fastest peer / handgrad | **3.00×** |" in text
    assert "| processors used by other programs | 0.04 |" in text
    assert "| turns on a quiet machine | 26% |" in text
    assert "| JAX jit | 4.00 |" in text
    assert "| affine | 0 | 30 µs | 100% | 50.0 | 2.0 | 84% |" in text
    assert "small" not in text
    assert "Built in 4 ms." in text
    assert "| NumPy, written out | 80 (40) |" in text
    assert "| NumPy, written out | 2.00 |" in text  # busy
    assert "- tiny, PyTorch eager, 1 thread: not installed: torch" in text
    assert "| 4 | 4 ms |" in text
    for name in ("ratios.png", "ratios.svg", "scaling.png", "scaling.svg"):
        assert (tmp_path / name).stat().st_size > 5000
