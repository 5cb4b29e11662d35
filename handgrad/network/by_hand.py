"""ByHand: layers run one after the other, with their state on the layers themselves.

What stays the same from call to call (which gradients a layer must set, what lies inside it) is
found once, not at every step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from handgrad.arrays import Array
from handgrad.attributes import assigned
from handgrad.inside import sublayers
from handgrad.layer import Layer, Slot, as_input, parameter_names, run_forward, slots
from handgrad.network.flat import Flattened

_SEVERAL = (tuple, list)  # made once: `tuple | list` would be made in each call


class Step(NamedTuple):
    """A layer, and what is known of it."""

    layer: Any
    gradients: dict[str, None]  # attributes that its backward must set
    written: frozenset[str]  # of those, which it never assigns: it writes into an array
    inside: list[Slot]  # parameters of the layers inside, whose gradients it sets as well
    by_hand: ByHand | None  # of a Sequential


class ByHand:
    """How a Sequential with these layers is run where each of them is used once.

    kind: Sequential; one that lies inside is run in the same way.
    """

    def __init__(self, layers: Sequence[Any], kind: Any):
        self.steps = [_step(layer, kind) for layer in layers]
        for layer in layers[1:]:
            if isinstance(layer, Layer):
                layer.needs_input_grad = True
        self.real = True  # whether x was real numbers
        self.first = 0  # how many layers, from the first on, got integers and learn nothing

    def begin(self, x: Array, needs_input_grad: bool) -> None:
        """Make ready for a forward on x."""
        self.real, self.first = x.dtype.kind == "f", 0
        self._leading = not self.real
        if self.steps and isinstance(layer := self.steps[0].layer, Layer):
            layer.needs_input_grad = self.real and needs_input_grad

    def use(self, step: Step, x: Any) -> Any:
        """One layer's output."""
        layer = step.layer
        try:
            kind = x.dtype.kind
        except AttributeError:
            kind = ""
        if self._leading:
            self._leading = kind not in ("f", "") and not slots(layer)
            self.first += self._leading
        if step.by_hand is not None:
            return layer.run_by_hand(as_input(x, layer.dtype), step.by_hand)
        return layer.forward(x) if kind == "f" else run_forward(layer, x)

    def backward(self, dy: Any, name: str) -> Any:
        """The gradient of x; sets those of the parameters. name: of the network, for errors.

        Raises ValueError where a layer does not set or return a gradient.
        """
        for i in range(len(self.steps) - 1, self.first - 1, -1):
            layer, gradients, written, inside, _ = self.steps[i]
            state = layer.__dict__
            state.update(_cleared(state, gradients, written) if written else gradients)
            for slot in inside:
                slot.clear()
            dy = layer.backward(dy)
            for key in gradients:
                if state[key] is None and getattr(layer, key, None) is None:
                    raise ValueError(f"{type(layer).__name__}: backward did not set {key}")
            if isinstance(dy, _SEVERAL) and len(dy) == 1:
                dy = dy[0]
            if dy is None and i > self.first:
                raise ValueError(
                    f"{type(layer).__name__}: backward returned no gradient for the layer "
                    f"before (layer {i} of the {name})"
                )
        return dy if self.real else None


def _step(layer: Any, kind: Any) -> Step:
    if isinstance(layer, Flattened):
        by_hand = None
        if isinstance(layer, kind) and type(layer).forward is kind.forward:
            by_hand = ByHand(layer.layers, kind)
        return Step(layer, {}, frozenset(), [], by_hand)
    cls: Any = type(layer)
    gradients = dict.fromkeys("d" + name for name in parameter_names(layer))
    written = frozenset(gradients) - assigned(cls, "backward")
    composite = next(sublayers(layer), None) is not None
    return Step(layer, gradients, written, slots(layer) if composite else [], None)


def _cleared(
    state: dict[str, Any], gradients: dict[str, None], written: frozenset[str]
) -> dict[str, Any]:
    """None for each gradient; zeros where backward writes into the array that is there."""
    arrays = ((key, state[key]) for key in written if isinstance(state.get(key), np.ndarray))
    return gradients | {key: np.zeros_like(array) for key, array in arrays}
