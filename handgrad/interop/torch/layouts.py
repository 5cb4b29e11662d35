"""How the parameters of a layer are called and lie in PyTorch: one table for both directions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from handgrad import layers
from handgrad.arrays import Array
from handgrad.layer import walk

Arrays = dict[str, Array]


class Layout(NamedTuple):
    """there(layer, gradient): the arrays, or their gradients, as PyTorch has them, by its names.
    back(layer, arrays): the parameters and buffers that these arrays mean, by ours."""

    there: Callable[[Any, bool], Arrays]
    back: Callable[[Any, Mapping[str, Array]], Arrays]


def held_by(layer: Any, name: str, gradient: bool) -> Array:
    """A parameter, or its gradient; zeros where none was set."""
    value: Array = getattr(layer, name)
    if not gradient:
        return value
    found = getattr(layer, "d" + name, None)
    return np.zeros_like(value) if found is None else np.asarray(found)


def _renamed(names: Mapping[str, str], turned: tuple[str, ...] = ()) -> Layout:
    """Arrays of other names; those that are `turned` lie transposed."""

    def there(layer: Any, gradient: bool) -> Arrays:
        held = {theirs: held_by(layer, ours, gradient) for ours, theirs in names.items()
                if ours in layer.params}  # fmt: skip
        return {n: a.T if n in turned else a for n, a in held.items()}

    def back(layer: Any, arrays: Mapping[str, Array]) -> Arrays:
        wanted = {o: arrays[t] for o, t in names.items() if o in layer.params}
        return {o: a.T if names[o] in turned else a for o, a in wanted.items()}

    return Layout(there, back)


RUNNING = ("running_mean", "running_var")


def _batch_norm() -> Layout:
    def there(layer: Any, gradient: bool) -> Arrays:
        found = _SCALE.there(layer, gradient)
        if not gradient:
            found |= {name: getattr(layer, name) for name in RUNNING}
            found["num_batches_tracked"] = np.array(0)
        return found

    def back(layer: Any, arrays: Mapping[str, Array]) -> Arrays:
        return _SCALE.back(layer, arrays) | {name: arrays[name] for name in RUNNING}

    return Layout(there, back)


# The blocks of our gates in the order of PyTorch's: ours f g i o and z r n, its i f g o and r z n.
ORDERS: dict[type, tuple[int, ...]] = {
    layers.RNN: (0,), layers.LSTM: (2, 0, 1, 3), layers.GRU: (1, 0, 2),
}  # fmt: skip


def _columns(layer: Any) -> Array:
    H = layer.Wh.shape[0]
    return np.concatenate([np.arange(k * H, (k + 1) * H) for k in ORDERS[type(layer)]])


def _one_direction(layer: Any, suffix: str, gradient: bool) -> Arrays:
    columns, H = _columns(layer), layer.Wh.shape[0]
    Wx, Wh, b = (held_by(layer, name, gradient) for name in ("Wx", "Wh", "b"))
    # PyTorch has two biases, whose sum counts: the second is zero, its gradient that of the first.
    second = b[columns].copy() if gradient else np.zeros(len(columns), b.dtype)
    if isinstance(layer, layers.GRU):
        if layer.reset != "after":
            raise ValueError("GRU: PyTorch has reset='after' alone")
        second[2 * H :] = held_by(layer, "bh", gradient)
    return {f"weight_ih_{suffix}": Wx[:, columns].T, f"weight_hh_{suffix}": Wh[:, columns].T,
            f"bias_ih_{suffix}": b[columns], f"bias_hh_{suffix}": second}  # fmt: skip


def _one_direction_back(layer: Any, suffix: str, arrays: Mapping[str, Array]) -> Arrays:
    Wx, Wh = arrays[f"weight_ih_{suffix}"].T, arrays[f"weight_hh_{suffix}"].T
    H = len(Wh)
    order = ORDERS[type(layer)]
    inverse = np.concatenate([np.arange(k * H, (k + 1) * H) for k in np.argsort(order)])
    zero = np.zeros(Wx.shape[1], Wx.dtype)
    first = arrays.get(f"bias_ih_{suffix}", zero)
    second = arrays.get(f"bias_hh_{suffix}", zero)
    found = {"Wx": Wx[:, inverse], "Wh": Wh[:, inverse]}
    if isinstance(layer, layers.GRU):  # n's two biases stay apart: r multiplies the second
        both = np.concatenate([first[: 2 * H] + second[: 2 * H], first[2 * H :]])
        return found | {"b": both[inverse], "bh": second[2 * H :]}
    return found | {"b": (first + second)[inverse]}


def directions(layer: Any) -> list[tuple[str, Any, str]]:
    """(our path, layer, PyTorch's suffix) of every direction of a recurrent stack."""
    paths = {id(inner): f"{path}." if path else "" for path, inner in walk(layer)}
    levels = layer.layers if isinstance(layer, layers.Stacked) else [layer]
    found = []
    for k, level in enumerate(levels):
        both = isinstance(level, layers.Bidirectional)
        ways = [(level.ahead, ""), (level.back, "_reverse")] if both else [(level, "")]
        found += [(paths[id(one)], one, f"l{k}{end}") for one, end in ways]
    return found


def _recurrent_there(layer: Any, gradient: bool) -> Arrays:
    return {n: a for _, one, suffix in directions(layer)
            for n, a in _one_direction(one, suffix, gradient).items()}  # fmt: skip


def _recurrent_back(layer: Any, arrays: Mapping[str, Array]) -> Arrays:
    return {path + n: a for path, one, suffix in directions(layer)
            for n, a in _one_direction_back(one, suffix, arrays).items()}  # fmt: skip


def _attention_there(layer: Any, gradient: bool) -> Arrays:
    Wq, Wk, Wv, Wo, bq, bv, bo = (held_by(layer, name, gradient) for name in layer.params)
    zero = np.zeros_like(bq)  # a bias of the keys changes no weight of a softmax
    return {"in_proj_weight": np.concatenate([Wq.T, Wk.T, Wv.T]),
            "in_proj_bias": np.concatenate([bq, zero, bv]),
            "out_proj.weight": Wo.T, "out_proj.bias": bo}  # fmt: skip


def _attention_back(layer: Any, arrays: Mapping[str, Array]) -> Arrays:
    Wq, Wk, Wv = np.split(arrays["in_proj_weight"], 3)
    bq, _, bv = np.split(arrays["in_proj_bias"], 3)
    return {"Wq": Wq.T, "Wk": Wk.T, "Wv": Wv.T, "bq": bq, "bv": bv,
            "Wo": arrays["out_proj.weight"].T, "bo": arrays["out_proj.bias"]}  # fmt: skip


_SAME = _renamed({"W": "weight", "b": "bias"})
_SCALE = _renamed({"gamma": "weight", "beta": "bias"})
RECURRENT = Layout(_recurrent_there, _recurrent_back)
LAYOUTS: dict[type, Layout] = {
    layers.Affine: _renamed({"W": "weight", "b": "bias"}, turned=("weight",)),
    layers.Convolution: _SAME,
    layers.TransposedConvolution: _SAME,
    layers.Embedding: _SAME,
    layers.BatchNorm: _batch_norm(),
    layers.LayerNorm: _SCALE,
    layers.GroupNorm: _SCALE,
    layers.InstanceNorm: _SCALE,
    layers.RMSNorm: _SCALE,
    layers.PReLU: Layout(
        lambda layer, gradient: {"weight": np.reshape(held_by(layer, "a", gradient), -1)},
        lambda layer, arrays: {"a": arrays["weight"].reshape(np.shape(layer.a))},
    ),
    layers.MultiHeadAttention: Layout(_attention_there, _attention_back),
    **dict.fromkeys((*ORDERS, layers.Bidirectional, layers.Stacked), RECURRENT),
}
