"""Which layer of ours a node is, with its weights: one small function for each operator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from handgrad import layers as L
from handgrad.interop.onnx.graph import Node


@dataclass
class Seen:
    """A node, and what is known of its inputs before it runs."""

    node: Node
    opset: int
    constants: dict[str, Any]
    dtype: Any

    def given(self, i: int) -> bool:
        """Whether input i is there."""
        return i < len(self.node.inputs) and bool(self.node.inputs[i])

    def constant(self, i: int) -> Any:
        """The value of input i, None where it is computed (or left out)."""
        return self.constants.get(self.node.inputs[i]) if self.given(i) else None

    def fixed(self, *places: int) -> bool:
        """Whether each of these inputs is a constant or left out."""
        return all(not self.given(i) or self.constant(i) is not None for i in places)

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute."""
        return self.node.attributes.get(name, default)

    def weight(self, i: int) -> Any:
        """Input i as a parameter: in the network's dtype."""
        return np.asarray(self.constant(i)).astype(self.dtype, copy=False)


@dataclass
class Form:
    """A layer for a node: which inputs it takes, what is done around it."""

    layer: Any
    takes: tuple[int, ...] = (0,)
    before: Callable[[Any], Any] | None = None
    after: Callable[[Any, Any], Any] | None = None  # (output, input) → outputs
    weights: tuple[int, ...] = field(default=())  # inputs that the layer has as parameters


FORMS: dict[str, Callable[[Seen], Form | None]] = {}


def form(*names: str) -> Callable[..., Any]:
    """Enter a function that makes the layer of a node, or None where there is none."""

    def enter(function: Callable[[Seen], Any]) -> Callable[[Seen], Any]:
        FORMS.update(dict.fromkeys(names, function))
        return function

    return enter


for name, layer in {
    "Relu": L.ReLU, "Sigmoid": L.Sigmoid, "Tanh": L.Tanh, "Exp": L.Exp, "Log": L.Log,
    "Sqrt": L.Sqrt, "Abs": L.Abs, "Neg": L.Neg, "Sin": L.Sin, "Cos": L.Cos, "Tan": L.Tan,
    "Asin": L.Arcsin, "Acos": L.Arccos, "Atan": L.Arctan, "Sinh": L.Sinh, "Cosh": L.Cosh,
    "Asinh": L.Arcsinh, "Acosh": L.Arccosh, "Atanh": L.Arctanh, "Softplus": L.Softplus,
    "Softsign": L.Softsign, "Mish": L.Mish, "HardSwish": L.HardSwish, "Erf": L.Erf,
}.items():  # fmt: skip
    form(name)(lambda seen, layer=layer: Form(layer()))

FORMS["LeakyRelu"] = lambda seen: Form(L.LeakyReLU(seen.get("alpha", 0.01)))
FORMS["Elu"] = lambda seen: Form(L.ELU(seen.get("alpha", 1.0)))
FORMS["Celu"] = lambda seen: Form(L.CELU(seen.get("alpha", 1.0)))
FORMS["Gelu"] = lambda seen: Form(L.GELU(approximate=seen.get("approximate", "none")))


@form("Selu")
def selu(seen):
    near = abs(seen.get("alpha", 1.6732632) - 1.6732632) + abs(seen.get("gamma", 1.0507) - 1.0507)
    return Form(L.SELU()) if near < 1e-3 else None


@form("HardSigmoid")
def hard_sigmoid(seen):
    near = abs(seen.get("alpha", 0.2) - 1 / 6) + abs(seen.get("beta", 0.5) - 0.5)
    return Form(L.HardSigmoid()) if near < 1e-6 else None


@form("Swish")
def swish(seen):
    return Form(L.SiLU()) if seen.get("alpha", 1.0) == 1 else None


@form("Softmax", "LogSoftmax")
def softmax(seen):
    cls = L.Softmax if seen.node.op == "Softmax" else L.LogSoftmax
    axis = seen.get("axis", -1 if seen.opset >= 13 else 1)
    return Form(cls(axis)) if seen.opset >= 13 or axis == -1 else None


@form("Clip")
def clip(seen):
    if not seen.fixed(1, 2):
        return None
    low, high = (
        (seen.get("min"), seen.get("max")) if seen.opset < 11 else (seen.constant(1),
                                                                    seen.constant(2))
    )  # fmt: skip
    low, high = (None if v is None else float(np.asarray(v).reshape(())) for v in (low, high))
    low, high = (None if v is None or abs(v) > 1e38 else v for v in (low, high))
    if low == 0 and high == 6:
        return Form(L.ReLU6())
    return None if low is None and high is None else Form(L.Clip(low, high))


@form("PRelu")
def prelu(seen):
    slope = seen.constant(1)
    if slope is None:
        return None
    wide = slope.size > 1
    by_channel = (
        slope.ndim == 1 if seen.opset < 7 else slope.ndim > 1 and (slope.size == slope.shape[0])
    )
    if wide and not by_channel:
        return None
    layer = L.PReLU(per_channel=wide)
    layer.a = seen.weight(1).reshape(-1)
    axes = slope.ndim + 1 if wide and seen.opset >= 7 else None

    def before(x: Any) -> Any:
        if axes not in (None, x.ndim):
            raise ValueError(f"the slopes {slope.shape} need x with {axes} axes, got {x.shape}")
        return x

    return Form(layer, before=before if axes else None, weights=(1,))


@form("Dropout")
def dropout(seen):
    ratio = seen.get("ratio", 0.5) if seen.opset < 12 else seen.constant(1)
    if not seen.fixed(1):
        return None
    ratio = 0.5 if ratio is None else float(np.asarray(ratio).reshape(()))
    return Form(L.Dropout(ratio)) if 0 <= ratio < 1 else None


@form("Flatten")
def flatten(seen):
    return Form(L.Flatten()) if seen.get("axis", 1) == 1 else None


@form("Reshape")
def reshape(seen):
    target = seen.constant(1) if seen.opset >= 5 else seen.get("shape")
    flat = target is not None and [int(n) for n in target] == [0, -1] and not seen.get("allowzero")
    return Form(L.Flatten()) if flat else None


# -- products and windows -----------------------------------------------------------------------


@form("Gemm")
def gemm(seen):
    w, c = seen.constant(1), seen.constant(2)
    plain = seen.get("alpha", 1.0) == 1 and seen.get("beta", 1.0) == 1 and not seen.get("transA")
    if w is None or not plain or not seen.fixed(2) or w.ndim != 2:
        return None
    w = seen.weight(1).T if seen.get("transB", 0) else seen.weight(1)
    if c is not None and c.shape not in ((w.shape[1],), (1, w.shape[1])):
        return None
    return Form(affine(w, None if c is None else seen.weight(2).reshape(-1)), weights=(1, 2))


@form("MatMul")
def matmul(seen):
    w = seen.constant(1)
    return (
        Form(affine(seen.weight(1), None), weights=(1,))
        if w is not None and w.ndim == 2
        else (None)
    )


def affine(w: Any, b: Any) -> Any:
    """The layer with these weights."""
    layer = L.Affine(w.shape[1], inputs=w.shape[0], bias=b is not None)
    layer.W = w
    if b is not None:
        layer.b = b
    return layer


def padding_of(seen: Seen, axes: int) -> Any:
    """pad= of a layer; None where it depends on the image."""
    auto = seen.get("auto_pad", "NOTSET")
    if auto in ("NOTSET", ""):
        pads = seen.get("pads") or [0] * 2 * axes
        if min(pads) < 0:
            return None
        pairs = tuple(zip(pads[:axes], pads[axes:]))
        same = {p for pair in pairs for p in pair}
        return same.pop() if len(same) == 1 else pairs
    return {"VALID": 0, "SAME_UPPER": "same"}.get(auto)


def spatial(values: Any, axes: int) -> Any:
    """One number for all axes where they are equal."""
    values = tuple(values or (1,) * axes)
    return values[0] if len(set(values)) == 1 else values


@form("Conv", "ConvTranspose")
def conv(seen):
    w, b = seen.constant(1), seen.constant(2)
    if w is None or not seen.fixed(2) or w.ndim < 3:
        return None
    axes, group = w.ndim - 2, seen.get("group", 1)
    pad = padding_of(seen, axes)
    if pad is None or seen.get("output_shape"):
        return None
    options = {
        "stride": spatial(seen.get("strides"), axes), "pad": pad, "groups": group,
        "dilation": spatial(seen.get("dilations"), axes), "bias": b is not None,
    }  # fmt: skip
    if seen.node.op == "Conv":
        layer: Any = L.Convolution(w.shape[0], w.shape[2:], inputs=w.shape[1] * group, **options)
    else:
        extra = spatial(seen.get("output_padding") or (0,) * axes, axes)
        if pad == "same" or np.max(extra) >= np.min(options["stride"]):
            return None
        layer = L.TransposedConvolution(
            w.shape[1] * group, w.shape[2:], inputs=w.shape[0], output_pad=extra, **options
        )
    layer.W = seen.weight(1)
    if b is not None:
        layer.b = seen.weight(2)
    return Form(layer, weights=(1, 2))


@form("MaxPool", "AveragePool")
def pool(seen):
    kernel = tuple(seen.get("kernel_shape"))
    axes = len(kernel)
    pad = padding_of(seen, axes)
    several = sum(map(bool, seen.node.outputs)) > 1
    dilated = any(d != 1 for d in seen.get("dilations") or ())
    if pad is None or several or dilated or (pad != "same" and np.max(pad) >= min(kernel)):
        return None
    options = {
        "stride": spatial(seen.get("strides"), axes), "pad": pad,
        "ceil_mode": bool(seen.get("ceil_mode", 0)),
    }  # fmt: skip
    if seen.node.op == "MaxPool":
        return Form(L.MaxPooling(kernel, **options))
    count = bool(seen.get("count_include_pad", 0))
    return Form(L.AveragePooling(kernel, count_padding=count, **options))


# -- normalization ------------------------------------------------------------------------------


def normalization(layer: Any, seen: Seen, scale: Any, b: Any) -> Form:
    """A layer with γ and β; ones and zeros where they are left out."""
    layer.gamma = scale
    if "beta" in layer.params:
        layer.beta = np.zeros_like(scale) if b is None else b
    return Form(layer, weights=(1, 2))


@form("BatchNormalization")
def batch_norm(seen):
    if not seen.fixed(1, 2, 3, 4) or seen.get("training_mode") or not seen.get("spatial", 1):
        return None
    layer = L.BatchNorm(momentum=seen.get("momentum", 0.9), eps=seen.get("epsilon", 1e-5))
    layer.running_mean, layer.running_var = (np.array(seen.weight(i)) for i in (3, 4))
    return normalization(layer, seen, seen.weight(1), seen.weight(2))


@form("LayerNormalization", "RMSNormalization")
def layer_norm(seen):
    scale = seen.constant(1)
    several = sum(map(bool, seen.node.outputs)) > 1
    if scale is None or not seen.fixed(2) or several:
        return None
    axis = seen.get("axis", -1)
    last = -scale.ndim
    if axis >= 0 or axis != last:  # γ along other axes than those of the mean
        return None
    axes = tuple(range(last, 0))
    cls = L.LayerNorm if seen.node.op == "LayerNormalization" else L.RMSNorm
    layer = cls(axis=-1 if axes == (-1,) else axes, eps=seen.get("epsilon", 1e-5))
    b = seen.weight(2) if seen.given(2) else None
    return normalization(layer, seen, seen.weight(1), b)


@form("InstanceNormalization")
def instance_norm(seen):
    if not seen.fixed(1, 2):
        return None
    layer = L.InstanceNorm(eps=seen.get("epsilon", 1e-5))
    return normalization(layer, seen, seen.weight(1), seen.weight(2))


@form("GroupNormalization")
def group_norm(seen):
    if not seen.fixed(1, 2) or seen.opset < 21:
        return None
    layer = L.GroupNorm(seen.get("num_groups"), eps=seen.get("epsilon", 1e-5))
    return normalization(layer, seen, seen.weight(1), seen.weight(2))


@form("Gather")
def embedding(seen):
    w = seen.constant(0)
    if w is None or w.ndim != 2 or w.dtype.kind != "f" or seen.get("axis", 0) or w.size < 2:
        return None
    layer = L.Embedding(*w.shape)
    layer.W = seen.weight(0)
    return Form(layer, takes=(1,), weights=(0,))
