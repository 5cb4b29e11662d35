"""MLPClassifier."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call,
    check_classification_targets,
    type_of_target,
    unique_labels,
)
from sklearn.utils.validation import check_is_fitted

from handgrad.arrays import Array
from handgrad.layers import Loss, SigmoidCrossEntropy, SoftmaxCrossEntropy
from handgrad.layers.activation import sigmoid
from handgrad.sklearn.base import Perceptron
from handgrad.sklearn.data import dense
from handgrad.sklearn.ensemble import mean
from handgrad.sklearn.growth import grow
from handgrad.sklearn.heads import Heads
from handgrad.sklearn.options import CONSTRAINTS
from handgrad.sklearn.training import Goal


class MLPClassifier(ClassifierMixin, Perceptron):
    """scikit-learn's multilayer perceptron for classes, trained by handgrad.

    Every argument and attribute of sklearn.neural_network.MLPClassifier is here and means the same.

    class_weight: {class: weight}, "balanced", or for multi-label targets a list of dicts; it
        multiplies sample_weight. loss: a loss of handgrad; by default cross-entropy.
    hidden_layer_sizes: units of each hidden layer. activation: identity, logistic, tanh, relu, elu,
        gelu, leaky_relu, mish, selu, silu or softplus, or a list with one for each hidden layer.
    solver, alpha, batch_size, learning_rate, power_t, max_iter, shuffle, random_state, tol,
        verbose, warm_start, momentum, nesterovs_momentum, early_stopping, validation_fraction,
        beta_1, beta_2, epsilon, n_iter_no_change, max_fun: as scikit-learn documents them.
    learning_rate_init: a number, as there, or "auto": 0.001, but for fit with solver="adam" a
        recipe from the number of samples (`handgrad.sklearn.recipe`), which also says what
        batch_size="auto" is.
    scale: "robust", columns scaled by `Scaling`, which is folded into coefs_ and intercepts_; None.
    numeric_embedding: bins per number in an encoding by quantiles (`Quantiles`), of which coefs_[0]
        has the inputs; None.
    category_embedding: numbers for each value of a category of a data frame, learned: "auto", 8
        where there are more than 64 values; an integer, for all categories; None, an input each.
    network: a Network, a function (inputs, outputs) -> Network, or FILE.py[:name], instead of
        hidden_layer_sizes, activation, dropout and batch_norm. Then there is network_, not coefs_.
    dropout: the share of units that are dropped. batch_norm: a BatchNorm before each activation.
    optimizer, schedule, callbacks, progress: as in `Trainer`. weight_decay: the decoupled one.
    n_members: networks to train at once and to average. n_jobs: threads; by default one for a
        network, and for several as many as this process may use; "mpi" divides several among the
        processes that mpirun started.
    Attributes beyond scikit-learn's: learning_rate_, scaling_, target_scaling_, columns_ (of a data
    frame with categories), embedding_, embeddings_, network_, members_.
    Raises ValueError for options and data that do not fit, and where training diverges.
    Source: Rumelhart, Hinton, Williams, "Learning representations by back-propagating errors",
    Nature 323, 1986.
    """

    _parameter_constraints: dict[str, Any] = {
        **CONSTRAINTS, "loss": [None, Loss],
        "class_weight": [None, StrOptions({"balanced"}), dict, list],
    }  # fmt: skip
    class_weight: Any

    def __init__(
        self, hidden_layer_sizes=(100,), activation="relu", *, solver="adam", alpha=0.0001,
        batch_size="auto", learning_rate="constant", learning_rate_init="auto", power_t=0.5,
        max_iter=200, shuffle=True, random_state=None, tol=1e-4, verbose=False, warm_start=False,
        momentum=0.9, nesterovs_momentum=True, early_stopping=False, validation_fraction=0.1,
        beta_1=0.9, beta_2=0.999, epsilon=1e-8, n_iter_no_change=10, max_fun=15000,
        class_weight=None, network=None, dropout=0.0, batch_norm=False, loss=None, optimizer=None,
        schedule=None, weight_decay="auto", scale="robust", numeric_embedding=None,
        category_embedding="auto", callbacks=(), n_members=1, n_jobs=None, progress=False,
    ):  # fmt: skip
        self._keep(locals())

    @available_if(lambda self: self._stochastic())
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None
    ) -> MLPClassifier:
        """One epoch over these samples, from where the model stands.

        classes: those that will come, needed in the first call; of several targets a list of such.
        One that comes later without having been named gets an output of its own
        (`handgrad.sklearn.growth`), but not of several targets.
        """
        if isinstance(self.class_weight, str):
            raise ValueError(
                "class_weight: 'balanced' needs the whole of the data, which partial_fit has not; "
                "give a dict, or sample_weight"
            )
        if isinstance(classes, list | tuple) and classes and np.ndim(classes[0]):
            if not hasattr(self, "classes_"):
                self._label_binarizer = Heads(classes)
                self.classes_: Any = self._label_binarizer.classes_
            classes = None
        elif _check_partial_fit_first_call(self, classes):
            several = type_of_target(y).startswith("multilabel")
            self._label_binarizer = LabelBinarizer().fit(y if several else classes)
        return self._partial_fit(X, y, sample_weight, classes=classes)

    def predict(self, X: Any) -> Array:
        """The most probable class (N), of several targets (N, T); for labels 0 and 1 (N, K)."""
        y = self._outputs(X)
        y = y.ravel() if self.n_outputs_ == 1 else y
        found: Array = self._label_binarizer.inverse_transform(y)
        return found

    def predict_proba(self, X: Any) -> Any:
        """Probabilities (N, classes), in the order of classes_; of multi-label targets each own; of
        several targets of classes a list, with those of each."""
        check_is_fitted(self)
        if self._head_sizes:
            return self._label_binarizer.parts(self._outputs(X))
        if "members_" in self.__dict__:
            return mean(self, "predict_proba", X)
        y = self._scores(X)
        if len(self.classes_) == 1:
            return np.ones_like(y)
        pair = np.concatenate([-y, y], axis=1) if self.n_outputs_ == 1 else y
        return self._activated(pair)

    def predict_log_proba(self, X: Any) -> Any:
        """The logarithm of `predict_proba`."""
        p = self.predict_proba(X)
        with np.errstate(divide="ignore"):
            return [np.log(part) for part in p] if self._head_sizes else np.log(p)

    def decision_function(self, X: Any) -> Any:
        """Scores (N, classes), or (N) for two classes: their softmax, or sigmoid, is the proba. Of
        several targets of classes a list."""
        y = self._decisions(X)
        if self._head_sizes:
            return self._label_binarizer.parts(y)
        return y.ravel() if self.n_outputs_ == 1 else y

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy; of several targets, of all of a sample's together, as MultiOutputClassifier."""
        check_is_fitted(self)
        if not self._head_sizes:
            return float(super().score(X, y, sample_weight))
        right = (np.asarray(y) == self.predict(X)).all(axis=1)
        return float(np.average(right, weights=sample_weight))

    # -- targets ------------------------------------------------------------------------------

    def _checked(self, X: Any, y: Any, reset: bool, labels: str) -> tuple[Any, Array]:
        X, y = self._validated(X, reset, y=y, multi_output=True)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        gone = [i for i, label in enumerate(y) if label is None] if y.dtype == object else []
        if gone:
            raise ValueError(f"y: the class of sample {gone[0]} is missing, it is None")
        if labels == "new":
            heads = y.ndim == 2 and type_of_target(y) == "multiclass-multioutput"
            self._label_binarizer = Heads(y.T) if heads else LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        elif not self._head_sizes:
            if labels == "open":
                self._learn_classes(y)
            several = self._multilabel or type_of_target(y).startswith("multilabel")
            before = y.shape[:1] + ((len(self.classes_),) if self._multilabel else ())
            if several and y.shape != before:
                raise ValueError(f"y: shape {before} is needed, as in training, got {y.shape}")
            self._compare_classes(unique_labels(y) if several else np.unique(y), labels)
        if self._multilabel or self._head_sizes:
            return X, dense(self._label_binarizer.transform(y)).astype(np.float64)
        return X, np.searchsorted(self.classes_, y).astype(np.float64)[:, None]

    def _labels(self, incremental: bool) -> str:
        if not hasattr(self, "classes_") or not (self.warm_start or incremental):
            return "new"
        if self.warm_start:
            return "same"
        return "open" if self._begun() else "known"

    def _learn_classes(self, y: Array) -> None:
        """Take in the classes of y that are new."""
        if self._multilabel or type_of_target(y).startswith("multilabel"):
            return
        check_classification_targets(y)
        classes = unique_labels(self.classes_, y)
        if len(classes) > len(self.classes_):
            grow(self, classes)
            self.classes_, self._label_binarizer = classes, LabelBinarizer().fit(classes)
            self.out_activation_, self.n_outputs_ = (
                self._out_activation(),
                self.intercepts_[-1].size,
            )

    def _compare_classes(self, classes: Array, labels: str) -> None:
        if labels == "same" and set(classes) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous "
                f"call to fit. Previously got {self.classes_}, `y` has {classes}"
            )
        if len(np.setdiff1d(classes, self.classes_)):
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. "
                f"'y' has {classes}."
            )

    def _weighed(self, Y: Array, weights: Array | None) -> Array | None:
        if self.class_weight is None:
            return weights
        self._check_class_weight()
        own = np.ones(len(Y)) if weights is None else weights
        if self._head_sizes:
            return self._label_binarizer.weights(Y, own, self.class_weight)
        if self.class_weight == "balanced" and not self._multilabel:
            which = Y[:, 0].astype(np.int64)
            sums = np.bincount(which, own)
            return own * (own.sum() / ((sums > 0).sum() * sums[which]))
        y = Y if self._multilabel else self.classes_[Y[:, 0].astype(np.int64)]
        found: Array = own * compute_sample_weight(self.class_weight, y)
        return found

    def _check_class_weight(self) -> None:
        listed = isinstance(self.class_weight, list)
        if listed and not (self._multilabel or self._head_sizes):
            raise ValueError("class_weight: a list is for several targets, a dict for one")
        given = self.class_weight if listed else [self.class_weight]
        for weights in given:
            for label, weight in weights.items() if isinstance(weights, dict) else ():
                if not (isinstance(weight, Real) and 0 <= float(weight) < np.inf):
                    raise ValueError(
                        f"class_weight: numbers >= 0 are needed, got {weight!r} for {label!r}"
                    )

    @property
    def _multilabel(self) -> bool:
        return bool(self._label_binarizer.y_type_.startswith("multilabel"))

    @property
    def _head_sizes(self) -> Sequence[int]:
        held = self.__dict__.get("_label_binarizer")
        return held.sizes if isinstance(held, Heads) else ()

    def _out_activation(self) -> str:
        several = self._label_binarizer.y_type_.startswith("multiclass")
        return "softmax" if several else "logistic"

    def _strata(self, Y: Array) -> Array | None:
        if self._multilabel or self._head_sizes:
            return None
        if self.out_activation_ == "logistic":
            return Y.astype(bool)
        labels = Y[:, 0].astype(np.int64)
        return None if np.bincount(labels).min() < 2 else labels

    def _width(self, Y: Array) -> int:
        if self._head_sizes:
            return sum(self._head_sizes)
        return Y.shape[1] if self._out_activation() == "logistic" else len(self.classes_)

    # -- the loss, and what the outputs mean --------------------------------------------------

    def _goal(self, Y: Array) -> tuple[Goal, Array]:
        if self._head_sizes:
            targets = float(Y.shape[1])
            return Goal(self.loss or SoftmaxCrossEntropy(), targets, targets), Y.astype(np.int32)
        if self.out_activation_ == "softmax":
            return Goal(self.loss or SoftmaxCrossEntropy()), Y[:, 0].astype(np.int32)
        outputs = float(Y.shape[1])
        return Goal(self.loss or SigmoidCrossEntropy(), outputs, outputs), Y.astype(np.float32)

    def _activated(self, y: Array) -> Array:
        if self.out_activation_ == "logistic":
            return sigmoid(y)
        if self._head_sizes:
            return np.asarray(self._label_binarizer.softmax(y))
        e = np.exp(y - y.max(axis=1, keepdims=True))
        return np.asarray(e / e.sum(axis=1, keepdims=True))

    def _unactivated(self, p: Array) -> Array:
        with np.errstate(divide="ignore"):
            return np.log(p) - (np.log1p(-p) if self.out_activation_ == "logistic" else 0)

    def _score_of(self, y: Array, t: Array, weights: Array | None) -> float:
        labels = t.ndim == y.ndim
        right = (y > 0) == (t > 0.5) if labels else y.argmax(axis=-1) == t
        return float(np.average(right.all(axis=1) if t.ndim == 2 else right, weights=weights))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = tags.target_tags.multi_output = True
        return tags
