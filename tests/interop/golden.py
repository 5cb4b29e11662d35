"""Fingerprints of the golden vectors, kept so that a drift is seen.

`python -m tests.interop.golden` writes them anew.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np

from handgrad.interop.files import write_golden

STORED = Path(__file__).with_name("golden.txt")


def fingerprints(folder: Path) -> dict[str, list[float]]:
    """For each case, of the float64 outputs and gradients: a sum in which every entry counts."""
    cases = json.loads((folder / "index.json").read_text())["cases"]
    with np.load(folder / "float64.npz") as file:
        arrays = dict(file)
    return {
        case["name"]: [
            float(sum(_weighed(arrays[f"{case['name']}/{part}/{key}"]) for key in case[part]))
            for part in ("output", "gradient")
        ]
        for case in cases
    }


def _weighed(array: np.ndarray) -> float:
    flat = np.nan_to_num(np.asarray(array, float).ravel(), posinf=1.0, neginf=-1.0)
    return float(flat @ np.cos(np.arange(1, flat.size + 1)))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        write_golden(name)
        lines = [f"{k} {a:.9g} {b:.9g}" for k, (a, b) in fingerprints(Path(name)).items()]
    STORED.write_text("\n".join(lines) + "\n")
    print(f"{len(lines)} cases in {STORED}")
