"""Learners of dicts: features by their names, classes as they come, one sample at a time.

`learn_one(x, y)`, `predict_one(x)` and `predict_proba_one(x)` are called as the models of the
library River are; it is not needed.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.layers import Affine, MeanSquaredError, SoftmaxCrossEntropy
from handgrad.network import Sequential
from handgrad.optim import Adam, Optimizer
from handgrad.protocols import LayerLike
from handgrad.stream.learner import Learner
from handgrad.train.checks import check_choice
from handgrad.train.schema import brief

NUMBERS = (bool, int, float, np.integer, np.floating, np.bool_)


class Scale:
    """The mean and the deviation of numbers as they come.

    Source: Welford, "Note on a method for calculating corrected sums of squares and products",
    1962.
    """

    def __init__(self) -> None:
        self.count, self.mean, self.squares = 0, 0.0, 0.0
        self.deviation = 1.0  # also while all numbers are equal

    def see(self, value: float) -> None:
        """Take one more number in."""
        self.count += 1
        away = value - self.mean
        self.mean += away / self.count
        self.squares += away * (value - self.mean)
        if self.squares > 0:
            self.deviation = math.sqrt(self.squares / self.count)

    def __call__(self, value: float) -> float:
        """The number in deviations from the mean."""
        return (value - self.mean) / self.deviation


class ByName:
    """Base: a network over named features, which are columns in the order in which they came.

    layers: those before the output layer, the first an Affine, or none.
    unseen: "grow" gives a feature that was not there before a column of its own, whose weights are
        0 at first, so that nothing changes by it; "ignore" keeps those of the first sample. In
        predictions unknown features are ignored. A feature that a sample lacks is at its mean.
    scale: bring each feature, and the target of a regression, to mean 0 and deviation 1, by what
        was seen of it so far.
    """

    def __init__(
        self, *layers: LayerLike, optimizer: Optimizer | None = None, unseen: str = "grow",
        scale: bool = True, seed: int = 0, engine: str | None = None,
    ):  # fmt: skip
        self.layers, self.seed, self.engine = layers, seed, engine
        self.unseen, self.scale = check_choice("unseen", unseen, ("grow", "ignore")), scale
        self.optimizer = Adam(0.003) if optimizer is None else optimizer
        self.learner: Learner | None = None
        self.columns: dict[str, int] = {}
        self._scales: list[Scale] = []
        self._room = 0  # columns of the network: some for features that are still to come
        self.classes: dict[Hashable, int] = {}  # of a classifier, and the network's last label
        self._grown = 1
        self._target = Scale()  # of a regression

    def _learn(self, values: dict[str, float], t: Any, outputs: int, loss: Any) -> float:
        """Learn from a sample that was looked at."""
        if self.learner is None or self.unseen == "grow":
            for name in values:
                if name not in self.columns:
                    self.columns[name] = len(self.columns)
                    self._scales.append(Scale())
        if self.learner is None:
            self.learner = self._make(outputs, loss)
        elif len(self.columns) > self._room:
            self._room = 1 << (len(self.columns) - 1).bit_length()
            self.learner.grow(inputs=self._room)
        for name, value in values.items():
            at = self.columns.get(name)
            if at is not None:
                self._scales[at].see(value)
        return self.learner.update(self._row(values), t)

    def _make(self, outputs: int, loss: Any) -> Learner:
        """The learner, once it is known how many features there are at first."""
        self._room = 1 << max(len(self.columns) - 1, 0).bit_length()
        network = Sequential(*self.layers, Affine(outputs), seed=self.seed)
        network.build(np.zeros((1, self._room), np.float32))
        first: Any = network.layers[0]
        if type(first) is Affine:
            first.W[len(self.columns) :] = 0
        return Learner(network, loss, self.optimizer, engine=self.engine)

    def _row(self, values: Mapping[str, float]) -> Array:
        """The columns of one sample; 0 where it lacks a feature."""
        row = [0.0] * self._room
        for name, value in values.items():
            at = self.columns.get(name)
            if at is not None:
                row[at] = self._scales[at](value) if self.scale else value
        return np.array(row, np.float32)

    def _predict(self, x: Any, name: str) -> Array | None:
        values = _values(x, name)
        return None if self.learner is None else self.learner.predict(self._row(values))

    def metrics(self, *, recent: bool = False) -> dict[str, float]:
        """The mean loss, and of classes the accuracy, of what was said before learning."""
        return {} if self.learner is None else self.learner.metrics(recent=recent)


class DictClassifier(ByName):
    """Learns classes from dicts of features; a class is any hashable value, and new when it comes.

        model = DictClassifier(Affine(32), ReLU())
        model.learn_one({"temperature": 21.5, "rain": True}, "stay in")
        model.predict_proba_one({"temperature": 30.0})

    The options are those of `ByName`. Raises ValueError for features that are no finite numbers.
    """

    def learn_one(self, x: Mapping[str, Any], y: Hashable) -> None:
        """Learn that x is of class y."""
        values = _values(x, "learn_one")
        if y is None or not isinstance(y, Hashable):
            raise ValueError(f"learn_one: y must be a class, such as text or a number, got {y!r}")
        label = self.classes.setdefault(y, len(self.classes))
        if self.learner is not None and label == len(self.classes) - 1 > self._grown:
            self.learner.grow(classes=len(self.classes))
        self._grown = max(1, len(self.classes) - 1)  # the last label that the network has
        self._learn(values, label, self._grown + 1, SoftmaxCrossEntropy)

    def predict_proba_one(self, x: Mapping[str, Any]) -> dict[Hashable, float]:
        """The probability of each class that was seen; {} before any was."""
        scores = self._predict(x, "predict_proba_one")
        if scores is None:
            return {}
        scores = scores[: len(self.classes)].astype(np.float64)
        p = np.exp(scores - scores.max())
        return dict(zip(self.classes, (p / p.sum()).tolist()))

    def predict_one(self, x: Mapping[str, Any]) -> Hashable:
        """The most probable class; None before any was seen."""
        p = self.predict_proba_one(x)
        return max(p, key=lambda label: p[label]) if p else None


class DictRegressor(ByName):
    """Learns numbers from dicts of features.

    The options are those of `ByName`. Raises ValueError for features, or a target, that are no
    finite numbers.
    """

    def learn_one(self, x: Mapping[str, Any], y: float) -> None:
        """Learn that x has the value y."""
        values = _values(x, "learn_one")
        y = _value("the target", y, "learn_one")
        self._target.see(y)
        t = self._target(y) if self.scale else y
        self._learn(values, t, 1, MeanSquaredError)

    def predict_one(self, x: Mapping[str, Any]) -> float:
        """The value of x; 0.0 before anything was learned."""
        y = self._predict(x, "predict_one")
        if y is None:
            return 0.0
        value = float(y[0])
        return self._target.mean + self._target.deviation * value if self.scale else value


def _values(x: Any, name: str) -> dict[str, float]:
    """The features of a dict as numbers; ValueError naming the one that is none."""
    if not isinstance(x, Mapping):
        raise ValueError(f"{name}: a dict of features by name is needed, got {brief(x)}")
    return {
        key: value
        if value.__class__ is float and -math.inf < value < math.inf  # as it usually comes
        else _value(f"feature {key!r}", value, name)
        for key, value in x.items()
    }


def _value(what: str, value: Any, name: str) -> float:
    if isinstance(value, str):
        raise ValueError(
            f"{name}: {what} is the text {brief(value)}, and numbers are needed; a feature for "
            f"each text, such as {{'name={value[:20]}': 1}}, would do"
        )
    if not isinstance(value, NUMBERS) or not math.isfinite(value):
        raise ValueError(
            f"{name}: {what} is {brief(value)}, and finite numbers are needed; leave out what is "
            "missing"
        )
    return float(value)
