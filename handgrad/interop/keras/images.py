"""Keras's layers that slide over images and sequences as ours."""

from __future__ import annotations

from typing import Any

from handgrad import layers
from handgrad.interop.keras.activations import activate
from handgrad.interop.keras.builder import (
    LARGEST,
    Builder,
    Convert,
    Value,
    need,
    plain,
    size,
    sizes,
)


def _pad(c: dict[str, Any], reach: int = 0) -> Any:
    """Our pad for Keras's padding. reach: of the kernel, for a causal one."""
    name = c.get("padding", "valid")
    need(name in ("valid", "same", "causal"), f"padding={name!r}")
    return {"valid": 0, "same": "same", "causal": ((reach - 1, 0),)}[name]


def _options(c: dict[str, Any], n: int) -> dict[str, Any]:
    """Strides, dilation and bias."""
    return {
        "stride": sizes(c.get("strides", 1), "strides", n),
        "dilation": sizes(c.get("dilation_rate", 1), "dilation_rate", n),
        "bias": bool(c.get("use_bias", True)),
    }


def _done(b: Builder, layer: Any, layout: str, x: Value, c: dict[str, Any], *arrays: Any) -> Value:
    y = b.sliding(b.weighted(layer, layout, *arrays), x, c)
    return activate(b, c.get("activation"), y)


def _bias(b: Builder, c: dict[str, Any], outputs: int, at: int = 1) -> list[Any]:
    name = f"vars/{at}"
    return [(name, b.array(name, outputs))] if c.get("use_bias", True) else []


def _convolution(n: int) -> Convert:
    def convert(b: Builder, c: dict[str, Any], x: Value) -> Value:
        kernel, filters = sizes(c["kernel_size"], "kernel_size", n), size(c["filters"], "filters")
        groups, options = size(c.get("groups", 1), "groups"), _options(c, n)
        W = b.array("vars/0", *kernel, None, filters)
        layer = layers.Convolution(
            filters, kernel, pad=_pad(c, (kernel[0] - 1) * options["dilation"][0] + 1),
            groups=groups, inputs=W.shape[-2] * groups, **options,
        )  # fmt: skip
        return _done(b, layer, "conv", x, c, ("vars/0", W), *_bias(b, c, filters))

    return convert


def _transposed(n: int) -> Convert:
    def convert(b: Builder, c: dict[str, Any], x: Value) -> Value:
        kernel, filters = sizes(c["kernel_size"], "kernel_size", n), size(c["filters"], "filters")
        options, pad = _options(c, n), _pad(c)
        need(c.get("output_padding") is None, f"output_padding={c.get('output_padding')!r}")
        W = b.array("vars/0", *kernel, filters, None)
        missing = tuple(max(0, s - k) for s, k in zip(options["stride"], kernel))
        layer = layers.TransposedConvolution(
            filters, kernel, pad=pad, output_pad=0 if pad else missing, inputs=W.shape[-1],
            **options,
        )  # fmt: skip
        return _done(b, layer, "conv", x, c, ("vars/0", W), *_bias(b, c, filters))

    return convert


def _depthwise(n: int) -> Convert:
    def convert(b: Builder, c: dict[str, Any], x: Value) -> Value:
        W = b.array("vars/0", *sizes(c["kernel_size"], "kernel_size", n), None, None)
        outputs = W.shape[-1] * W.shape[-2]
        layer = _each_channel(W, c, n, bool(c.get("use_bias", True)))
        return _done(b, layer, "depthwise", x, c, ("vars/0", W), *_bias(b, c, outputs))

    return convert


def _each_channel(W: Any, c: dict[str, Any], n: int, bias: bool) -> Any:
    options = _options(c, n) | {"bias": bias}
    reach = (W.shape[0] - 1) * options["dilation"][0] + 1
    channels = W.shape[-2]
    return layers.Convolution(
        channels * W.shape[-1], W.shape[:n], pad=_pad(c, reach), groups=channels, inputs=channels,
        **options,
    )  # fmt: skip


def _separable(n: int) -> Convert:
    def convert(b: Builder, c: dict[str, Any], x: Value) -> Value:
        W = b.array("vars/0", *sizes(c["kernel_size"], "kernel_size", n), None, None)
        filters, between = size(c["filters"], "filters"), W.shape[-1] * W.shape[-2]
        points = b.array("vars/1", *[1] * n, between, filters)
        first = b.weighted(_each_channel(W, c, n, False), "depthwise", ("vars/0", W))
        second = layers.Convolution(
            filters, (1,) * n, inputs=between, bias=bool(c.get("use_bias", True))
        )
        y = b.sliding(first, x, c)
        return _done(b, second, "conv", y, c, ("vars/1", points), *_bias(b, c, filters, 2))

    return convert


def _pool(cls: Any, n: int) -> Convert:
    def convert(b: Builder, c: dict[str, Any], x: Value) -> Value:
        kernel, cells = sizes(c["pool_size"], "pool_size", n), 1
        for k in kernel:
            cells *= k
        need(cells <= LARGEST, f"pool_size={c['pool_size']!r}")
        more = {"count_padding": False} if cls is layers.AveragePooling else {}
        strides = c.get("strides") or kernel
        layer = cls(kernel, stride=sizes(strides, "strides", n), pad=_pad(c), **more)
        return b.sliding(layer, x, c)

    return convert


def _global(cls: Any, reduction: Any) -> Convert:
    def convert(b: Builder, c: dict[str, Any], x: Value) -> Value:
        if c.get("keepdims"):
            return b.sliding(reduction(axis=tuple(range(2, x.rank)), keepdims=True), x, c)
        return b.sliding(cls(), x, c, rank=2)

    return convert


def _sides(value: Any, n: int, what: str) -> list[tuple[int, int]]:
    """(before, after) for each axis."""
    if n == 1 and isinstance(value, list | tuple) and not isinstance(value[0], list | tuple):
        value = [value]
    values = value if isinstance(value, list | tuple) else [value] * n
    found = [sizes(v, what, 2, 0) for v in values]
    if len(found) != n:
        raise ValueError(f"{what} must be {n} pairs, got {value!r}")
    return [(before, after) for before, after in found]


def _padded(n: int) -> Convert:
    def convert(b: Builder, c: dict[str, Any], x: Value) -> Value:
        sides = _sides(c["padding"], n, "padding")
        return b.sliding(layers.Pad(((0, 0), (0, 0), *sides)), x, c)

    return convert


def _cropped(n: int) -> Convert:
    def convert(b: Builder, c: dict[str, Any], x: Value) -> Value:
        sides = _sides(c["cropping"], n, "cropping")
        cuts = tuple(slice(before, -after or None) for before, after in sides)
        return b.sliding(layers.Index((slice(None), slice(None), *cuts)), x, c)

    return convert


def _larger(n: int) -> Convert:
    def convert(b: Builder, c: dict[str, Any], x: Value) -> Value:
        how = c.get("interpolation", "nearest")
        need(how in ("nearest", "bilinear"), f"interpolation={how!r}")
        times = sizes(c["size"], "size", n)
        need(max(times) <= 64, f"size={c['size']!r}")
        mode = "nearest" if how == "nearest" else "linear"
        return b.sliding(layers.Resize(times, mode=mode), x, c)

    return convert


def _by_channel(b: Builder, c: dict[str, Any], x: Value, layer: Any, *arrays: Any) -> Value:
    """A normalization whose axis, the channels', is the last, or the first after the batch."""
    axis = c.get("axis", -1)
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    need(axis in (-1, x.rank - 1, 1), f"axis={axis!r}")
    layer = b.weighted(layer, "batch" if len(arrays) == 4 else "scale", *arrays)
    where = "channels_first" if axis == 1 and x.rank > 2 else "channels_last"
    return b.sliding(layer, x, {"data_format": where})


def _scaled(b: Builder, c: dict[str, Any], count: int, shape: tuple[int | None, ...]) -> list[Any]:
    for name in ("center", "scale"):
        need(c.get(name, True) is True, f"{name}=False")
    first = b.array("vars/0", *shape)
    rest = [(f"vars/{k}", b.array(f"vars/{k}", *first.shape)) for k in range(1, count)]
    return [("vars/0", first), *rest]


def _batch(b: Builder, c: dict[str, Any], x: Value) -> Value:
    plain(c, renorm=False)
    layer = layers.BatchNorm(momentum=c.get("momentum", 0.99), eps=c.get("epsilon", 1e-3))
    return _by_channel(b, c, x, layer, *_scaled(b, c, 4, (None,)))


def _group(b: Builder, c: dict[str, Any], x: Value) -> Value:
    layer = layers.GroupNorm(size(c.get("groups", 32), "groups"), eps=c.get("epsilon", 1e-3))
    return _by_channel(b, c, x, layer, *_scaled(b, c, 2, (None,)))


CONVERT: dict[str, Convert] = {
    "BatchNormalization": _batch,
    "GroupNormalization": _group,
    **{f"Conv{n}D": _convolution(n) for n in (1, 2, 3)},
    **{f"Conv{n}DTranspose": _transposed(n) for n in (1, 2, 3)},
    **{f"DepthwiseConv{n}D": _depthwise(n) for n in (1, 2)},
    **{f"SeparableConv{n}D": _separable(n) for n in (1, 2)},
    **{f"MaxPooling{n}D": _pool(layers.MaxPooling, n) for n in (1, 2, 3)},
    **{f"AveragePooling{n}D": _pool(layers.AveragePooling, n) for n in (1, 2, 3)},
    **{
        f"GlobalAveragePooling{n}D": _global(layers.GlobalAveragePooling, layers.Mean)
        for n in (1, 2, 3)
    },
    **{f"GlobalMaxPooling{n}D": _global(layers.GlobalMaxPooling, layers.Max) for n in (1, 2, 3)},
    **{f"ZeroPadding{n}D": _padded(n) for n in (1, 2, 3)},
    **{f"Cropping{n}D": _cropped(n) for n in (1, 2, 3)},
    "UpSampling1D": _larger(1), "UpSampling2D": _larger(2), "UpSampling3D": _larger(3),
    **{
        f"SpatialDropout{n}D": lambda b, c, x: b.sliding(layers.SpatialDropout(c["rate"]), x, c)
        for n in (1, 2, 3)
    },
}  # fmt: skip
