"""Elementwise functions that are no activations: arithmetic, exponential, trigonometric, …"""

from handgrad.layers.elementwise.arithmetic import Add, Div, Mul, Neg, Pow, Sqrt, Sub
from handgrad.layers.elementwise.error_function import Erf
from handgrad.layers.elementwise.exponential import Exp, Expm1, Log, Log1p
from handgrad.layers.elementwise.hyperbolic import Arccosh, Arcsinh, Arctanh, Cosh, Sinh
from handgrad.layers.elementwise.piecewise import Abs, Clip, Maximum, Minimum, Where
from handgrad.layers.elementwise.trigonometric import Arccos, Arcsin, Arctan, Cos, Sin, Tan

__all__ = [
    "Abs", "Add", "Arccos", "Arccosh", "Arcsin", "Arcsinh", "Arctan", "Arctanh", "Clip", "Cos",
    "Cosh", "Div", "Erf", "Exp", "Expm1", "Log", "Log1p", "Maximum", "Minimum", "Mul", "Neg",
    "Pow", "Sin", "Sinh", "Sqrt", "Sub", "Tan", "Where",
]  # fmt: skip
