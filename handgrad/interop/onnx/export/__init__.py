"""save: a network as an ONNX file, compared with the network after writing."""

from handgrad.interop.onnx.export import composite as composite
from handgrad.interop.onnx.export import dropout as dropout
from handgrad.interop.onnx.export import losses as losses
from handgrad.interop.onnx.export import losses_of_samples as losses_of_samples
from handgrad.interop.onnx.export import recurrent as recurrent
from handgrad.interop.onnx.export import weighted as weighted
from handgrad.interop.onnx.export.save import save

__all__ = ["save"]
