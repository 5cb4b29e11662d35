"""How the parameters of a layer lie in Keras: one table for both directions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from handgrad import layers
from handgrad.arrays import Array
from handgrad.inside import sublayers
from handgrad.interop.files.weights import require_layer
from handgrad.interop.torch.layouts import held_by
from handgrad.layer import Layer, parameter_names, walk
from handgrad.network import Sequential


class Layout(NamedTuple):
    """there(layer, gradient): its arrays, or their gradients, as Keras has them, in its order.
    back(layer, arrays): the parameters and buffers that these arrays mean, by our names."""

    there: Callable[[Any, bool], list[Array]]
    back: Callable[[Any, Sequence[Array]], dict[str, Array]]


Turn = Callable[[Any, Array], Array]


def _plain(*names: str, out: Turn | None = None, into: Turn | None = None) -> Layout:
    """The parameters in this order; the first of them turned."""

    def there(layer: Any, gradient: bool) -> list[Array]:
        arrays = [held_by(layer, n, gradient and n in layer.params) for n in _had(layer)]
        return [out(layer, arrays[0]), *arrays[1:]] if out else arrays

    def back(layer: Any, arrays: Sequence[Array]) -> dict[str, Array]:
        first = into(layer, arrays[0]) if into else arrays[0]
        return dict(zip(_had(layer), [first, *arrays[1:]]))

    def _had(layer: Any) -> list[str]:
        return [n for n in names if n in layer.params or n in layer.buffers]

    return Layout(there, back)


def _kernel_out(layer: Any, W: Array) -> Array:
    """(F, C, *kernel) as (*kernel, C, F)."""
    return W.transpose(*range(2, W.ndim), 1, 0)


def _kernel_in(layer: Any, W: Array) -> Array:
    return W.transpose(W.ndim - 1, W.ndim - 2, *range(W.ndim - 2))


def _depthwise_out(layer: Any, W: Array) -> Array:
    """(C · M, 1, *kernel) as (*kernel, C, M)."""
    apart = W.reshape(layer.groups, -1, *W.shape[2:])
    return apart.transpose(*range(2, apart.ndim), 0, 1)


def _depthwise_in(layer: Any, W: Array) -> Array:
    apart = W.transpose(W.ndim - 2, W.ndim - 1, *range(W.ndim - 2))
    return apart.reshape(-1, 1, *apart.shape[2:])


# The blocks of our gates among Keras's: of i f g o, ours are f g i o; z r n is the same in both.
GATES: dict[type, tuple[int, ...]] = {
    layers.RNN: (0,), layers.LSTM: (1, 2, 0, 3), layers.GRU: (0, 1, 2),
}  # fmt: skip


def _columns(order: Sequence[int], H: int) -> Array:
    return np.concatenate([np.arange(k * H, (k + 1) * H) for k in order])


def _recurrent_there(layer: Any, gradient: bool) -> list[Array]:
    columns = _columns(np.argsort(GATES[type(layer)]).tolist(), layer.outputs)
    Wx, Wh, b = (held_by(layer, name, gradient)[..., columns] for name in ("Wx", "Wh", "b"))
    if "bh" not in layer.params:
        return [Wx, Wh, b]
    # Two biases, of which only n's are apart here: the sum of the others counts.
    second = b.copy() if gradient else np.zeros_like(b)
    second[2 * layer.outputs :] = held_by(layer, "bh", gradient)
    return [Wx, Wh, np.stack([b, second])]


def _recurrent_back(layer: Any, arrays: Sequence[Array]) -> dict[str, Array]:
    H = layer.outputs
    columns = _columns(GATES[type(layer)], H)
    Wx, Wh, b = arrays
    if "bh" not in layer.params:
        return {"Wx": Wx[:, columns], "Wh": Wh[:, columns], "b": b[columns]}
    whole = b[0].copy()
    whole[: 2 * H] += b[1, : 2 * H]
    return {"Wx": Wx[:, columns], "Wh": Wh[:, columns], "b": whole, "bh": b[1, 2 * H :]}


def _measured(layer: Any, gradient: bool) -> list[Array]:
    """Mean, variance, and how many samples they are of, which nothing depends on."""
    return [layer.center, layer.factor**-2, np.array(0, np.int32)]


def _heads_in(layer: Any, arrays: Sequence[Array]) -> dict[str, Array]:
    """(D, heads, size) and (heads, size) as W and b."""
    shapes = [(len(arrays[0]), -1), (-1,)]
    return {name: a.reshape(s) for name, a, s in zip("Wb", arrays, shapes)}


def _heads_out(layer: Any, arrays: Sequence[Array]) -> dict[str, Array]:
    """(heads, size, M) and (M) as W and b."""
    return {name: a.reshape(-1, a.shape[-1]) if name == "W" else a for name, a in zip("Wb", arrays)}


_KERNEL = _plain("W", "b", out=_kernel_out, into=_kernel_in)
_PRELU = _plain("a", into=lambda layer, a: a.reshape(-1))
LAYOUTS: dict[str, Layout] = {
    "dense": _plain("W", "b"),
    "heads_in": Layout(_plain("W", "b").there, _heads_in),
    "heads_out": Layout(_plain("W", "b").there, _heads_out),
    "scalar": _plain("scale"),
    "weight": _plain("w"),
    "conv": _KERNEL,
    "depthwise": _plain("W", "b", out=_depthwise_out, into=_depthwise_in),
    "embedding": _plain("W"),
    "batch": _plain("gamma", "beta", "running_mean", "running_var"),
    "scale": _plain("gamma", "beta"),
    "prelu": _PRELU,
    "recurrent": Layout(_recurrent_there, _recurrent_back),
    "normalization": Layout(_measured, lambda layer, arrays: {}),
}


@dataclass(frozen=True)
class Stored:
    """Where a layer's arrays lie in a file: the layout, and the name and shape of each."""

    layout: str
    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...] = ()

    def arrays(self, layer: Any, gradient: bool = False) -> dict[str, Array]:
        """The layer's arrays, or their gradients, by their names there."""
        arrays = LAYOUTS[self.layout].there(layer, gradient)
        shapes = self.shapes or [a.shape for a in arrays]
        return {n: np.reshape(a, s) for n, a, s in zip(self.names, arrays, shapes)}


# The layout of a layer that was made here, and what Keras calls its class in a file.
OURS: dict[type, tuple[str, str]] = {
    layers.Affine: ("dense", "dense"), layers.Convolution: ("conv", "conv{}d"),
    layers.TransposedConvolution: ("conv", "conv{}d_transpose"),
    layers.Embedding: ("embedding", "embedding"),
    layers.BatchNorm: ("batch", "batch_normalization"),
    layers.LayerNorm: ("scale", "layer_normalization"),
    layers.GroupNorm: ("scale", "group_normalization"),
    layers.RMSNorm: ("scale", "rms_normalization"), layers.PReLU: ("prelu", "p_re_lu"),
    layers.Standardize: ("normalization", "normalization"),
    layers.RNN: ("recurrent", "simple_rnn"), layers.LSTM: ("recurrent", "lstm"),
    layers.GRU: ("recurrent", "gru"),
}  # fmt: skip


def stored(network: Any) -> list[tuple[str, Layer, Stored]]:
    """Every layer with weights: its path, itself, and where its arrays lie in a file of Keras's.

    As the file said that it came from; else as Keras numbers the layers of the same structure.
    Raises ValueError for a layer that Keras has not.
    """
    require_layer("keras", network)
    paths = {id(layer): path for path, layer in walk(network)}
    found = [(paths[id(layer)], layer, at) for layer, at in _stored(network, "", {}, paths)]
    owner: dict[str, str] = {}
    for path, _, at in found:
        if (other := owner.setdefault(at.names[0], path)) != path:
            raise ValueError(
                f"keras: {path} and {other} would both be {at.names[0]!r}: a layer from a file "
                "keeps its name; delete `keras_stored` of all layers to number them anew"
            )
    return found


def _stored(
    layer: Any, prefix: str, used: dict[str, int], paths: dict[int, str]
) -> Iterator[tuple[Layer, Stored]]:
    if isinstance(layer, Sequential) and not hasattr(layer, "keras_stored"):
        inside = f"{prefix}{_numbered('sequential', used)}/" if prefix else ""
        counts: dict[str, int] = {}
        for inner in layer.layers:
            yield from _stored(inner, f"{inside}layers/", counts, paths)
    elif hasattr(layer, "keras_stored"):
        yield layer, layer.keras_stored
    elif isinstance(layer, layers.Bidirectional):
        name = prefix + _numbered("bidirectional", used)
        for one, which in ((layer.ahead, "forward"), (layer.back, "backward")):
            known = getattr(one, "keras_stored", None)
            yield one, known or _at(one, f"{name}/{which}_layer/cell")
    elif type(layer) in OURS:
        rank = len(layer.window.kernel) if hasattr(layer, "window") else 0
        name = prefix + _numbered(OURS[type(layer)][1].format(rank), used)
        yield layer, _at(layer, f"{name}/cell" if type(layer) in GATES else name)
    elif any(True for _ in parameter_names(layer)):
        raise ValueError(
            f"{paths[id(layer)] or 'the layer'} ({type(layer).__name__}): Keras has no such layer; "
            f"those with weights are {', '.join(sorted(c.__name__ for c in OURS))}"
        )
    else:
        for _, inner in sublayers(layer):
            yield from _stored(inner, prefix or "layers/", used, paths)


def _at(layer: Any, name: str) -> Stored:
    layout = OURS[type(layer)][0]
    if not all(n in vars(layer) for n in layer.params):
        name = type(layer).__name__
        raise ValueError(f"keras: {name} has no size yet; use the network once first")
    count = len(LAYOUTS[layout].there(layer, False))
    return Stored(layout, tuple(f"{name}/vars/{k}" for k in range(count)))


def _numbered(name: str, used: dict[str, int]) -> str:
    """dense, dense_1, dense_2, …"""
    count = used[name] = used.get(name, -1) + 1
    return f"{name}_{count}" if count else name
