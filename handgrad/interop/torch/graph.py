"""from_torch: a module of PyTorch's as a network of our layers, with its weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.interop.steps import Imported, Ref, Unsupported
from handgrad.interop.torch.functions import call_of
from handgrad.interop.torch.modules import layer_of
from handgrad.interop.torch.state import load_state_dict
from handgrad.network import Network, Sequential


def from_torch(module: Any, *example: Any) -> Network:
    """A network with the structure and the weights of a torch.nn.Module, on its inputs (N, …).

    A torch.nn.Sequential of layers that both have is a Sequential; anything else is traced by
    torch.fx and keeps the names of its modules. In evaluation mode if the module is.
    Raises ValueError that names every module and function without a counterpart, and where the
    outputs of both differ by more than rounding.
    """
    import torch

    if not isinstance(module, torch.nn.Module):
        raise ValueError(f"from_torch: a torch.nn.Module is needed, got a {type(module).__name__}")
    if not example:
        raise ValueError("from_torch: give an example of its inputs, such as torch.zeros(1, 784)")
    dtype = next((str(p.dtype).rpartition(".")[2] for p in module.parameters()), "float32")
    network = _single(module, dtype) or _sequential(module, dtype) or _traced(module, dtype)
    given, expected = _run(module, example)
    mode = module.training
    arrays = [x.numpy() for x in given]
    network.build(*arrays)
    load_state_dict(network, module.state_dict())
    _compare(network, arrays, expected)
    network.train() if mode else network.eval()
    return network


def _run(module: Any, example: tuple[Any, ...]) -> tuple[list[Any], Any]:
    """The example as tensors, and what the module makes of them in evaluation mode.

    Raises ValueError, with what PyTorch says, where it cannot.
    """
    import torch

    mode = module.training
    module.eval()
    try:
        given = [torch.as_tensor(x) for x in example]
        with torch.no_grad():
            return given, module(*given)
    except Exception as error:  # whatever the module's own code raises
        said = " ".join(str(error).split())
        raise ValueError(f"from_torch: the module cannot run on the example: {said:.300}") from None
    finally:
        module.train(mode)


def _single(module: Any, dtype: str) -> Network | None:
    """One layer of torch.nn. Raises ValueError where none of ours is it."""
    import torch

    kept = torch.nn.Sequential | torch.nn.ModuleList | torch.nn.ModuleDict | torch.nn.Identity
    if not type(module).__module__.startswith("torch.nn.") or isinstance(module, kept):
        return None
    try:
        layer: Any = layer_of(module)
    except Unsupported as error:
        raise ValueError(f"from_torch: no counterpart for the module ({error})") from None
    layer.torch_name = ""
    if not isinstance(module, torch.nn.MultiheadAttention):
        return Sequential(layer, dtype=dtype)
    inputs = ["query", "key", "value"]
    steps: list[Any] = [("y", "attention", tuple(map(Ref, inputs)), {})]
    network = Imported({"attention": layer}, steps, inputs, Ref("y"))
    network.dtype = np.dtype(dtype)
    return network


def _sequential(module: Any, dtype: str) -> Sequential | None:
    import torch

    if type(module) is not torch.nn.Sequential:
        return None
    children = [c for c in module.children() if type(c) is not torch.nn.Identity]
    if any(isinstance(c, torch.nn.Sequential | torch.nn.RNNBase) or list(c.children())
           for c in children):  # fmt: skip
        return None
    found, wrong = [], []
    for name, child in module.named_children():
        if type(child) is torch.nn.Identity:
            continue
        try:
            layer: Any = layer_of(child)
            layer.torch_name = name
            found.append(layer)
        except Unsupported as error:
            wrong.append(f"{name} ({error})")
    _refuse(wrong)
    return Sequential(*found, dtype=dtype)


def _traced(module: Any, dtype: str) -> Network:
    import torch

    class Tracer(torch.fx.Tracer):
        def is_leaf_module(self, m: Any, name: str) -> bool:
            return type(m).__module__.startswith("torch.nn.") and not isinstance(
                m, torch.nn.Sequential | torch.nn.ModuleList | torch.nn.ModuleDict
            )

    try:
        graph = Tracer().trace(module)
    except Exception as error:  # whatever the module's own code raises while it is traced
        raise ValueError(
            f"from_torch: torch.fx cannot trace {type(module).__name__}: {error}. What it cannot "
            "follow, such as an if by numbers, has to be written as a Network by hand"
        ) from None
    inner: dict[str, Any] = {}
    steps: list[Any] = []
    inputs: list[str] = []
    wrong: list[str] = []
    output: Any = None
    for node in graph.nodes:
        args, kwargs = _refs(node.args), _refs(node.kwargs)
        if node.op == "placeholder":
            inputs.append(node.name)
        elif node.op == "output":
            output = args[0]
        elif node.op == "call_module":
            _call_module(module, node, inner, steps, wrong, args)
        else:
            try:
                steps.append((node.name, *call_of(node, args, kwargs)))
            except Unsupported as error:
                wrong.append(f"{node.name} ({error})")
    _refuse(wrong)
    network = Imported(inner, steps, inputs, output)
    network.dtype = np.dtype(dtype)
    return network


def _call_module(module: Any, node: Any, inner: Any, steps: Any, wrong: Any, args: Any) -> None:
    import torch

    target = module.get_submodule(node.target)
    if isinstance(target, torch.nn.Identity):
        steps.append((node.name, lambda x: x, args, {}))
        return
    try:
        if node.target not in inner:
            layer: Any = layer_of(target)
            layer.torch_name = node.target
            inner[node.target] = layer
        call: Any = node.target
        if isinstance(target, torch.nn.RNNBase | torch.nn.MultiheadAttention):
            args = args[:3] if isinstance(target, torch.nn.MultiheadAttention) else args[:1]
            steps.append((f"{node.name}_y", call, args, {}))
            steps.append((node.name, lambda y: (y, None), (Ref(f"{node.name}_y"),), {}))
            return
        steps.append((node.name, call, args, {}))
    except Unsupported as error:
        wrong.append(f"{node.target} ({error})")


def _refs(value: Any) -> Any:
    """Arguments of a node with the nodes among them as names."""
    if hasattr(value, "op") and hasattr(value, "target"):
        return Ref(value.name)
    if isinstance(value, dict):
        return {k: _refs(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return tuple(map(_refs, value))
    if isinstance(value, slice):
        return slice(*(_refs(v) for v in (value.start, value.stop, value.step)))
    return value


def _refuse(wrong: list[str]) -> None:
    if wrong:
        raise ValueError(f"from_torch: no counterpart for {'; '.join(wrong)}")


def _compare(network: Network, arrays: list[Any], expected: Any) -> None:
    """Raise ValueError unless the network gives what the module gave."""
    first = expected[0] if isinstance(expected, tuple) else expected
    y = network.predict(*arrays, engine="numpy") if len(arrays) == 1 else None
    if y is None:
        with network.evaluating():
            y = np.asarray(network(*arrays))
    y = y[0] if isinstance(y, tuple) else y
    there = first.detach().numpy()
    wide = 1e-4 if there.dtype == np.float32 else 1e-9
    if y.shape != there.shape or not np.allclose(
        y, there, wide, wide * max(1, np.abs(there).max())
    ):
        off = np.abs(y - there).max() if y.shape == there.shape else f"{y.shape}, {there.shape}"
        raise ValueError(f"from_torch: the outputs differ ({off}); `verify` says in which layer")
