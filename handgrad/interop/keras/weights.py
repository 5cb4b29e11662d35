"""Weights alone, in and out: .weights.h5 files as Keras writes and reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from handgrad.arrays import Array
from handgrad.interop.files.weights import require_same
from handgrad.interop.keras.archive import read_keras, read_weights, write_h5
from handgrad.interop.keras.layouts import LAYOUTS, stored
from handgrad.interop.keras.model import ASIDE, _named


def save_weights(network: Any, path: str | Path) -> Path:
    """Write the weights so that a Keras model of the same structure takes them.

    path: ends in .weights.h5, as `model.load_weights` wants. The layers are named as in the file
    that the network came from; in another they are numbered by their class, in order.
    Raises ImportError without h5py, ValueError for another ending, and for a layer with
    parameters that Keras has not, or that is not built.
    """
    if not str(path).endswith(".weights.h5"):
        raise ValueError(f"keras: a file ending in .weights.h5 is needed, got {Path(path).name!r}")
    return write_h5(path, weight_arrays(network))


def weight_arrays(network: Any, *, gradient: bool = False) -> dict[str, Array]:
    """The arrays as Keras has them, by their names in such a file; or the gradients instead."""
    found: dict[str, Array] = {}
    for _, layer, at in stored(network):
        if not (gradient and at.layout == "normalization"):
            found |= at.arrays(layer, gradient)
    return found


def load_weights(network: Any, path: str | Path) -> None:
    """Put the weights of a .weights.h5 or .keras file into a network of the same structure.

    Raises ImportError without h5py, and ValueError, leaving the network as it was, for a damaged
    file, and where weights are missing, too many, or of another shape: all of them at once, with
    the nearest names.
    """
    arrays = read_keras(path)[1] if str(path).endswith(".keras") else read_weights(path)
    given = {n: a for n, a in _named(arrays).items() if not ASIDE.search(n)}
    places = stored(network)
    wanted = weight_arrays(network)
    require_same(str(path), wanted, given)
    for _, layer, at in places:
        held = LAYOUTS[at.layout].back(layer, [given[name] for name in at.names])
        for name, array in held.items():
            getattr(layer, name)[...] = array
