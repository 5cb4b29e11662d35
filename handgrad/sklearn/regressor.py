"""MLPRegressor."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if

from handgrad.arrays import Array
from handgrad.layers import Huber, Loss, MeanAbsoluteError, MeanSquaredError
from handgrad.sklearn.base import Perceptron
from handgrad.sklearn.deviance import PoissonDeviance
from handgrad.sklearn.options import CONSTRAINTS
from handgrad.sklearn.scaling import Scaling
from handgrad.sklearn.training import Goal

LOSSES: dict[str, Any] = {
    "squared_error": MeanSquaredError, "poisson": PoissonDeviance,
    "absolute_error": MeanAbsoluteError, "huber": Huber,
}  # fmt: skip


class MLPRegressor(RegressorMixin, Perceptron):
    """scikit-learn's multilayer perceptron for numbers, trained by handgrad.

    Every argument and attribute of sklearn.neural_network.MLPRegressor is here and means the same.
    Targets are scaled inside too, so loss_curve_ counts each of several targets alike.

    loss: squared_error, poisson, absolute_error, huber (with the kink at one deviation of the
        targets), or a loss of handgrad.
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
        **CONSTRAINTS, "loss": [StrOptions(set(LOSSES)), Loss]
    }  # fmt: skip

    def __init__(
        self, loss="squared_error", hidden_layer_sizes=(100,), activation="relu", *, solver="adam",
        alpha=0.0001, batch_size="auto", learning_rate="constant", learning_rate_init="auto",
        power_t=0.5, max_iter=200, shuffle=True, random_state=None, tol=1e-4, verbose=False,
        warm_start=False, momentum=0.9, nesterovs_momentum=True, early_stopping=False,
        validation_fraction=0.1, beta_1=0.9, beta_2=0.999, epsilon=1e-8, n_iter_no_change=10,
        max_fun=15000, network=None, dropout=0.0, batch_norm=False, optimizer=None, schedule=None,
        weight_decay="auto", scale="robust", numeric_embedding=None,
        category_embedding="auto", callbacks=(), n_members=1, n_jobs=None, progress=False,
    ):  # fmt: skip
        self._keep(locals())

    @available_if(lambda self: self._stochastic())
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """One epoch over these samples, from where the model stands."""
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X: Any) -> Array:
        """Values (N), or (N, K) for several targets."""
        y = self._outputs(X)
        return y.ravel() if y.shape[1] == 1 else y

    # -- targets ------------------------------------------------------------------------------

    def _checked(self, X: Any, y: Any, reset: bool, labels: str) -> tuple[Any, Array]:
        X, y = self._validated(X, reset, y=y, multi_output=True, y_numeric=True)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if self.loss == "poisson" and (y < 0).any():
            raise ValueError(f"loss='poisson': targets >= 0 are needed, got {y.min()}")
        return X, y.reshape(len(y), -1).astype(np.float64)

    def _target_scaling(self, Y: Array, weights: Array | None) -> Scaling:
        far = np.full(Y.shape[1], np.inf)  # no target is an error for the squared one to overlook
        found = Scaling.of(Y, weights)._replace(low=-far, high=far)
        if self.loss != "poisson":
            return found
        mean = np.average(Y, axis=0, weights=weights)
        return found._replace(center=np.zeros_like(mean), width=np.where(mean > 0, mean, 1.0))

    def _out_activation(self) -> str:
        return "exp" if self.loss == "poisson" else "identity"

    # -- the loss, and what the outputs mean --------------------------------------------------

    def _goal(self, Y: Array) -> tuple[Goal, Array]:
        t, scale = self.target_scaling_(Y), self.target_scaling_.width
        if self.loss == "poisson":
            return Goal(PoissonDeviance(), float(len(scale)), float(scale.mean()), True), t
        if self.loss == "squared_error":
            return Goal(MeanSquaredError(), len(scale) / 2, float((scale**2).mean()) / 2), t
        loss = LOSSES[self.loss]() if isinstance(self.loss, str) else self.loss
        return Goal(loss, float(len(scale)), float(scale.mean())), t

    def _activated(self, y: Array) -> Array:
        return np.exp(y) if self._log else y

    def _unactivated(self, p: Array) -> Array:
        return np.log(p) if self._log else p

    def _score_of(self, y: Array, t: Array, weights: Array | None) -> float:
        y = self._activated(y)
        t = t.astype(np.float64)
        residual = np.average((y - t) ** 2, axis=0, weights=weights)
        total = np.average((t - np.average(t, axis=0, weights=weights)) ** 2, axis=0,
                           weights=weights)  # fmt: skip
        share = np.divide(residual, total, out=(residual > 0) * 1.0, where=total > 0)
        return float((1 - share).mean())
