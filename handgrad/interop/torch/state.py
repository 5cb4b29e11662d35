"""state_dict and load_state_dict: a network's weights under PyTorch's names and in its layouts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.interop.files.weights import require_layer, require_same
from handgrad.interop.torch.layouts import LAYOUTS
from handgrad.interop.torch.read_pt import read_pt
from handgrad.layer import parameter_names, walk


def state_dict(network: Any) -> dict[str, Any]:
    """The weights as tensors, as `module.load_state_dict` takes them: "0.weight", "0.bias", …

    Layers are named by their paths in the network; those that came from `from_torch` have their
    names from there. Buffers such as running means are among them.
    Raises ValueError for a layer with parameters that PyTorch has not, or that is not built.
    """
    import torch

    return {name: torch.tensor(np.ascontiguousarray(array))
            for name, array in state_arrays(network).items()}  # fmt: skip


def state_arrays(network: Any, *, gradient: bool = False) -> dict[str, Array]:
    """The same as arrays of NumPy; with `gradient`, the parameters' gradients instead."""
    found: dict[str, Array] = {}
    for path, layer in placed(network):
        arrays = LAYOUTS[type(layer)].there(layer, gradient)
        found |= {_joined(path, name): np.asarray(array) for name, array in arrays.items()}
    return found


def load_state_dict(network: Any, state: Mapping[str, Any] | str | Path) -> None:
    """Put weights with PyTorch's names and layouts into a network.

    state: tensors or arrays by name, or a .pt file that holds them; of such a file nothing but
    tensors is read, and nothing in it is executed.
    Raises ValueError, and leaves the network as it was, where names are missing or too many, or
    shapes differ: all of them at once, with the nearest names.
    """
    if not isinstance(state, str | Path | Mapping):
        raise ValueError(
            "load_state_dict: weights by name, or the path of a .pt file, are needed, got "
            f"{type(state).__name__}"
        )
    arrays = read_pt(state) if isinstance(state, str | Path) else {
        name: _array(value) for name, value in state.items()}  # fmt: skip
    # num_batches_tracked counts calls; nothing here depends on it.
    arrays = {n: a for n, a in arrays.items() if n.rpartition(".")[2] != "num_batches_tracked"}
    wanted = {n: a for n, a in state_arrays(network).items()
              if n.rpartition(".")[2] != "num_batches_tracked"}  # fmt: skip
    require_same("load_state_dict", wanted, arrays)
    for path, layer in placed(network):
        inner = dict(walk(layer))
        names = LAYOUTS[type(layer)].there(layer, False)
        mine = {name: arrays[key] for name in names if (key := _joined(path, name)) in arrays}
        for name, array in LAYOUTS[type(layer)].back(layer, mine).items():
            where, _, last = name.rpartition(".")
            getattr(inner[where], last)[...] = array


def placed(network: Any) -> Iterator[tuple[str, Any]]:
    """Every layer with parameters that has a counterpart in PyTorch, by its path there."""
    require_layer("state_dict", network)
    inside: list[str] = []
    for path, layer in walk(network):
        if any(path.startswith(f"{outer}.") for outer in inside):
            continue
        if type(layer) in LAYOUTS:
            inside.append(path) if path else None
            yield getattr(layer, "torch_name", path), layer
            if not path:
                return
        elif any(True for _ in parameter_names(layer)):
            raise ValueError(
                f"{path or 'the layer'} ({type(layer).__name__}): PyTorch has no such layer; "
                f"those with weights are {', '.join(sorted(c.__name__ for c in LAYOUTS))}"
            )


def _array(value: Any) -> Array:
    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
