"""Compare: one random training on both engines, and its predictions."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from handgrad.train import fit
from tests.random_networks.draw import Training, draw

TOLERANCE = 2e-3  # of float32, after a dozen steps, relative to the largest of an array
NO_NATIVE_FORM = "ValueError: engine: "  # said before anything runs
# Where both engines say so, the data is to blame: all labels of a batch ignored, too large a rate.
AGREED = "nothing to learn from", "DivergenceError"
ENGINES = {"native": {"engine": "native"}, "NumPy": {"engine": "numpy"}}


@dataclass
class Failure:
    """What went wrong with a seed: `kind` is the same for alike failures."""

    seed: int
    kind: str
    detail: str
    training: str

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.kind}: {self.detail}\n  {self.training}"


def train(
    training: Training, engine: str, dtype: Any = np.float32
) -> tuple[Any, np.ndarray, list[np.ndarray]]:
    """Losses, parameters, and predictions asked for three times, as some engines come later."""
    network = training.network if dtype == np.float32 else training.network.astype(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        history = fit(network, training.x, training.t, progress=False,
                      **training.options, **ENGINES[engine])  # fmt: skip
        predictions = [network.predict(training.x) for _ in range(3)]
    return history, network.parameters.copy(), predictions


def difference(a: Any, b: Any) -> float:
    """The largest difference, relative to the largest number or to 1."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return float("nan")
    return float(abs(a - b).max(initial=0) / max(1.0, abs(b).max(initial=0)))


def general(message: str) -> str:
    """An error's message without its numbers."""
    return re.sub(r"[\d.]+(e[-+]\d+)?", "#", message.splitlines()[0] if message else "")[:160]


def run(seed: int) -> Failure | None:
    """The failure of a seed, or None where engines agree or one of them says that it cannot."""
    shown, results, raised = str(draw(seed)), {}, {}
    for engine in ENGINES:
        try:
            results[engine] = train(draw(seed), engine)
        except Exception as error:
            raised[engine] = f"{type(error).__name__}: {general(str(error))}"
    if raised.get("native", "").startswith(NO_NATIVE_FORM):
        del raised["native"]
        if all(any(m in message for m in AGREED) for message in raised.values()):
            return None
    if raised:
        messages = set(raised.values())
        if len(messages) == 1 and len(raised) == 2 and any(m in str(messages) for m in AGREED):
            return None
        return Failure(seed, f"{' and '.join(raised)} raises", "; ".join(sorted(messages)), shown)
    (history, weights, predicted), (wanted, right, expected) = results.values()
    pairs: dict[str, tuple[Any, Any]] = {
        f"history[{name!r}]": (history[name], wanted[name]) for name in wanted if name != "seconds"
    }
    pairs["parameters"] = weights, right
    for i, y in enumerate(predicted):
        pairs[f"prediction {i + 1}, native training"] = y, expected[0]
        pairs[f"prediction {i + 1}, NumPy training"] = expected[i], expected[0]
    for name, (a, b) in pairs.items():
        off = difference(a, b)
        if not off < TOLERANCE and not rounding(seed, results):
            return Failure(seed, f"{name} differs", f"by {off:.2g}", shown)
    return None


def rounding(seed: int, results: dict[str, Any]) -> bool:
    """Whether rounding explains a difference: in float64, NumPy is about as far from its own
    float32 as from native code, in the losses, the parameters and the predictions."""
    exact = train(draw(seed), "NumPy", np.float64)
    found = [(r[0]["loss"], r[1], r[2][0]) for r in (exact, results["native"], results["NumPy"])]
    return all(difference(b, a) < 4 * difference(c, a) + TOLERANCE / 10 for a, b, c in zip(*found))
