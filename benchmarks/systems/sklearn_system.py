"""scikit-learn's multi-layer perceptron, one `partial_fit` a step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.neural_network import MLPClassifier

from benchmarks.workloads import Affine, Workload


class System:
    """The classifier, without its L2 term and its momentum."""

    def __init__(self, workload: Workload):
        self.x, self.t = workload.data
        hidden = tuple(k.outputs for k in workload.layers if isinstance(k, Affine))[:-1]
        self.model = model = MLPClassifier(
            hidden, solver=workload.optimizer, learning_rate_init=workload.lr, alpha=0,
            batch_size=workload.batch, momentum=0, nesterovs_momentum=False, random_state=0,
        )  # fmt: skip
        batch = slice(workload.batch)
        classes = np.arange(workload.classes)
        model.partial_fit(self.x[batch], self.t[batch], classes=classes)
        arrays = workload.weights()
        model.coefs_, model.intercepts_ = arrays[::2], arrays[1::2]
        del model._optimizer  # it holds the weights drawn at first; a new one takes these

    def turn(self, rows: np.ndarray) -> Callable[[], float]:
        def run() -> float:
            for batch in rows:
                self.model.partial_fit(self.x[batch], self.t[batch])
            return float(self.model.loss_)

        return run
