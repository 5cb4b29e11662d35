"""The onnx package's own backend tests on `handgrad.onnx.backend`.

`python -m tests.interop.onnx_score` writes docs/onnx-tests.md: every official
test with its verdict, or why it is out of scope.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np

PAGE = Path(__file__).parents[2] / "docs" / "onnx-tests.md"
TRAINING = ("adagrad", "adam", "momentum", "gradient_of")
NUMBERS = {1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13}  # TensorProto's float, integer and bool types
FAMILIES = {
    "quantization": r"Quantize|QLinear|Integer$|DequantizeLinear",
    "signal processing": r"^(DFT|STFT|MelWeightMatrix|.*Window)$",
    "images as files": r"^ImageDecoder$",
    "text": r"^(String.*|TfIdfVectorizer|LabelEncoder|RegexFullMatch)$",
    "sequences": r"Sequence(?!$)|^Optional",
}
RANDOM = re.compile(r"test_bernoulli")  # no two implementations draw the same numbers


def types_of(value) -> set:
    """The element types of an input or output."""
    kind = value.WhichOneof("value")
    if kind == "tensor_type":
        return {value.tensor_type.elem_type}
    return {kind.split("_")[0]}


def reason_against(model) -> str:
    """Why a node test is out of scope; "" where it is in it."""
    types = set().union(*(types_of(v.type) for g in [model.graph] for v in [*g.input, *g.output]))
    if types & {"sequence", "optional", "map"}:
        return "sequences"
    if 8 in types:
        return "text"
    operators = {node.op_type for node in model.graph.node}
    for family, pattern in FAMILIES.items():
        if any(re.search(pattern, name) for name in operators):
            return family
    return "" if types <= NUMBERS else "floats below 16 bits, bfloat16, integers below 8 bits"


def items() -> list:
    """(category, name, function, model or None) of every official test."""
    from onnx.backend.test.runner import Runner

    import handgrad

    runner = Runner(handgrad.onnx.backend, __name__)
    return [
        (category, name.removesuffix("_cpu"), item.func, item.proto)
        for category, tests in runner._test_items.items()
        for name, item in sorted(tests.items())
        if name.endswith("_cpu")
    ]


def models_by_name() -> dict:
    """The models of the node tests, which the runner only knows when it runs."""
    from onnx.backend.test.loader import load_model_tests

    return {case.name: case for case in load_model_tests(kind="node")}


def random_is_right(case) -> None:
    """The shape, dtype and values of what is drawn."""
    import handgrad

    for inputs, outputs in case.data_sets:
        (y,) = handgrad.onnx.prepare(case.model).run(list(inputs))
        assert y.shape == outputs[0].shape
        assert y.dtype == outputs[0].dtype
        assert set(np.unique(y)) <= {0, 1}


def verdicts() -> list:
    """(category, name, verdict) of every official test, at once."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        os.environ["ONNX_HOME"] = folder
        found, cases = [], {}
        tests = items()
        cases = models_by_name()
        for category, name, function, _ in tests:
            case = cases.get(name)
            against = reason_against(case.model) if case is not None else ""
            if category == "SimpleModel" and re.search("sequence|strnorm", name):
                against = "sequences" if "sequence" in name else "text"
            found.append((category, name, f"out of scope: {against}" if against else
                          verdict(function, case, name)))  # fmt: skip
    return found


def verdict(function, case, name: str) -> str:
    """ "right", or what went wrong in a few words."""
    try:
        if RANDOM.match(name):
            random_is_right(case)
            return "right (random: shape, dtype and values)"
        function(None)
    except Exception as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        return f"wrong: {type(error).__name__} {' '.join(lines)[:120]}"
    return "right"


def summary(found: list) -> list:
    """One line for each category: right, in scope, all."""
    lines = []
    for category in (
        "NodeModel",
        "PyTorchConvertedModel",
        "PyTorchOperatorModel",
        "SimpleModel",
        "RealModel",
    ):
        mine = [v for c, _, v in found if c == category]
        inside = [v for v in mine if not v.startswith("out")]
        right = sum(v.startswith("right") for v in inside)
        lines.append((category, right, len(inside), len(mine)))
    training = [v for _, n, v in found if n.removeprefix("test_").startswith(TRAINING)
                or "nesterov" in n]  # fmt: skip
    lines.append(("of these, training", sum(v == "right" for v in training), len(training),
                  len(training)))  # fmt: skip
    return lines


def page(found: list) -> str:
    """docs/onnx-tests.md."""
    import onnx

    table = "\n".join(f"| {c} | {r:,} | {n:,} | {a:,} |" for c, r, n, a in summary(found))
    total = summary(found)[:-1]
    outside = Counter(v.removeprefix("out of scope: ") for _, _, v in found if v.startswith("out"))
    why = "\n".join(f"- {reason}: {n}" for reason, n in sorted(outside.items()))
    lists = []
    for category in dict.fromkeys(c for c, _, _ in found):
        mine = [(n.removeprefix("test_"), v) for c, n, v in found if c == category]
        for kind in sorted({v for _, v in mine}):
            names = " ".join(n for n, v in mine if v == kind)
            lists.append(f"**{category}, {kind}**\n\n{names}")
    right, inside = sum(r for _, r, _, _ in total), sum(n for _, _, n, _ in total)
    return (
        "# The official backend tests of ONNX\n\nWritten by `python -m tests.interop.onnx_score`; "
        f"a test that sinks fails CI.\nPackage onnx {onnx.__version__}, opset "
        f"{onnx.defs.onnx_opset_version()}. Right: {right:,} of {inside:,} in scope.\n\n"
        "| category | right | in scope | all |\n|---|---|---|---|\n"
        f"{table}\n\nOut of scope, by reason:\n\n{why}\n\n" + "\n\n".join(lists) + "\n"
    )


def main() -> int:
    """Run all, write the page, print what is wrong."""
    start = time.perf_counter()
    found = verdicts()
    for category, name, v in found:
        if v.startswith("wrong"):
            print(category, name, v)
    PAGE.write_text(page(found))
    for line in summary(found):
        print("{}: {} of {} in scope, {} in all".format(*line))
    print(f"{time.perf_counter() - start:.1f} s")
    return any(v.startswith("wrong") for _, _, v in found)


if __name__ == "__main__":
    sys.exit(main())
