"""BaseModel: the second book's models, and how they are kept in a file."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.book.unpickle import load


class BaseModel:
    """A model with lists `params` and `grads`."""

    def __init__(self) -> None:
        self.params: Any = None
        self.grads: Any = None

    def forward(self, *args: Any) -> Any:
        """Written by the model."""
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def backward(self, *args: Any) -> Any:
        """Written by the model."""
        raise NotImplementedError(f"{type(self).__name__} has no backward")

    def save_params(self, file_name: str | None = None) -> None:
        """Write the parameters as float16, in the books' format, by default to CLASS.pkl."""
        with open(self._path(file_name), "wb") as file:
            pickle.dump([np.asarray(p, np.float16) for p in self.params], file)

    def load_params(self, file_name: str | None = None) -> None:
        """Fill the parameters from a file; raises OSError where there is none."""
        path = self._path(file_name)
        if not path.exists():
            raise OSError(f"No file: {path}")
        with open(path, "rb") as file:
            saved = load(file)
        shapes = [np.shape(p) for p in saved], [p.shape for p in self.params]
        if shapes[0] != shapes[1]:
            raise ValueError(f"{path}: holds arrays {shapes[0]}, the model needs {shapes[1]}")
        for param, value in zip(self.params, saved):
            param[...] = value

    def _path(self, file_name: str | None) -> Path:
        return Path((file_name or f"{type(self).__name__}.pkl").replace("/", os.sep))
