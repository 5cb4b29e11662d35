"""Convolution: the layers, the windows that they lay on an image, and im2col."""

from handgrad.layers.convolution.convolution import Convolution, TransposedConvolution
from handgrad.layers.convolution.unfold import col2im, im2col

__all__ = ["Convolution", "TransposedConvolution", "col2im", "im2col"]
