"""Which layer of ours a module of PyTorch's is; its weights are in `layouts`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handgrad import layers
from handgrad.interop.steps import Unsupported
from handgrad.layer import Layer


def _need(condition: bool, module: Any, what: str) -> None:
    if not condition:
        raise Unsupported(f"{type(module).__name__}: {what}")


def _one(value: Any) -> Any:
    """A size for all axes, where they are equal."""
    values = value if isinstance(value, tuple) else (value,)
    return values[0] if len(set(values)) == 1 else values


def _convolution(cls: Any, **options: Callable[[Any], Any]) -> Callable[[Any], Layer]:
    def make(m: Any) -> Layer:
        _need(m.padding_mode == "zeros", m, f"padding_mode={m.padding_mode!r}")
        _need(not isinstance(m.padding, str), m, f"padding={m.padding!r}; give numbers")
        layer: Layer = cls(
            m.out_channels, m.kernel_size, stride=_one(m.stride), pad=_one(m.padding),
            dilation=_one(m.dilation), groups=m.groups, inputs=m.in_channels,
            bias=m.bias is not None, **{name: get(m) for name, get in options.items()},
        )  # fmt: skip
        return layer

    return make


def _batch_norm(m: Any) -> Layer:
    _need(m.affine and m.track_running_stats, m, "without weights or running statistics")
    _need(m.momentum is not None, m, "momentum=None")
    return layers.BatchNorm(momentum=1 - m.momentum, eps=m.eps)


def _layer_norm(m: Any) -> Layer:
    _need(m.elementwise_affine and m.bias is not None, m, "without weight or bias")
    axes = tuple(range(-len(m.normalized_shape), 0))
    return layers.LayerNorm(axis=axes if len(axes) > 1 else -1, eps=m.eps)


def _rms_norm(m: Any) -> Layer:
    _need(m.elementwise_affine and m.eps is not None, m, "without weight, or eps=None")
    return layers.RMSNorm(eps=m.eps)


def _pool(cls: Any) -> Callable[[Any], Layer]:
    def make(m: Any) -> Layer:
        _need(getattr(m, "dilation", 1) in (1, (1, 1)), m, "dilation")
        _need(not getattr(m, "return_indices", False), m, "return_indices=True")
        _need(getattr(m, "divisor_override", None) is None, m, "divisor_override")
        kernel = m.kernel_size if isinstance(m.kernel_size, tuple) else (m.kernel_size,) * (
            int(type(m).__name__[-2]))  # fmt: skip
        more = {} if cls is layers.MaxPooling else {"count_padding": m.count_include_pad}
        layer: Layer = cls(kernel, stride=_one(m.stride), pad=_one(m.padding),
                           ceil_mode=m.ceil_mode, **more)  # fmt: skip
        return layer

    return make


def _adaptive(cls: Any) -> Callable[[Any], Layer]:
    def make(m: Any) -> Layer:
        _need(_one(m.output_size) == 1, m, f"output_size={m.output_size}; 1 alone has a layer")
        count = int(type(m).__name__[-2])
        layer: Layer = cls(axis=tuple(range(-count, 0)), keepdims=True)
        return layer

    return make


def _recurrent(cls: Any) -> Callable[[Any], Layer]:
    def make(m: Any) -> Layer:
        _need(m.batch_first, m, "batch_first=False; x is (N, T, D) here")
        _need(getattr(m, "nonlinearity", "tanh") == "tanh", m, "nonlinearity='relu'")
        _need(getattr(m, "proj_size", 0) == 0, m, "proj_size")
        levels: list[Any] = []
        for k in range(m.num_layers):
            inputs = m.input_size if k == 0 else m.hidden_size * (1 + m.bidirectional)
            ahead = cls(m.hidden_size, inputs=inputs)
            back = cls(m.hidden_size, inputs=inputs) if m.bidirectional else None
            levels.append(ahead if back is None else layers.Bidirectional(ahead, back))
        if len(levels) == 1:
            only: Layer = levels[0]
            return only
        return layers.Stacked(levels, dropout=m.dropout)

    return make


def _embedding(m: Any) -> Layer:
    _need(m.max_norm is None and not m.scale_grad_by_freq, m, "max_norm, scale_grad_by_freq")
    _need(m.padding_idx is None, m, "padding_idx, whose row has no gradient")
    return layers.Embedding(m.num_embeddings, m.embedding_dim)


def _attention(m: Any) -> Layer:
    same = m._qkv_same_embed_dim and m.in_proj_bias is not None and m.bias_k is None
    _need(m.batch_first and same, m, "batch_first=False, or other sizes of keys and values")
    _need(not m.dropout, m, "dropout")
    return layers.MultiHeadAttention(m.num_heads, outputs=m.embed_dim)


def _plain(cls: Any, **options: str) -> Callable[[Any], Layer]:
    """Our class with the module's attributes as arguments."""
    return lambda m: cls(**{ours: getattr(m, theirs) for ours, theirs in options.items()})


def _softplus(m: Any) -> Layer:
    _need(m.beta == 1, m, f"beta={m.beta}")
    return layers.Softplus()


def _flatten(m: Any) -> Layer:
    _need((m.start_dim, m.end_dim) == (1, -1), m, "other axes than all but the first")
    return layers.Flatten()


def _softmax(cls: Any) -> Callable[[Any], Layer]:
    def make(m: Any) -> Layer:
        _need(m.dim is not None, m, "dim=None")
        layer: Layer = cls(axis=m.dim)
        return layer

    return make


MODULES: dict[str, Callable[[Any], Layer]] = {
    "Linear": lambda m: layers.Affine(
        m.out_features, inputs=m.in_features, bias=m.bias is not None
    ),
    **{f"Conv{n}d": _convolution(layers.Convolution) for n in (1, 2, 3)},
    **{
        f"ConvTranspose{n}d": _convolution(
            layers.TransposedConvolution, output_pad=lambda m: _one(m.output_padding)
        )
        for n in (1, 2, 3)
    },
    **{f"BatchNorm{n}d": _batch_norm for n in (1, 2, 3)},
    **{f"MaxPool{n}d": _pool(layers.MaxPooling) for n in (1, 2, 3)},
    **{f"AvgPool{n}d": _pool(layers.AveragePooling) for n in (1, 2, 3)},
    **{f"AdaptiveAvgPool{n}d": _adaptive(layers.Mean) for n in (1, 2, 3)},
    **{f"AdaptiveMaxPool{n}d": _adaptive(layers.Max) for n in (1, 2, 3)},
    **{f"Dropout{n}d": _plain(layers.SpatialDropout, ratio="p") for n in (1, 2, 3)},
    "Dropout": _plain(layers.Dropout, ratio="p"),
    "LayerNorm": _layer_norm,
    "GroupNorm": _plain(layers.GroupNorm, groups="num_groups", eps="eps"),
    "RMSNorm": _rms_norm,
    "Embedding": _embedding,
    "RNN": _recurrent(layers.RNN),
    "LSTM": _recurrent(layers.LSTM),
    "GRU": _recurrent(layers.GRU),
    "MultiheadAttention": _attention,
    "ReLU": _plain(layers.ReLU),
    "ReLU6": _plain(layers.ReLU6),
    "LeakyReLU": _plain(layers.LeakyReLU, alpha="negative_slope"),
    "PReLU": lambda m: layers.PReLU(per_channel=m.num_parameters > 1),
    "ELU": _plain(layers.ELU, alpha="alpha"),
    "CELU": _plain(layers.CELU, alpha="alpha"),
    "SELU": _plain(layers.SELU),
    "GELU": _plain(layers.GELU, approximate="approximate"),
    "SiLU": _plain(layers.SiLU),
    "Mish": _plain(layers.Mish),
    "Sigmoid": _plain(layers.Sigmoid),
    "Hardsigmoid": _plain(layers.HardSigmoid),
    "Hardswish": _plain(layers.HardSwish),
    "Tanh": _plain(layers.Tanh),
    "Softplus": _softplus,
    "Softsign": _plain(layers.Softsign),
    "GLU": _plain(layers.GLU, axis="dim"),
    "Softmax": _softmax(layers.Softmax),
    "LogSoftmax": _softmax(layers.LogSoftmax),
    "Flatten": _flatten,
}


def layer_of(module: Any) -> Layer:
    """Our layer for a module of PyTorch's, without its weights. Raises Unsupported."""
    name = type(module).__name__
    if not type(module).__module__.startswith("torch.nn.") or name not in MODULES:
        raise Unsupported(f"{name} has no layer here")
    return MODULES[name](module)
