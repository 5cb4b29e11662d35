"""Layers that move elements without changing them: reshape, concatenate, repeat, index, resize."""

from handgrad.layers.shape.concat import Concat, Split, Stack
from handgrad.layers.shape.indexing import ArgMax, Gather, Index, OneHot, ScatterAdd, TopK
from handgrad.layers.shape.repeat import Broadcast, Pad, Tile
from handgrad.layers.shape.reshape import Flatten, Flip, Reshape, Transpose
from handgrad.layers.shape.resize import PixelShuffle, Resize

__all__ = [
    "ArgMax", "Broadcast", "Concat", "Flatten", "Flip", "Gather", "Index", "OneHot", "Pad",
    "PixelShuffle", "Reshape", "Resize", "ScatterAdd", "Split", "Stack", "Tile", "TopK",
    "Transpose",
]  # fmt: skip
