"""MultiLayerNet: the first book's fully connected network of any depth."""

import numpy as np

from handgrad.arrays import Array
from handgrad.book.common.gradient import numerical_gradient
from handgrad.book.common.layers import Affine, Relu, Sigmoid, SoftmaxWithLoss


class MultiLayerNet:
    """Affine and activation in turn, and SoftmaxWithLoss at the end, with weight decay.

    weight_init_std: the standard deviation of the weights, or "relu"/"he" for √(2/n),
    "sigmoid"/"xavier" for √(1/n), n being the inputs of a layer.
    `params` has W1, b1, W2 …; loss = cross-entropy + ½ · weight_decay_lambda · Σ W².
    """

    activations = {"relu": Relu, "sigmoid": Sigmoid}
    loss_layer = SoftmaxWithLoss

    def __init__(
        self, input_size: int, hidden_size_list: list[int], output_size: int,
        activation: str = "relu", weight_init_std: str | float = "relu",
        weight_decay_lambda: float = 0,
    ):  # fmt: skip
        self.input_size, self.output_size = input_size, output_size
        self.hidden_size_list, self.hidden_layer_num = hidden_size_list, len(hidden_size_list)
        self.weight_decay_lambda = weight_decay_lambda
        sizes = [input_size, *hidden_size_list, output_size]
        self.params: dict[str, Array] = {}
        for k, (inputs, outputs) in enumerate(zip(sizes, sizes[1:]), 1):
            scale = weight_scale(weight_init_std, inputs)
            self.params[f"W{k}"] = scale * np.random.randn(inputs, outputs)
            self.params[f"b{k}"] = np.zeros(outputs)
        self.layers: dict = {}
        for k in range(1, self.hidden_layer_num + 1):
            self.add_affine(k)
            self.add_hidden(k, activation)
        self.add_affine(self.hidden_layer_num + 1)
        self.last_layer = self.loss_layer()

    def add_affine(self, k: int) -> None:
        """Append the k-th fully connected layer."""
        self.layers[f"Affine{k}"] = Affine(self.params[f"W{k}"], self.params[f"b{k}"])

    def add_hidden(self, k: int, activation: str) -> None:
        """Append what stands behind the k-th fully connected layer."""
        self.layers[f"Activation_function{k}"] = self.activations[activation]()

    def predict(self, x: Array, train_flg: bool = False) -> Array:
        """Scores (N, output_size)."""
        for layer in self.layers.values():
            x = layer.forward(x)
        return x

    def loss(self, x: Array, t: Array, train_flg: bool = False) -> float:
        """The loss of a batch."""
        weights = (self.params[f"W{k}"] for k in range(1, self.hidden_layer_num + 2))
        decay = 0.5 * self.weight_decay_lambda * sum(np.sum(W**2) for W in weights)
        return self.last_layer.forward(self.predict(x, train_flg), t) + decay

    def accuracy(self, x: Array, t: Array) -> float:
        """The share of rows whose highest score is at the right class."""
        labels = t if t.ndim == 1 else np.argmax(t, axis=1)
        return np.sum(np.argmax(self.predict(x, False), axis=1) == labels) / float(len(x))

    def numerical_gradient(self, x: Array, t: Array) -> dict[str, Array]:
        """The gradient of the loss in training by every parameter, by numerical differentiation."""
        return {
            name: numerical_gradient(lambda _: self.loss(x, t, True), value)
            for name, value in self.params.items()
        }

    def gradient(self, x: Array, t: Array) -> dict[str, Array]:
        """The gradient of the loss in training by every parameter, by backpropagation."""
        self.loss(x, t, True)
        dout = self.last_layer.backward(1)
        for layer in reversed(self.layers.values()):
            dout = layer.backward(dout)
        grads = {}
        for k in range(1, self.hidden_layer_num + 2):
            layer = self.layers[f"Affine{k}"]
            grads[f"W{k}"] = layer.dW + self.weight_decay_lambda * self.params[f"W{k}"]
            grads[f"b{k}"] = layer.db
        return grads


def weight_scale(how: str | float, inputs: int) -> float:
    """The standard deviation of initial weights."""
    words = {"relu": 2.0, "he": 2.0, "sigmoid": 1.0, "xavier": 1.0}
    if isinstance(how, str):
        return np.sqrt(words[how.lower()] / inputs)
    return how
