"""The books' training loops: the first book's Trainer, the second's ModelTrainer, RnnlmTrainer.

The second book's scripts find ModelTrainer under the name Trainer.
"""

import time
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.book.common.optimizer import SGD, AdaGrad, Adam, Momentum, Nesterov, RMSprop
from handgrad.book.common.util import clip_grads


class Trainer:
    """Trains a network with `gradient`, `loss`, `accuracy` and a dict `params`."""

    optimizers = {
        "sgd": SGD, "momentum": Momentum, "nesterov": Nesterov, "adagrad": AdaGrad,
        "rmsprop": RMSprop, "adam": Adam,
    }  # fmt: skip

    def __init__(
        self, network: Any, x_train: Array, t_train: Array, x_test: Array, t_test: Array,
        epochs: int = 20, mini_batch_size: int = 100, optimizer: str = "SGD",
        optimizer_param: dict | None = None, evaluate_sample_num_per_epoch: int | None = None,
        verbose: bool = True,
    ):  # fmt: skip
        self.network, self.verbose = network, verbose
        self.x_train, self.t_train, self.x_test, self.t_test = x_train, t_train, x_test, t_test
        self.epochs, self.batch_size = epochs, mini_batch_size
        self.evaluate_sample_num_per_epoch = evaluate_sample_num_per_epoch
        self.optimizer = self.optimizers[optimizer.lower()](**(optimizer_param or {"lr": 0.01}))
        self.train_size = len(x_train)
        self.iter_per_epoch = max(self.train_size / mini_batch_size, 1)
        self.max_iter = int(epochs * self.iter_per_epoch)
        self.current_iter, self.current_epoch = 0, 0
        self.train_loss_list: list[float] = []
        self.train_acc_list: list[float] = []
        self.test_acc_list: list[float] = []

    def train_step(self) -> None:
        """One batch, drawn with replacement; at the start of an epoch also the accuracies."""
        chosen = np.random.choice(self.train_size, self.batch_size)
        x, t = self.x_train[chosen], self.t_train[chosen]
        self.optimizer.update(self.network.params, self.network.gradient(x, t))
        loss = self.network.loss(x, t)
        self.train_loss_list.append(loss)
        self.say(f"train loss:{loss}")
        if self.current_iter % self.iter_per_epoch == 0:
            self.current_epoch += 1
            self.evaluate()
        self.current_iter += 1

    def evaluate(self) -> None:
        """Write down the accuracies on both sets, or on the first samples of them."""
        n = self.evaluate_sample_num_per_epoch
        train = self.network.accuracy(self.x_train[:n], self.t_train[:n])
        test = self.network.accuracy(self.x_test[:n], self.t_test[:n])
        self.train_acc_list.append(train)
        self.test_acc_list.append(test)
        self.say(f"=== epoch:{self.current_epoch}, train acc:{train}, test acc:{test} ===")

    def train(self) -> None:
        """All epochs, and the accuracy on the whole test set."""
        for _ in range(self.max_iter):
            self.train_step()
        accuracy = self.network.accuracy(self.x_test, self.t_test)
        self.say(f"=============== Final Test Accuracy ===============\ntest acc:{accuracy}")

    def say(self, line: str) -> None:
        """Print, if `verbose`."""
        if self.verbose:
            print(line)


class ModelLoop:
    """Base of the second book's trainers: update a model, report the mean loss in between."""

    measure = "loss"

    def __init__(self, model: Any, optimizer: Any):
        self.model, self.optimizer = model, optimizer
        self.eval_interval: int | None = None
        self.current_epoch = 0
        self.reported: list[float] = []
        self.total_loss, self.loss_count = 0.0, 0
        self.start_time = 0.0

    def begin(self, eval_interval: int | None) -> None:
        """Start the clock and the sums of a call of fit."""
        self.eval_interval, self.start_time = eval_interval, time.time()
        self.total_loss, self.loss_count = 0.0, 0

    def learn(self, x: Array, t: Array, max_grad: float | None) -> None:
        """One update; weights that are shared are updated once, by the sum of their gradients."""
        self.total_loss += self.model.forward(x, t)
        self.loss_count += 1
        self.model.backward()
        params, grads = self.remove_duplicate(self.model.params, self.model.grads)
        if max_grad is not None:
            clip_grads(grads, max_grad)
        self.optimizer.update(params, grads)

    def report(self, iters: int, max_iters: int) -> None:
        """Print and keep the mean since the last report, every `eval_interval` updates."""
        if self.eval_interval is None or iters % self.eval_interval:
            return
        mean = self.summary(self.total_loss / self.loss_count)
        print(
            f"| epoch {self.current_epoch + 1} |  iter {iters + 1} / {max_iters} | time "
            f"{int(time.time() - self.start_time)}[s] | {self.measure} {mean:.2f}"
        )
        self.reported.append(float(mean))
        self.total_loss, self.loss_count = 0.0, 0

    def summary(self, loss: float) -> float:
        """What is reported for a mean loss."""
        return loss

    def plot(self, ylim: tuple[float, float] | None = None) -> None:
        """Draw what was reported."""
        from matplotlib import pyplot as plt

        if ylim is not None:
            plt.ylim(*ylim)
        plt.plot(np.arange(len(self.reported)), self.reported, label="train")
        plt.xlabel(f"iterations (x{self.eval_interval})")
        plt.ylabel(self.measure)
        plt.show()

    @staticmethod
    def remove_duplicate(params: list[Array], grads: list[Array]) -> tuple[list, list]:
        """As the function of this name."""
        return remove_duplicate(params, grads)


class ModelTrainer(ModelLoop):
    """Trains a model with `forward(x, t)`, `backward()` and lists `params` and `grads`."""

    @property
    def loss_list(self) -> list[float]:
        """The reported mean losses."""
        return self.reported

    def fit(
        self, x: Array, t: Array, max_epoch: int = 10, batch_size: int = 32,
        max_grad: float | None = None, eval_interval: int | None = 20,
    ) -> None:  # fmt: skip
        """All epochs, the samples in a new random order in each; what is left of a batch waits."""
        max_iters = len(x) // batch_size
        self.begin(eval_interval)
        for _ in range(max_epoch):
            order = np.random.permutation(np.arange(len(x)))
            x, t = x[order], t[order]
            for iters in range(max_iters):
                batch = slice(iters * batch_size, (iters + 1) * batch_size)
                self.learn(x[batch], t[batch], max_grad)
                self.report(iters, max_iters)
            self.current_epoch += 1


class RnnlmTrainer(ModelLoop):
    """Trains a language model by truncated backpropagation through time."""

    measure = "perplexity"
    time_idx = 0

    @property
    def ppl_list(self) -> list[float]:
        """The reported perplexities."""
        return self.reported

    def summary(self, loss: float) -> float:
        return np.exp(loss)

    def get_batch(self, x: Array, t: Array, batch_size: int, time_size: int) -> tuple[Array, Array]:
        """The next block (batch_size, time_size): row n reads from the n-th part of the text on."""
        starts = len(x) // batch_size * np.arange(batch_size)[:, None]
        rows = (starts + self.time_idx + np.arange(time_size)) % len(x)
        self.time_idx += time_size
        return x[rows].astype(np.int32), t[rows].astype(np.int32)

    def fit(
        self, xs: Array, ts: Array, max_epoch: int = 10, batch_size: int = 20,
        time_size: int = 35, max_grad: float | None = None, eval_interval: int | None = 20,
    ) -> None:  # fmt: skip
        """All epochs, block after block through the text."""
        max_iters = len(xs) // (batch_size * time_size)
        self.begin(eval_interval)
        self.time_idx, self.reported = 0, []
        for _ in range(max_epoch):
            for iters in range(max_iters):
                batch = self.get_batch(xs, ts, batch_size, time_size)
                self.learn(*batch, max_grad)
                self.report(iters, max_iters)
            self.current_epoch += 1


def remove_duplicate(params: list[Array], grads: list[Array]) -> tuple[list, list]:
    """Each weight once, with the sum of its gradients.

    Two weights are one where they are the same memory: the same array, a view of all of it, or
    its transpose.
    """
    kept_at: dict[tuple, int] = {}
    kept: list[Array] = []
    sums: list[Array] = []
    for param, grad in zip(params, grads):
        same, transposed = kept_at.get(identity(param)), kept_at.get(identity(param.T))
        if same is not None:
            sums[same] = sums[same] + grad
        elif transposed is not None:
            sums[transposed] = sums[transposed] + grad.T
        else:
            kept_at[identity(param)] = len(kept)
            kept.append(param)
            sums.append(grad)
    return kept, sums


def identity(array: Array) -> tuple:
    """Where and how an array lies in memory."""
    return array.__array_interface__["data"][0], array.shape, array.strides
