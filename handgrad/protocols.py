"""What handgrad asks of a layer, a loss, an optimizer, a metric and a callback, as types.

They are met by shape: no base class is needed. A class of one's own is a `LayerLike` as soon as it
has `forward` and `backward`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class LayerLike(Protocol):
    """Computes outputs, and from their gradients those of its inputs, in the same order."""

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """The output, or a tuple of outputs; keeps on self what backward needs."""

    def backward(self, *dy: Any) -> Any:
        """The gradient of each input (None for data); sets that of each parameter W as dW."""


class LossLike(LayerLike, Protocol):
    """A layer from outputs y and targets t, perhaps with weights of the samples, to one number.

    backward() gives the gradient of y, that of the loss being 1, and None for the targets.
    """


@runtime_checkable
class OptimizerLike(Protocol):
    """Changes the parameters of a network after its gradients."""

    steps: int  # updates made so far

    def step(self, network: Any) -> None:
        """Update all parameters of a network from its gradients."""

    def learning_rate(self) -> float:
        """The learning rate of the next update."""

    def state_dict(self) -> dict[str, Any]:
        """Everything that an exact continuation needs."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave."""


class MetricLike(Protocol):
    """A number that tells how well outputs y fit targets t; its name heads a column."""

    __name__: str

    def __call__(self, y: Any, t: Any, /) -> float:
        """The metric of outputs and targets."""


class CallbackLike(Protocol):
    """Is told of events in training. An object that has only some of these methods will do."""

    def on_start(self, trainer: Any) -> None:
        """Before the first step."""

    def on_step(self, trainer: Any) -> None:
        """After an update."""

    def on_epoch(self, trainer: Any) -> None:
        """After an epoch."""

    def on_end(self, trainer: Any) -> None:
        """After the last step."""
