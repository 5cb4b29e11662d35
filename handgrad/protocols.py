"""What handgrad asks of a layer, a loss, an optimizer, a metric and a callback, as types.

They are met by shape: no base class is needed. A class of one's own is a `LayerLike` as soon as it
has `forward` and `backward`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, runtime_checkable


@runtime_checkable
class LayerLike(Protocol):
    """Computes outputs, and from their gradients those of its inputs, in the same order."""

    @property
    def forward(self) -> Callable[..., Any]:
        """The output, or a tuple of outputs; keeps on self what backward needs."""

    @property
    def backward(self) -> Callable[..., Any]:
        """The gradient of each input (None for data); sets that of each parameter W as dW."""


class LossLike(LayerLike, Protocol):
    """A layer from outputs y and targets t, perhaps with weights of the samples, to one number.

    backward() gives the gradient of y, that of the loss being 1, and None for the targets.
    """


class OptimizerLike(Protocol):
    """Changes parameters by their gradients: two dicts of arrays under the same names.

    The arrays in params are changed in place; a dict of new ones may be returned instead.
    """

    def update(self, params: Any, grads: Any, /) -> Any:
        """One step."""


class MetricLike(Protocol):
    """Tells how well outputs y fit targets t; its name heads a column."""

    @property
    def __name__(self) -> str:
        """The name under which it is recorded."""

    def __call__(self, y: Any, t: Any, /) -> Any:
        """The metric of outputs and targets."""


class OnStart(Protocol):
    """A callback that is told before the first step."""

    def on_start(self, trainer: Any) -> Any:
        """Before the first step."""


class OnStep(Protocol):
    """A callback that is told after each update."""

    def on_step(self, trainer: Any) -> Any:
        """After an update."""


class OnEpoch(Protocol):
    """A callback that is told after each epoch."""

    def on_epoch(self, trainer: Any) -> Any:
        """After an epoch."""


class OnEnd(Protocol):
    """A callback that is told after the last step."""

    def on_end(self, trainer: Any) -> Any:
        """After the last step."""


# A callback has any of these methods; `handgrad.train.Callback` has them all, and they do nothing.
CallbackLike: TypeAlias = OnStart | OnStep | OnEpoch | OnEnd
