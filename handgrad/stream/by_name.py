"""Learners of dicts: features by their names, classes as they come, one sample at a time.

`learn_one(x, y)`, `predict_one(x)` and `predict_proba_one(x)` are called as the models of the
library River are; it is not needed.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from handgrad.arrays import Array
from handgrad.layers import Affine, MeanSquaredError, SoftmaxCrossEntropy
from handgrad.network import Sequential
from handgrad.optim import Adam, Optimizer
from handgrad.protocols import LayerLike
from handgrad.stream.learner import Learner
from handgrad.train import schema
from handgrad.train.checkpoint import load_checkpoint
from handgrad.train.checks import check_choice
from handgrad.train.schema import brief

NUMBERS = (bool, int, float, np.integer, np.floating, np.bool_)
KNOWN: schema.Check = schema.record(
    {"columns": schema.list_of(schema.text), "scale": schema.kind("a truth value", bool),
     "classes": schema.list_of(schema.kind("text or a number", str, int, float, bool)),
     "scales": schema.list_of(schema.list_of(schema.number, 3)), "kind": schema.text,
     "unseen": schema.one_of("grow", "ignore")}
)  # fmt: skip


class Scale:
    """The mean and the deviation of numbers as they come.

    Source: Welford, "Note on a method for calculating corrected sums of squares and products",
    1962.
    """

    def __init__(self, count: int = 0, mean: float = 0.0, squares: float = 0.0):
        self.count, self.mean, self.squares = count, mean, squares
        # 1 also while all numbers are equal.
        self.deviation = math.sqrt(squares / count) if squares > 0 else 1.0

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
    Calls from several threads wait for each other.
    """

    loss: Any = None  # the class

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
        self._lock = threading.RLock()

    def _learn(self, values: dict[str, float], t: Any, outputs: int) -> float:
        """Learn from a sample that was looked at."""
        if self.learner is None or self.unseen == "grow":
            for name in values:
                if name not in self.columns:
                    self.columns[name] = len(self.columns)
                    self._scales.append(Scale())
        if self.learner is None:
            self.learner = self._make(outputs)
        elif len(self.columns) > self._room:
            self._room = 1 << (len(self.columns) - 1).bit_length()
            self.learner.grow(inputs=self._room)
        for name, value in values.items():
            at = self.columns.get(name)
            if at is not None:
                self._scales[at].see(value)
        return self.learner.update(self._row(values), t)

    def _make(self, outputs: int) -> Learner:
        """The learner, once it is known how many features there are at first."""
        self._room = 1 << max(len(self.columns) - 1, 0).bit_length()
        network = Sequential(*self.layers, Affine(outputs), seed=self.seed)
        network.build(np.zeros((1, self._room), np.float32))
        first: Any = network.layers[0]
        if type(first) is Affine:
            first.W[len(self.columns) :] = 0
        return Learner(network, self.loss, self.optimizer, engine=self.engine)

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

    def save(self, path: str | Path) -> Path:
        """Write all of it as one model file. Raises ValueError before anything was learned, and
        for names that are no text, or classes that are neither text nor numbers."""
        with self._lock:
            if self.learner is None:
                raise ValueError("save: nothing was learned yet")
            scales = [[s.count, s.mean, s.squares] for s in (*self._scales, self._target)]
            known = {"columns": list(self.columns), "classes": list(self.classes),
                     "scales": scales, "unseen": self.unseen, "scale": self.scale,
                     "kind": type(self).__name__}  # fmt: skip
            KNOWN(known, "save")
            return self.learner.save(path, info={"by_name": known})

    @classmethod
    def load(
        cls, path: str | Path, *, optimizer: Optimizer | None = None, engine: str | None = None,
        classes: Iterable[type] = (),
    ) -> Self:  # fmt: skip
        """What `save` wrote, to go on to the same bits; the optimizer is one of the same kind.

        classes: your own layer classes, as in `handgrad.load`.
        """
        saved = load_checkpoint(path, classes=classes).info.get("by_name")
        if not isinstance(saved, dict) or saved.get("kind") != cls.__name__:
            raise ValueError(f"{path}: the file holds no {cls.__name__}")
        KNOWN(saved, f"{path}: by_name")
        model = cls(optimizer=optimizer, unseen=saved["unseen"], scale=saved["scale"])
        model.learner = Learner.load(path, cls.loss, model.optimizer, classes=classes,
                                     engine=engine)  # fmt: skip
        network = model.learner.network
        model.columns = {name: i for i, name in enumerate(saved["columns"])}
        model.classes = {label: i for i, label in enumerate(saved["classes"])}
        *model._scales, model._target = (Scale(*numbers) for numbers in saved["scales"])
        model._room, outputs = len(network.layers[0].W), len(network.layers[-1].b)
        model._grown = max(1, len(model.classes) - 1)
        fits = len(model._scales) == len(model.columns) <= model._room
        if not fits or len(model.classes) > outputs:
            raise ValueError(f"{path}: its names do not fit its network")
        return model


class DictClassifier(ByName):
    """Learns classes from dicts of features; a class is any hashable value, and new when it comes.

        model = DictClassifier(Affine(32), ReLU())
        model.learn_one({"temperature": 21.5, "rain": True}, "stay in")
        model.predict_proba_one({"temperature": 30.0})

    The options are those of `ByName`. Raises ValueError for features that are no finite numbers.
    """

    loss = SoftmaxCrossEntropy

    def learn_one(self, x: Mapping[str, Any], y: Hashable) -> None:
        """Learn that x is of class y."""
        values = _values(x, "learn_one")
        if y is None or not isinstance(y, Hashable):
            raise ValueError(f"learn_one: y must be a class, such as text or a number, got {y!r}")
        with self._lock:
            label = self.classes.setdefault(y, len(self.classes))
            if self.learner is not None and label > self._grown:
                self.learner.grow(classes=len(self.classes))
            self._grown = max(self._grown, label)
            self._learn(values, label, self._grown + 1)

    def predict_proba_one(self, x: Mapping[str, Any]) -> dict[Hashable, float]:
        """The probability of each class that was seen; {} before any was."""
        with self._lock:
            scores, classes = self._predict(x, "predict_proba_one"), list(self.classes)
        if scores is None:
            return {}
        scores = scores[: len(classes)].astype(np.float64)
        p = np.exp(scores - scores.max())
        return dict(zip(classes, (p / p.sum()).tolist()))

    def predict_one(self, x: Mapping[str, Any]) -> Hashable:
        """The most probable class; None before any was seen."""
        p = self.predict_proba_one(x)
        return max(p, key=lambda label: p[label]) if p else None


class DictRegressor(ByName):
    """Learns numbers from dicts of features.

    The options are those of `ByName`. Raises ValueError for features, or a target, that are no
    finite numbers.
    """

    loss = MeanSquaredError

    def learn_one(self, x: Mapping[str, Any], y: float) -> None:
        """Learn that x has the value y."""
        values = _values(x, "learn_one")
        y = _value("the target", y, "learn_one")
        with self._lock:
            self._target.see(y)
            self._learn(values, self._target(y) if self.scale else y, 1)

    def predict_one(self, x: Mapping[str, Any]) -> float:
        """The value of x; 0.0 before anything was learned."""
        with self._lock:
            y = self._predict(x, "predict_one")
            if y is None:
                return 0.0
            value, target = float(y[0]), self._target
            return target.mean + target.deviation * value if self.scale else value


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
