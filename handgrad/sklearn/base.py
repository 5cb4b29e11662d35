"""What both estimators share: data, scaling, the fit itself, and the model on raw inputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import (
    _check_feature_names,
    _check_n_features,
    check_array,
    check_is_fitted,
    check_X_y,
    validate_data,
)

from handgrad.arrays import Array
from handgrad.sklearn.data import (
    Rows,
    checked_weights,
    dense,
    is_sparse,
    merged,
    parts,
    scaling_of,
    small,
    too_large,
)
from handgrad.sklearn.embedded import begin, codes, embedded, first_layer, folded, width
from handgrad.sklearn.ensemble import make_members, mean, teach
from handgrad.sklearn.frames import Columns, check_frame, needs_columns
from handgrad.sklearn.mlp import (
    initial,
    network_of,
    raw_weights,
    scaled_weights,
    scores,
    sparse_scores,
)
from handgrad.sklearn.monitor import arrays_of, streams_of
from handgrad.sklearn.options import Given
from handgrad.sklearn.own import own_network
from handgrad.sklearn.quantiles import Quantiles
from handgrad.sklearn.scaling import Scaling
from handgrad.sklearn.training import Goal, Samples, descend, minimize, moments_of
from handgrad.train.heads import beside

_LEARNED = ("coefs_", "intercepts_", "_moments", "_stream", "_seed", "_network", "_arrays",
            "embeddings_")  # fmt: skip
_FEW = 20  # samples of a first partial_fit that are too few to measure columns by


class Perceptron(Given, BaseEstimator, ABC):
    """Base of MLPClassifier and MLPRegressor.

    The network works on scaled inputs, and for a regression on scaled targets; coefs_ and
    intercepts_ have the scaling in them, and are the model: predictions are computed from them, and
    what is put there is predicted with, and learned on from.
    """

    @property
    def _head_sizes(self) -> Sequence[int]:
        """Of several targets of classes, how many each has."""
        return ()

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Any:  # fmt: skip
        """Learn from samples X (N, D) and targets y (N) or (N, K).

        sample_weight: (N); a weight of 2 counts as the sample twice. X_val, y_val and
        sample_weight_val: data on which `validation_scores_` are measured, instead of a part of X;
        training stops as with early_stopping.
        """
        if self.n_members > 1:
            if not (self.warm_start and hasattr(self, "members_")):
                self.members_ = make_members(self)
            teach(
                self, "fit", X, y, sample_weight, X_val=X_val, y_val=y_val,
                sample_weight_val=sample_weight_val,
            )  # fmt: skip
            return self
        self.__dict__.pop("members_", None)
        held = None if X_val is None else (X_val, y_val, sample_weight_val)
        return self._fit(X, y, sample_weight, held=held)

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, **options: Any) -> Any:
        if self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        if self.n_members > 1:
            if not hasattr(self, "members_"):
                self.members_ = make_members(self)
            teach(self, "partial_fit", X, y, sample_weight, **options)
            return self
        return self._fit(X, y, sample_weight, incremental=True)

    def _stochastic(self) -> bool:
        if self.solver == "lbfgs":
            raise AttributeError(
                "partial_fit is only available for stochastic optimizers. lbfgs is not stochastic."
            )
        return True

    # -- what the two classes say -------------------------------------------------------------

    @abstractmethod
    def _checked(self, X: Any, y: Any, reset: bool, labels: str) -> tuple[Any, Array]:
        """X, checked, and y as numbers (N, K). labels: "new", the "same" as before,
        "known", or "open" to more."""

    def _labels(self, incremental: bool) -> str:
        return "new"

    @abstractmethod
    def _goal(self, Y: Array) -> tuple[Goal, Array]:
        """The loss, and the targets as it takes them."""

    @abstractmethod
    def _score_of(self, y: Array, t: Array, weights: Array | None) -> float:
        """Accuracy, or R², of a network's outputs."""

    @abstractmethod
    def _out_activation(self) -> str:
        """What out_activation_ says."""

    @abstractmethod
    def _activated(self, y: Array) -> Array:
        """Predictions, for outputs of the last layer."""

    @abstractmethod
    def _unactivated(self, p: Array) -> Array:
        """The reverse."""

    def _target_scaling(self, Y: Array, weights: Array | None) -> Scaling:
        return Scaling.none(self.n_outputs_)

    def _weighed(self, Y: Array, weights: Array | None) -> Array | None:
        """The weights of the samples times those of their classes."""
        return weights

    # -- the fit ------------------------------------------------------------------------------

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, *, incremental: bool = False, held: Any = None
    ) -> Any:
        first = not self._begun() or (not self.warm_start and not incremental)
        sizes = self._sizes()
        X, Y = self._checked(X, y, first, self._labels(incremental))
        weights = self._weighed(Y, checked_weights(sample_weight, X))
        if weights is not None and not weights.any():
            raise ValueError("class_weight, sample_weight: no sample has a weight above 0")
        self._dtype, X, self.n_outputs_ = X.dtype, small(X), self._width(Y)
        if is_sparse(X) and (self.numeric_embedding or self.solver == "lbfgs"):
            raise ValueError(
                too_large(X, "numeric_embedding" if self.numeric_embedding else "lbfgs")
            )
        if self.shuffle:
            X, Y, weights = merged(X, Y, weights, not incremental)
        if first:
            bins = self.numeric_embedding
            self.embedding_ = None if bins is None else Quantiles(X, weights, bins)
        X = self._embedded(X)
        self._random_state = check_random_state(self.random_state)
        if first:
            self._initialize(X, Y, weights, sizes, incremental, held is not None)
        self._complete(X, Y)
        goal, t = self._goal(Y)
        data, kept = Samples(self._scaled(X), t, weights), None
        if held is not None:
            kept = self._held(*held)
        elif self.early_stopping and self.solver != "lbfgs":
            data, kept = self._split(data, Y)
        network = self._network_now()
        if self.solver == "lbfgs" and self.optimizer is None:
            double = network.astype(np.float64)
            minimize(self, double, goal, data._replace(x=data.x[:].astype(np.float64)))
            network.parameters[...] = double.parameters
            self._show(double, goal)
        else:
            descend(self, network, goal, data, kept, incremental, self._strata(Y))
            self._show(network, goal)
        return self

    def _begun(self) -> bool:
        return hasattr(self, "coefs_") or hasattr(self, "network_")

    def _initialize(
        self, X: Array, Y: Array, weights: Array | None, sizes: list[int], incremental: bool,
        watched: bool,
    ) -> None:  # fmt: skip
        """Counters, scaling and initial weights, as before the first epoch."""
        for name in _LEARNED:
            self.__dict__.pop(name, None)
        self.n_iter_, self.t_, self._epochs, self._no_improvement_count = 0, 0, 0, 0
        unknown = self.scale is None or len(Y) < (_FEW if incremental else 2)
        plain = unknown or self.embedding_ is not None
        self.scaling_ = Scaling.none(X.shape[1]) if plain else scaling_of(X, weights, codes(self))
        self.target_scaling_ = (
            Scaling.none(self.n_outputs_) if unknown else self._target_scaling(Y, weights)
        )
        if self.solver != "lbfgs":
            watched = watched or self.early_stopping
            self.loss_curve_: list[float] = []
            self.validation_scores_: list[float] | None = [] if watched else None
            self.best_validation_score_ = -np.inf if watched else None
            self.best_loss_ = None if watched else np.inf
        self.out_activation_ = self._out_activation()
        units = [width(self, X.shape[1]), *sizes, self.n_outputs_]
        if self.network is not None:
            begin(self)
            self.network_ = own_network(
                self.network, units[0], units[-1], self._random_state, first_layer(self),
                self._head_sizes,
            )  # fmt: skip
            return
        self.n_layers_ = len(units)
        drawn = initial(units, self._activations(), self._random_state)
        begin(self)
        self._network = self._made(drawn)

    def _complete(self, X: Array, Y: Array) -> None:
        """What a model that was put together by hand may lack."""
        lacking = {
            "scaling_": Scaling.none(X.shape[1]), "_epochs": 0,
            "target_scaling_": Scaling.none(self.n_outputs_),
            "_seed": int(self._random_state.randint(2**31)),
        }  # fmt: skip
        self.__dict__ = {**lacking, **self.__dict__}

    def _made(self, weights: Any) -> Any:
        return network_of(
            weights, self._activations(), dropout=self.dropout, batch_norm=self.batch_norm,
            seed=self.__dict__.get("_seed", 0), first=first_layer(self), heads=self._head_sizes,
        )  # fmt: skip

    @property
    def _log(self) -> bool:
        return bool(self.out_activation_ == "exp")

    def _network_now(self) -> Any:
        """The network, with what coefs_ and intercepts_ say."""
        if self.network is not None:
            return self.network_
        network, scaling = self.__dict__.get("_network"), (folded(self), self.target_scaling_)
        if network is None:
            network = self._made(
                scaled_weights((self.coefs_, self.intercepts_), *scaling, self._log)
            )
            for array, kept in zip(arrays_of(network), self.__dict__.pop("_arrays", ())):
                array[...] = kept
            for stream, numbers in zip(streams_of(network), self.__dict__.pop("_streams", ())):
                stream.seed, stream.layer, stream.step = numbers
            self._network = network
        elif "coefs_" in self.__dict__ and not self._in_step(network):
            fresh = self._made(scaled_weights((self.coefs_, self.intercepts_), *scaling, self._log))
            for array, other in zip(arrays_of(network), arrays_of(fresh)):
                array[...] = other
        return network

    def _in_step(self, network: Any) -> bool:
        """Whether coefs_ and intercepts_ are still what was shown of the network."""
        shown = raw_weights(network, folded(self), self.target_scaling_, self._log)
        return all(
            np.array_equal(a.astype(self._dtype), b)
            for ours, theirs in zip(shown, (self.coefs_, self.intercepts_))
            for a, b in zip(ours, theirs)
        )

    def _show(self, network: Any, goal: Goal) -> None:
        """coefs_ and intercepts_ of the network, for raw inputs and targets."""
        if self.network is None:
            shown = raw_weights(network, folded(self), self.target_scaling_, goal.log)
            if "embeddings_" in vars(self):
                self.embeddings_ = network.members[0].W.astype(self._dtype)
            self.coefs_, self.intercepts_ = ([a.astype(self._dtype) for a in s] for s in shown)
            finite = all(np.isfinite(a).all() for a in (*self.coefs_, *self.intercepts_))
        else:
            finite = bool(np.isfinite(network.parameters).all())
        if not finite:
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large "
                "values and need to be preprocessed."
            )

    def _held(self, X: Any, y: Any, sample_weight: Any) -> Samples:
        """Validation data that were given."""
        X, Y = self._checked(X, y, False, "known")
        return Samples(
            self._scaled(self._embedded(small(X))),
            self._goal(Y)[1],
            checked_weights(sample_weight, X),
        )

    def _split(self, data: Samples, Y: Array) -> tuple[Samples, Samples]:
        """A part to learn from, and one to measure scores on."""
        train, held = train_test_split(
            np.arange(len(Y)), random_state=self._random_state, stratify=self._strata(Y),
            test_size=self.validation_fraction,
        )  # fmt: skip
        if len(held) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of "
                "your dataset."
            )
        return data.take(train), data.take(held)

    def _strata(self, Y: Array) -> Array | None:
        """By what a part is to be set aside in proportion."""
        return None

    def _width(self, Y: Array) -> int:
        """Outputs of the network."""
        return int(Y.shape[1])

    # -- the model on raw inputs --------------------------------------------------------------

    def _validated(self, X: Any, reset: bool, **targets: Any) -> Any:
        """X, and y where it is given, as scikit-learn checks them; a frame's cells as numbers."""
        rules = {"accept_sparse": ["csr", "csc"], "dtype": (np.float64, np.float32)}
        if reset:
            embed = None if self.numeric_embedding else self.category_embedding
            self.columns_ = Columns(X, embed) if needs_columns(X) else None
        columns: Columns | None = self.__dict__.get("columns_")
        if columns is None:
            return validate_data(self, X, reset=reset, **rules, **targets)
        check_frame(X, columns.names)
        _check_feature_names(self, X, reset=reset)
        _check_n_features(self, X, reset=reset)
        numbers = columns(X)
        return check_X_y(numbers, **rules, **targets) if targets else check_array(numbers, **rules)

    def _embedded(self, X: Any) -> Any:
        """X, its numbers as several inputs each where that was asked for."""
        embedding: Quantiles | None = self.__dict__.get("embedding_")
        return X if embedding is None else embedding(dense(X))

    def _scaled(self, X: Any) -> Any:
        """X as the network takes it, in float32; a sparse matrix batch by batch."""
        return Rows(X, self.scaling_) if is_sparse(X) else self.scaling_(X)

    def _scores(self, X: Any) -> Array:
        """The outputs before the last activation, in the dtype of X."""
        X = self._validated(X, False)
        if is_sparse(X) and self.network is None and self.__dict__.get("embedding_") is None:
            inputs = self.__dict__.get("scaling_")
            return sparse_scores(X, inputs, (self.coefs_, self.intercepts_), self._activations())
        return np.concatenate([self._scored(part) for part in parts(X)])

    def _scored(self, X: Array) -> Array:
        X = self._embedded(X)
        if self.network is not None:
            y = beside(self.network_.predict(self.scaling_(X)), self._head_sizes).astype(X.dtype)
            if self._log:
                return y + np.log(self.target_scaling_.width).astype(X.dtype)
            scaled = y * self.target_scaling_.width + self.target_scaling_.center
            return scaled.astype(X.dtype)
        X = self.scaling_.clip(X) if "scaling_" in self.__dict__ else X
        return scores(embedded(self, X), (self.coefs_, self.intercepts_), self._activations())

    def _outputs(self, X: Any) -> Array:
        check_is_fitted(self)
        if "members_" in self.__dict__:
            return mean(self, "_outputs", X)
        return self._activated(self._scores(X))

    def _decisions(self, X: Any) -> Array:
        check_is_fitted(self)
        if "members_" in self.__dict__:
            return self._unactivated(self._outputs(X))
        return self._scores(X)

    def __sklearn_is_fitted__(self) -> bool:
        return self._begun()

    def __getstate__(self) -> dict[str, Any]:
        """Plain arrays and numbers; a network that was given stays the object that it is."""
        state: dict[str, Any] = dict(super().__getstate__())
        network = state.pop("_network", None)
        if network is not None:
            state["_arrays"] = [a.copy() for a in arrays_of(network)]
            state["_streams"] = [(s.seed, s.layer, s.step) for s in streams_of(network)]
        stream = state.pop("_stream", None)
        if stream is not None:
            state["_moments"] = moments_of(stream[1][0])
        return state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
