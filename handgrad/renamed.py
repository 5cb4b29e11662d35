"""Arguments of constructors that once had another name: old model files may still use it."""

from __future__ import annotations

from typing import Any

_CELL = {"hidden": "outputs"}
_CONVOLUTION = {"filters": "outputs"}

RENAMED: dict[str, dict[str, str]] = {
    **dict.fromkeys(("RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell"), _CELL),
    "Convolution": _CONVOLUTION,
    "CosineSimilarity": {"epsilon": "eps"},
    "DotProductAttention": {"scale": "scaled"},
    "Embedding": {"dimension": "outputs"},
    "EmbeddingDot": {"dimension": "inputs"},
    "LeakyReLU": {"slope": "alpha"},
    "LearnedPosition": {"dimension": "inputs"},
    "MultiHeadAttention": {"dimension": "outputs"},
    "NegativeSampling": {"size": "negatives", "dimension": "inputs"},
    "Pad": {"width": "pad"},
    "TransposedConvolution": _CONVOLUTION,
}


def present_names(layer: str, config: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a layer of handgrad's, by name, under the names that they have now."""
    now = RENAMED.get(layer, {})
    return {now.get(name, name): value for name, value in config.items()}
