"""Keras's activations as our layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handgrad import layers
from handgrad.interop.keras.builder import Builder, Convert, Value, need, plain
from handgrad.layer import Layer

NAMED: dict[str, Callable[[], Layer]] = {
    "relu": layers.ReLU, "sigmoid": layers.Sigmoid, "tanh": layers.Tanh, "elu": layers.ELU,
    "selu": layers.SELU, "softplus": layers.Softplus, "softsign": layers.Softsign,
    "silu": layers.SiLU, "swish": layers.SiLU, "exponential": layers.Exp, "mish": layers.Mish,
    "hard_sigmoid": layers.HardSigmoid, "hard_silu": layers.HardSwish,
    "hard_swish": layers.HardSwish, "relu6": layers.ReLU6,
    "leaky_relu": lambda: layers.LeakyReLU(0.2), "gelu": lambda: layers.GELU(approximate="none"),
    "celu": lambda: layers.CELU(1.0), "glu": layers.GLU,
}  # fmt: skip
ALONG: dict[str, Callable[[], Layer]] = {
    "softmax": layers.Softmax, "log_softmax": layers.LogSoftmax, "sparsemax": layers.Sparsemax,
}  # fmt: skip


def activate(b: Builder, name: Any, x: Value) -> Value:
    """The value after an activation by its name."""
    if name in (None, "linear"):
        return x
    if isinstance(name, dict):  # a function of the file's own, or a layer
        need(name.get("registered_name") is None, f"activation {name.get('registered_name')!r}")
        name = name.get("class_name") if name.get("config") is None else name["config"]
    need(isinstance(name, str) and (name in NAMED or name in ALONG), f"activation {name!r}")
    if name in ALONG:
        return b.add(ALONG[name](), b.given(x))
    if name == "glu":
        return b.add(layers.GLU(), b.given(x))
    return b.same(NAMED[name](), x)


def _relu(b: Builder, c: dict[str, Any], x: Value) -> Value:
    plain(c, threshold=0.0)
    slope, top = c.get("negative_slope") or 0.0, c.get("max_value")
    need(not slope or top is None, "max_value and negative_slope at once")
    need(top in (None, 6.0), f"max_value={top!r}; 6 alone has a layer")
    if slope:
        return b.same(layers.LeakyReLU(slope), x)
    return b.same(layers.ReLU() if top is None else layers.ReLU6(), x)


def _prelu(b: Builder, c: dict[str, Any], x: Value) -> Value:
    a = b.array("vars/0", *[None] * (x.rank - 1))
    need(set(a.shape[:-1]) <= {1}, "weights for each pixel; shared_axes would do")
    layer = layers.PReLU(per_channel=a.size > 1)
    layer = b.weighted(layer, "prelu", ("vars/0", a))
    y = b.add(layer, b.moved(x, True))
    return y._replace(first=y.rank > 2)


def _softmax(b: Builder, c: dict[str, Any], x: Value) -> Value:
    need(isinstance(c.get("axis", -1), int), f"axis={c.get('axis')!r}")
    return b.add(layers.Softmax(axis=c.get("axis", -1)), b.given(x))


CONVERT: dict[str, Convert] = {
    "Activation": lambda b, c, x: activate(b, c["activation"], x),
    "ReLU": _relu,
    "PReLU": _prelu,
    "Softmax": _softmax,
    "LeakyReLU": lambda b, c, x: b.same(
        layers.LeakyReLU(c.get("negative_slope", c.get("alpha", 0.3))), x
    ),
    "ELU": lambda b, c, x: b.same(layers.ELU(c.get("alpha", 1.0)), x),
}
