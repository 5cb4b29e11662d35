"""MultiLayerNetExtend: MultiLayerNet with batch normalization and dropout."""

from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.book.common.layers import BatchNormalization, Dropout
from handgrad.book.common.multi_layer_net import MultiLayerNet


class MultiLayerNetExtend(MultiLayerNet):
    """Behind each hidden Affine: batch normalization, if wanted, activation, dropout, if wanted."""

    dropout = Dropout
    batch_normalization = BatchNormalization

    def __init__(
        self, input_size: int, hidden_size_list: list[int], output_size: int,
        activation: str = "relu", weight_init_std: str | float = "relu",
        weight_decay_lambda: float = 0, use_dropout: bool = False, dropout_ration: float = 0.5,
        use_batchnorm: bool = False,
    ):  # fmt: skip
        self.use_dropout, self.dropout_ration = use_dropout, dropout_ration
        self.use_batchnorm = use_batchnorm
        super().__init__(
            input_size, hidden_size_list, output_size, activation, weight_init_std,
            weight_decay_lambda,
        )  # fmt: skip

    def add_hidden(self, k: int, activation: str) -> None:
        if self.use_batchnorm:
            size = self.hidden_size_list[k - 1]
            gamma, beta = np.ones(size), np.zeros(size)
            self.params[f"gamma{k}"], self.params[f"beta{k}"] = gamma, beta
            self.layers[f"BatchNorm{k}"] = self.batch_normalization(gamma, beta)
        super().add_hidden(k, activation)
        if self.use_dropout:
            self.layers[f"Dropout{k}"] = self.dropout(self.dropout_ration)

    def predict(self, x: Array, train_flg: bool = False) -> Array:
        for name, layer in self.layers.items():
            moody: Any = ("Dropout", "BatchNorm")
            x = layer.forward(x, train_flg) if name.startswith(moody) else layer.forward(x)
        return x

    def gradient(self, x: Array, t: Array) -> dict[str, Array]:
        grads = super().gradient(x, t)
        for k in range(1, self.hidden_layer_num + 1):
            if self.use_batchnorm:
                layer = self.layers[f"BatchNorm{k}"]
                grads[f"gamma{k}"], grads[f"beta{k}"] = layer.dgamma, layer.dbeta
        return grads
