"""Operators as expressions on tensors: the gradient comes from the layers that they record.

Each takes the inputs by position and the attributes by name, in the form of every opset.
"""

from handgrad.interop.onnx.convert.expressions import elements, shapes, sums, windows
from handgrad.interop.onnx.convert.expressions.table import EXPRESSIONS, NoExpression

__all__ = ["EXPRESSIONS", "NoExpression", "elements", "shapes", "sums", "windows"]
