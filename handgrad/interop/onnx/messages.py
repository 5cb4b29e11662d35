"""The messages of an ONNX file: for each, field number → name and kind. One table, both ways.

A kind is `int`, `float`, `double`, `bytes`, `text`, or the name of a message; a star in front
means repeated. Fields that are not here are skipped.

Source: onnx.proto of the ONNX specification, IR version 14; the encoding of Protocol Buffers.
"""

from __future__ import annotations

from typing import Any

SCHEMA: dict[str, dict[int, tuple[str, str]]] = {
    "Model": {
        1: ("ir_version", "int"), 2: ("producer_name", "text"), 3: ("producer_version", "text"),
        4: ("domain", "text"), 5: ("model_version", "int"), 6: ("doc_string", "text"),
        7: ("graph", "Graph"), 8: ("opset_import", "*Opset"), 14: ("metadata_props", "*Entry"),
        20: ("training_info", "*Training"), 25: ("functions", "*Function"),
    },
    "Opset": {1: ("domain", "text"), 2: ("version", "int")},
    "Entry": {1: ("key", "text"), 2: ("value", "text")},
    "Training": {
        1: ("initialization", "Graph"), 2: ("algorithm", "Graph"),
        3: ("initialization_binding", "*Entry"), 4: ("update_binding", "*Entry"),
    },
    "Function": {
        1: ("name", "text"), 4: ("input", "*text"), 5: ("output", "*text"),
        6: ("attribute", "*text"), 7: ("node", "*Node"), 8: ("doc_string", "text"),
        9: ("opset_import", "*Opset"), 10: ("domain", "text"),
        11: ("attribute_proto", "*Attribute"), 13: ("overload", "text"),
    },
    "Graph": {
        1: ("node", "*Node"), 2: ("name", "text"), 5: ("initializer", "*Tensor"),
        10: ("doc_string", "text"), 11: ("input", "*Value"), 12: ("output", "*Value"),
        13: ("value_info", "*Value"), 15: ("sparse_initializer", "*Sparse"),
    },
    "Node": {
        1: ("input", "*text"), 2: ("output", "*text"), 3: ("name", "text"),
        4: ("op_type", "text"), 5: ("attribute", "*Attribute"), 6: ("doc_string", "text"),
        7: ("domain", "text"), 8: ("overload", "text"),
    },
    "Attribute": {
        1: ("name", "text"), 2: ("f", "float"), 3: ("i", "int"), 4: ("s", "bytes"),
        5: ("t", "Tensor"), 6: ("g", "Graph"), 7: ("floats", "*float"), 8: ("ints", "*int"),
        9: ("strings", "*bytes"), 10: ("tensors", "*Tensor"), 11: ("graphs", "*Graph"),
        13: ("doc_string", "text"), 14: ("tp", "Type"), 20: ("type", "int"),
        21: ("ref_attr_name", "text"), 22: ("sparse_tensor", "Sparse"),
    },
    "Tensor": {
        1: ("dims", "*int"), 2: ("data_type", "int"), 4: ("float_data", "*float"),
        5: ("int32_data", "*int"), 6: ("string_data", "*bytes"), 7: ("int64_data", "*int"),
        8: ("name", "text"), 9: ("raw_data", "bytes"), 10: ("double_data", "*double"),
        11: ("uint64_data", "*int"), 12: ("doc_string", "text"), 13: ("external_data", "*Entry"),
        14: ("data_location", "int"),
    },
    "Sparse": {1: ("values", "Tensor"), 2: ("indices", "Tensor"), 3: ("dims", "*int")},
    "Value": {1: ("name", "text"), 2: ("type", "Type"), 3: ("doc_string", "text")},
    "Type": {
        1: ("tensor_type", "TensorType"), 4: ("sequence_type", "Element"),
        6: ("denotation", "text"), 9: ("optional_type", "Element"),
    },
    "TensorType": {1: ("elem_type", "int"), 2: ("shape", "Shape")},
    "Element": {1: ("elem_type", "Type")},
    "Shape": {1: ("dim", "*Dimension")},
    "Dimension": {1: ("dim_value", "int"), 2: ("dim_param", "text"), 3: ("denotation", "text")},
}  # fmt: skip

EMPTY: dict[str, Any] = {"int": 0, "float": 0.0, "double": 0.0, "bytes": b"", "text": ""}
NAMES = {kind: dict(fields.values()) for kind, fields in SCHEMA.items()}


class Message:
    """One message: a field that was not set reads as empty (0, "", [] or None)."""

    def __init__(self, kind: str, **fields: Any):
        self.__dict__.update(kind=kind, **fields)
        if unknown := fields.keys() - NAMES[kind].keys():
            raise ValueError(f"onnx: {kind} has no field {sorted(unknown)}")

    def __getattr__(self, name: str) -> Any:
        what = NAMES[self.__dict__.get("kind", "Dimension")].get(name)
        if what is None:
            raise AttributeError(f"{self.kind} has no field {name!r}")
        return [] if what[0] == "*" else EMPTY.get(what)

    def __setattr__(self, name: str, value: Any) -> None:
        self.__dict__[name] = value

    def has(self, name: str) -> bool:
        """Whether the field was set."""
        return name in self.__dict__

    def __repr__(self) -> str:
        fields = {k: v for k, v in self.__dict__.items() if k != "kind"}
        return f"{self.kind}({', '.join(f'{k}={v!r}' for k, v in fields.items())})"
