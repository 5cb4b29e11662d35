"""Keras's files: `load` a model as a network that learns on, weights in and out."""

from handgrad.interop.keras.model import load
from handgrad.interop.keras.weights import load_weights, save_weights, weight_arrays

__all__ = ["load", "load_weights", "save_weights", "weight_arrays"]
