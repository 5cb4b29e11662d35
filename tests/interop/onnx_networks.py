"""The official node tests as networks: `python -m tests.interop.onnx_networks`.

Each model in scope is loaded as a network and run on tensors, so that layers and expressions stand
in for the operators; the outputs must be those of the test.
"""

from __future__ import annotations

import sys
import warnings

import numpy as np

import handgrad as hg
from handgrad.interop.onnx.convert.network import Imported
from tests.interop.onnx_score import RANDOM, models_by_name, reason_against


def arrays_of(values) -> list:
    from onnx import TensorProto
    from onnx.numpy_helper import to_array

    return [to_array(v) if isinstance(v, TensorProto) else np.asarray(v) for v in values]


def wrong(case) -> str:
    """What the network gives that the test does not; "" where all is right."""
    network = hg.onnx.load(case.model.SerializeToString())
    inputs, outputs = (arrays_of(values) for values in case.data_sets[0])
    names = [v.name for v in case.model.graph.input]
    if isinstance(network, Imported):
        inputs = [inputs[names.index(name)] for name, _ in network.inputs]
    else:
        inputs = inputs[:1]
    given = [hg.Tensor(x.astype(network.dtype)) if x.dtype.kind == "f" else x for x in inputs]
    with network.evaluating(), np.errstate(all="ignore"):
        y = network(*given)
    y = np.asarray(y.data if isinstance(y, hg.Tensor) else y)
    halves = any(x.dtype == np.float16 for x in inputs)
    rtol, atol = (2e-2, 2e-3) if halves else (case.rtol, 1e-5)
    close = y.shape == outputs[0].shape and np.allclose(y, outputs[0], rtol, atol, equal_nan=True)
    return "" if close else "another result"


def main() -> int:
    """Run all, print what is wrong."""
    right, failed, without = 0, 0, 0
    warnings.simplefilter("ignore")
    for name, case in models_by_name().items():
        trains = "training" in name or name.startswith(("test_ada", "test_momentum"))
        if reason_against(case.model) or RANDOM.match(name) or trains:
            continue
        if not any(v.name not in {i.name for i in case.model.graph.initializer}
                   for v in case.model.graph.input):  # fmt: skip
            without += 1
            continue
        try:
            said = wrong(case)
        except Exception as error:
            said = f"{type(error).__name__} {error}"
        right, failed = right + (not said), failed + bool(said)
        if said:
            print(name, said[:200])
    print(f"as networks {right:,} of {right + failed:,} right; {without} have no input")
    return failed


if __name__ == "__main__":
    sys.exit(bool(main()))
