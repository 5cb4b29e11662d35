"""Arguments of constructors that once had another name: old model files may still use it."""

from __future__ import annotations

from typing import Any

RENAMED = {
    "CosineSimilarity": {"epsilon": "eps"},
    "NegativeSampling": {"size": "negatives"},
}


def present_names(layer: str, config: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a layer of handgrad's, by name, under the names that they have now."""
    now = RENAMED.get(layer, {})
    return {now.get(name, name): value for name, value in config.items()}
