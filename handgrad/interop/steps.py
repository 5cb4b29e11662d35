"""Imported: a network as steps that were read or traced, each a layer or a function."""

from __future__ import annotations

from typing import Any

from handgrad.network import Network


class Unsupported(Exception):
    """A layer of another library's, or an option of it, without a counterpart; the text says it."""


class Ref(str):
    """The name of what an earlier step made."""


class Imported(Network):
    """A model of another library's: its layers, under the names that they had, and the steps.

    A step is (name of what it makes, what it calls, what it takes, its options): a layer by its
    name, or a function; and values by their `Ref`.
    """

    def __init__(self, inner: dict[str, Any], steps: list[Any], inputs: list[str], output: Any):
        self.inner, self.steps, self.inputs, self.output = inner, steps, inputs, output

    def config(self) -> dict[str, Any]:
        """A network of steps has no constructor to be called again."""
        raise ValueError(
            "Imported cannot be saved as layers and their arguments; handgrad.onnx.save(network, "
            "path, example=x) writes it as an ONNX file, handgrad.interop.files.save_weights its "
            "weights"
        )

    def __call__(self, *inputs: Any) -> Any:
        if len(inputs) != len(self.inputs):
            names = ", ".join(self.inputs)
            raise ValueError(f"{type(self).__name__}: inputs are {names}, got {len(inputs)}")
        values: dict[str, Any] = dict(zip(self.inputs, inputs))
        for name, call, taken, options in self.steps:
            given = [_look(a, values) for a in taken]
            function = self.inner[call] if isinstance(call, str) else call
            values[name] = function(*given, **{k: _look(v, values) for k, v in options.items()})
        return _look(self.output, values)


def _look(value: Any, values: dict[str, Any]) -> Any:
    if isinstance(value, Ref):
        return values[value]
    if isinstance(value, tuple | list):
        return type(value)(_look(v, values) for v in value)
    if isinstance(value, slice):
        return slice(*(_look(v, values) for v in (value.start, value.stop, value.step)))
    return value
