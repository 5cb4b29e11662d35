"""Several targets of several classes each: what a LabelBinarizer is for one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_sample_weight

from handgrad.arrays import Array
from handgrad.train.heads import ends


class Heads:
    """The classes of T targets, their numbers, and probabilities of all side by side (N, ΣK).

    Raises ValueError for another number of targets, and for classes that were not there in fit.
    """

    y_type_ = "multiclass-multioutput"

    def __init__(self, targets: Iterable[Any]):
        self.classes_ = [np.unique(classes) for classes in targets]

    @property
    def sizes(self) -> list[int]:
        """How many classes each target has."""
        return [len(classes) for classes in self.classes_]

    def transform(self, y: Array) -> Array:
        """The number of each class (N, T)."""
        if y.ndim != 2 or y.shape[1] != len(self.classes_):
            raise ValueError(f"y: {len(self.classes_)} targets are needed, got shape {y.shape}")
        for i, classes in enumerate(self.classes_):
            new = np.setdiff1d(y[:, i], classes)
            if len(new):
                raise ValueError(
                    f"y: target {i} has the class {new[0]!s}, which was not there in the first "
                    f"call to fit; it had {', '.join(map(str, classes[:10]))}"
                )
        found = [np.searchsorted(classes, y[:, i]) for i, classes in enumerate(self.classes_)]
        return np.stack(found, axis=1)

    def inverse_transform(self, p: Array) -> Array:
        """The most probable class of each target (N, T)."""
        parts = zip(self.classes_, self.parts(p))
        return np.stack([classes[part.argmax(axis=1)] for classes, part in parts], axis=1)

    def parts(self, p: Array) -> list[Array]:
        """What stands side by side, target by target: T arrays (N, K)."""
        return np.split(p, ends(self.sizes), axis=1)

    def softmax(self, y: Array) -> Array:
        """Probabilities from scores, both side by side."""
        e = [np.exp(part - part.max(axis=1, keepdims=True)) for part in self.parts(y)]
        return np.concatenate([part / part.sum(axis=1, keepdims=True) for part in e], axis=1)

    def weights(self, Y: Array, own: Array, class_weight: Any) -> Array:
        """own (N) times the weights of the classes of all targets, as scikit-learn has them."""
        y = np.stack([c[Y[:, i].astype(int)] for i, c in enumerate(self.classes_)], axis=1)
        return np.asarray(own * compute_sample_weight(class_weight, y))
