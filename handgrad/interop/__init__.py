"""Interchange: doors through which networks leave, each imported when used."""

from handgrad.naming import names_of

__all__: list[str] = []

__getattr__, __dir__ = names_of(
    __name__, __all__, modules={"c": "handgrad.interop.c", "onnx": "handgrad.interop.onnx"}
)
