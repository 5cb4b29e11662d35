"""The options that both estimators have, and what is legal for each."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.utils._param_validation import Interval, Options, StrOptions

from handgrad.network import Network
from handgrad.optim import Optimizer
from handgrad.sklearn.mlp import ACTIVATIONS

CONSTRAINTS: dict[str, Any] = {
    "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
    "activation": [StrOptions(set(ACTIVATIONS)), list, tuple],
    "solver": [StrOptions({"lbfgs", "sgd", "adam"})],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
    "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"})],
    "learning_rate_init": [StrOptions({"auto"}), Interval(Real, 0, None, closed="neither")],
    "power_t": [Interval(Real, 0, None, closed="left")],
    "max_iter": [Interval(Integral, 1, None, closed="left")],
    "shuffle": ["boolean"],
    "random_state": ["random_state"],
    "tol": [Interval(Real, 0, None, closed="left")],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="left")],
    "beta_1": [Interval(Real, 0, 1, closed="left")],
    "beta_2": [Interval(Real, 0, 1, closed="left")],
    "epsilon": [Interval(Real, 0, None, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
    "max_fun": [Interval(Integral, 1, None, closed="left")],
    "network": [None, Network, str, callable],
    "dropout": [Interval(Real, 0, 1, closed="left")],
    "batch_norm": ["boolean"],
    "optimizer": [None, str, Optimizer, type],
    "schedule": [None, callable],
    "weight_decay": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
    "scale": [None, StrOptions({"robust"})],
    "numeric_embedding": [None, Interval(Integral, 2, None, closed="left")],
    "category_embedding": [
        None,
        StrOptions({"auto"}),
        Interval(Integral, 1, None, closed="left"),
    ],
    "callbacks": [list, tuple],
    "n_members": [Interval(Integral, 1, None, closed="left")],
    "n_jobs": [None, Integral, StrOptions({"mpi"})],
    "progress": ["boolean"],
}


class Given:
    """The options as attributes; scikit-learn wants each in the constructor of its class."""

    hidden_layer_sizes: Any
    activation: Any
    solver: str
    alpha: float
    batch_size: Any
    learning_rate: str
    learning_rate_init: Any
    power_t: float
    max_iter: int
    shuffle: bool
    random_state: Any
    tol: float
    verbose: Any
    warm_start: bool
    momentum: float
    nesterovs_momentum: bool
    early_stopping: bool
    validation_fraction: float
    beta_1: float
    beta_2: float
    epsilon: float
    n_iter_no_change: float
    max_fun: int
    network: Any
    dropout: float
    batch_norm: bool
    loss: Any
    optimizer: Any
    schedule: Callable[[int], float] | None
    weight_decay: Any
    scale: str | None
    numeric_embedding: int | None
    category_embedding: Any
    callbacks: Any
    n_members: int
    n_jobs: Any
    progress: bool

    def _keep(self, options: dict[str, Any]) -> None:
        """Take over the arguments of a constructor, its locals, as they are."""
        names = options.keys() - {"self", "__class__"}
        vars(self).update({name: options[name] for name in options if name in names})

    def _sizes(self) -> list[int]:
        """Units of each hidden layer."""
        sizes = self.hidden_layer_sizes
        sizes = list(sizes) if hasattr(sizes, "__iter__") else [sizes]
        if any(size <= 0 for size in sizes):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
        return sizes

    def _activations(self) -> list[str]:
        """The activation of each hidden layer."""
        layers = len(self._sizes())
        if isinstance(self.activation, str):
            return [self.activation] * layers
        if len(self.activation) != layers:
            raise ValueError(
                f"activation: one for each of the {layers} hidden layers is needed, got "
                f"{self.activation!r}"
            )
        return list(self.activation)
