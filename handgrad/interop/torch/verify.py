"""verify: the first layer in which a network and what it was made from part, with both numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.interop.compared import Compared, Verification, compare
from handgrad.interop.onnx.against import verify as verify_file
from handgrad.interop.torch.state import state_arrays
from handgrad.layer import walk
from handgrad.network import Network
from handgrad.tensor import Tensor, calls_behind, learning


def verify(network: Network, against: Any, x: Any, *, seed: int = 0) -> Verification:
    """Hold every layer's output and every gradient against those of a module of PyTorch's.

    against: the module that the network came from, whose names its layers have; or an ONNX file,
    as `handgrad.onnx.verify` takes it. x: an input (N, …). Both run in evaluation mode, with one
    random upstream gradient. Raises ValueError where no layer has the name of a module.
    """
    if not isinstance(network, Network):
        raise ValueError(f"verify: network must be a Network, got {type(network).__name__}")
    if isinstance(against, str | Path):
        return verify_file(network, against, x, seed=seed)
    import torch

    if not isinstance(against, torch.nn.Module):
        raise ValueError(
            f"verify: a module or an ONNX file is needed, got {type(against).__name__}"
        )
    x = np.asarray(x)
    rng = np.random.default_rng(seed)
    mode = against.training
    against.eval()
    try:
        theirs = _run_theirs(torch, against, x, rng)
    except RuntimeError as error:
        said = " ".join(str(error).split())
        raise ValueError(f"verify: the module cannot run on x: {said:.300}") from None
    finally:
        against.train(mode)
    with network.evaluating(), learning():
        ours = _run_ours(network, x, np.random.default_rng(seed))
    rows: list[Compared] = []
    for part in ("output", "gradient of the output"):
        names = [n for n in theirs[part] if n in ours[part]]
        rows += [compare(n, part, ours[part][n], theirs[part][n])
                 for n in (names if part == "output" else reversed(names))]  # fmt: skip
    for name, array in theirs["weights"].items():
        if name in ours["weights"]:
            layer, _, last = name.rpartition(".")
            rows.append(compare(layer, f"gradient of {last}", ours["weights"][name], array))
    if not rows:
        raise ValueError("verify: no layer has the name of a module; was it made by from_torch?")
    rows.append(compare("the input", "gradient", ours["input"], theirs["input"]))
    return Verification(rows)


def _run_theirs(torch: Any, module: Any, x: Array, rng: Any) -> dict[str, Any]:
    outputs: dict[str, Any] = {}

    def keep(name: str) -> Any:
        def hook(_: Any, __: Any, y: Any) -> None:
            y = y[0] if isinstance(y, tuple) else y
            if name not in outputs and y.requires_grad:
                y.retain_grad()
                outputs[name] = y

        return hook

    hooks = [m.register_forward_hook(keep(n)) for n, m in module.named_modules() if n]
    inputs = torch.tensor(x, requires_grad=x.dtype.kind == "f")
    module.zero_grad()
    try:
        y = module(inputs)
        y = y[0] if isinstance(y, tuple) else y
        y.backward(torch.from_numpy(_upstream(rng, y.detach().numpy())))
    finally:
        for hook in hooks:
            hook.remove()
    weights = {n: p.grad.numpy().copy() for n, p in module.named_parameters() if p.grad is not None}
    module.zero_grad()
    return {
        "output": {n: y.detach().numpy() for n, y in outputs.items()},
        "gradient of the output": {n: y.grad.numpy() for n, y in outputs.items()
                                   if y.grad is not None},
        "weights": weights,
        "input": None if inputs.grad is None else inputs.grad.numpy(),
    }  # fmt: skip


def _run_ours(network: Network, x: Array, rng: Any) -> dict[str, Any]:
    paths = {id(layer): getattr(layer, "torch_name", path) for path, layer in walk(network)}
    given = Tensor(x) if x.dtype.kind == "f" else x
    y = network(given)
    y = y[0] if isinstance(y, tuple) else y
    calls = calls_behind(y)
    held = [(paths[id(c.original)], c.outputs[0]()) for c in calls if id(c.original) in paths]
    y.backward(_upstream(rng, y.data), retain=True)
    first: dict[str, Any] = {}
    for name, tensor in held:
        if tensor is not None:
            first.setdefault(name, tensor)
    return {
        "output": {n: t.data for n, t in first.items()},
        "gradient of the output": {n: t.grad for n, t in first.items() if t.grad is not None},
        "weights": state_arrays(network, gradient=True),
        "input": given.grad if isinstance(given, Tensor) else None,
    }


def _upstream(rng: Any, y: Array) -> Array:
    dy: Array = rng.standard_normal(y.shape).astype(y.dtype)
    return dy
