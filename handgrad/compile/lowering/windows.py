"""What the lowerings of convolution and pooling share: a grid of windows as kernels read it."""

from __future__ import annotations

from handgrad.compile.builder import Argument, Builder
from handgrad.compile.trace import Node
from handgrad.compile.values import Address, BatchDim, NotNative, Size, Value
from handgrad.layers.convolution.window import Grid, Sizes


def two(sizes: Sizes, before: int = 1) -> tuple[int, int]:
    """The sizes of both spatial axes; a sequence is an image of one line."""
    return (before, sizes[0]) if len(sizes) == 1 else (sizes[0], sizes[1])


def require_two_axes(node: Node) -> None:
    """Raise NotNative for volumes."""
    axes = len(node.inputs[0].shape) - 2
    if axes > 2:
        raise NotNative(f"{node.name}: images have {axes} axes, at most 2 are native")


def of_both(name: str, sizes: Sizes, before: int = 1) -> dict[str, int]:
    """The arguments of a kernel for both spatial axes."""
    return dict(zip((f"{name}height", f"{name}width"), two(sizes, before)))


def windows(grid: Grid, n: Size, channels: Size) -> dict[str, Argument]:
    """The arguments of a kernel with windows on n images that say where these lie."""
    top, left = two(tuple(before for before, _ in grid.pad), 0)
    return {
        "images": n, "channels": channels, **of_both("", grid.sizes),
        **of_both("out_", grid.outputs), **of_both("kernel_", grid.kernel),
        **of_both("stride_", grid.stride), **of_both("dilation_", grid.dilation),
        "pad_top": top, "pad_left": left,
    }  # fmt: skip


def images(b: Builder, x: Value) -> tuple[Value | Address, bool]:
    """Images channels last, as a kernel reads them: where, and whether the batch's rows choose."""
    if x.rows is not None and x.shape[0] == BatchDim(1) and x.shape[1] == 1:
        return x.owner.rows, True  # with one channel both orders are the same
    return b.last(x), False
