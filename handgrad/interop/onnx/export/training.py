"""save_training: forward, loss, gradient and update rule as one ONNX file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.inside import walk
from handgrad.interop.onnx.export.builder import Builder, NeedsOpset, NoForm, value
from handgrad.interop.onnx.export.save import (
    OLDEST,
    Writer,
    compare,
    examples,
    require_target,
    texts,
)
from handgrad.interop.onnx.export.traced import Trace, trace
from handgrad.interop.onnx.messages import Message
from handgrad.interop.onnx.operators.registry import TRAINING
from handgrad.interop.onnx.tensors import tensor_of
from handgrad.interop.onnx.wire import write
from handgrad.layer import is_layer
from handgrad.layers import BatchNorm, Dropout, VariationalDropout
from handgrad.network import Network
from handgrad.optim import SGD, AdaGrad, Adam, Momentum, Nesterov, Optimizer
from handgrad.train.write import write_whole


class Criterion(Network):
    """The loss as a network of the outputs and the targets, for the trace."""

    def __init__(self, loss: Any, dtype: Any):
        self.loss, self.dtype = loss, dtype

    def __call__(self, y: Any, t: Any) -> Any:
        return self.loss(y, t)


def save_training(
    network: Any, path: str | os.PathLike[str], *, loss: Any, optimizer: Any, example: Any,
    opset: int | None = None, metadata: Mapping[str, Any] | None = None,
) -> Path:  # fmt: skip
    """Write a network that goes on learning elsewhere: the graph of its predictions, and a training
    graph with the loss, the operator Gradient, and one of the operators Adam, Adagrad or Momentum.

    example: (x, …, t), a few samples and their targets. loss: a loss of ours. optimizer: SGD,
    Momentum, Nesterov, AdaGrad or Adam, with a number as learning rate; what it has accumulated
    goes along. BatchNorm learns by the batch, and its running statistics are among what is updated;
    dropout's masks are drawn by whoever runs the file, anew each time. An execution of the training
    graph takes x, …, t, and its update binding says which output replaces which initializer:
    parameters, accumulated gradients, and the step number.
    ONNX adds Adam's ε to √v itself, where the paper adds it to the corrected one.
    Raises ValueError as `save` does, and for options of the optimizer that have no operator.
    """
    require_target(network, Path(path), opset)
    if not (is_layer(loss) and isinstance(optimizer, Optimizer)):
        raise ValueError(
            "onnx: a loss and an optimizer are needed, such as SoftmaxCrossEntropy() and Adam(), "
            f"got {type(loss).__name__} and {type(optimizer).__name__}"
        )
    arrays = list(example) if isinstance(example, tuple | list) else []
    if len(arrays) < 2:
        raise ValueError("onnx: example must be (x, …, t): samples, and their targets last")
    inputs, t = examples(network, tuple(arrays[:-1])), np.asarray(arrays[-1])
    network.build(*inputs)
    require(network, optimizer)
    y = network.predict(inputs[0]) if len(inputs) == 1 else np.asarray(network(*inputs))
    if t.dtype.kind == "f":
        t = t.astype(network.dtype)
    target = OLDEST if opset is None else opset
    while True:
        try:
            traces = trace(network, inputs), trace(Criterion(loss, network.dtype), [y, t])
            message = model_of(network, inputs, t, traces, optimizer, target, texts(metadata))
            break
        except NeedsOpset as needed:
            if opset is not None:
                raise ValueError(f"onnx: opset {needed.opset} is needed, got opset={opset}"
                                 ) from None  # fmt: skip
            target = needed.opset
        except NoForm as reason:
            raise ValueError(f"onnx: {type(network).__name__} cannot be exported: {reason}"
                             ) from None  # fmt: skip
    data = b"".join(bytes(piece) for piece in write(message))
    compare(network, inputs, data, False)
    write_whole(Path(path), data)
    return Path(path)


def require(network: Any, optimizer: Any) -> None:
    """Raise ValueError for what has no operator: all of it at once."""
    wrong = []
    if type(optimizer) not in (SGD, Momentum, Nesterov, AdaGrad, Adam):
        wrong.append(f"{type(optimizer).__name__} (SGD, Momentum, Nesterov, AdaGrad, Adam have)")
    if callable(optimizer.lr):
        wrong.append("a schedule as learning rate")
    for name in ("weight_decay", "clip_norm", "clip_value", "lr_scale"):
        if getattr(optimizer, name, None):
            wrong.append(f"{name}={getattr(optimizer, name)!r}")
    if getattr(network, "frozen", None):
        wrong.append("frozen parameters")
    if wrong:
        raise ValueError(f"onnx: no operator of training for {'; '.join(wrong)}")


def model_of(
    network: Any, inputs: list[Any], t: Any, traces: tuple[Trace, Trace], optimizer: Any,
    opset: int, metadata: dict[str, str],
) -> Message:  # fmt: skip
    """The model with its training graph."""
    b = Builder(opset, network.dtype)
    b.names |= {"t", "rate", "step", "next_step", "loss"}
    writer = Writer(network, traces[0], b)
    infos, made = writer.graph(inputs)
    split, held = len(b.nodes), dict(b.initializers)
    learned = [path for path, *_ in network.layout]
    names = {path: path.removeprefix("nodes.") for path in learned}
    if missing := [p for p, n in names.items() if n not in held]:
        raise NoForm(f"{', '.join(missing[:5])} lie in the file in another layout")
    known = [i.name for i in infos]
    y = in_training(b, network, traces[0], known) or made[0].name
    criterion = Writer(network, traces[1], b)
    for entry, name in zip(traces[1].entries, (y, "t")):
        criterion.names[id(entry)] = name
    criterion.uses(traces[1])
    criterion.rename(b.node("Identity", [criterion.names[id(traces[1].outputs[0])]]), "loss")
    held_fast = [*known, "t", *b.masks]
    gradients = b.node("Gradient", [*names.values(), *held_fast], outputs=len(names),
                       domain=TRAINING, xs=list(names.values()), zs=held_fast,
                       y="loss")  # fmt: skip
    gradients = [gradients] if isinstance(gradients, str) else gradients
    b.initializers["rate"] = np.asarray(optimizer.learning_rate(), b.dtype)
    b.initializers["step"] = np.asarray(optimizer.steps + isinstance(optimizer, Adam), np.int64)
    bindings = updates(b, network, optimizer, names, gradients)
    b.nodes.append(Message("Node", name="next_step", op_type="Add", output=["next_step"],
                           input=["step", b.constant(np.asarray(1, np.int64))]))  # fmt: skip
    bindings |= {**b.followed, "step": "next_step"}
    algorithm = Message(
        "Graph", name="training", node=b.nodes[split:],
        input=[value("t", t.dtype, ("N", *t.shape[1:]))],
        output=[value("loss", network.dtype, ()),
                *(value(n, b.initializers[k].dtype, b.initializers[k].shape)
                  for k, n in bindings.items())],
        initializer=[tensor_of(n, a) for n, a in b.initializers.items() if n not in held],
    )  # fmt: skip
    training = Message("Training", algorithm=algorithm, update_binding=[
        Message("Entry", key=k, value=v) for k, v in bindings.items()
    ])  # fmt: skip
    b.nodes, b.initializers = b.nodes[:split], held
    return b.model(infos, made, type(network).__name__, metadata, [training])


def in_training(b: Builder, network: Any, traced: Trace, inputs: list[str]) -> str | None:
    """The output as it is in training, written anew where a layer is another one there."""
    if not any(isinstance(layer, BatchNorm | Dropout | VariationalDropout)
               for _, layer in walk(network)):  # fmt: skip
        return None
    writer, b.training = Writer(network, traced, b), True
    writer.names = {id(entry): name for entry, name in zip(traced.entries, inputs)}
    writer.uses(traced)
    b.training = False
    return writer.names[id(traced.outputs[0])]


RULES: dict[type, tuple[str, tuple[str, ...]]] = {
    SGD: ("Momentum", ("",)), Momentum: ("Momentum", ("v",)), Nesterov: ("Momentum", ("v",)),
    AdaGrad: ("Adagrad", ("h",)), Adam: ("Adam", ("m", "v")),
}  # fmt: skip


def options(optimizer: Any) -> dict[str, Any]:
    """The attributes of the operator."""
    if isinstance(optimizer, Adam):
        return {"alpha": float(optimizer.beta1), "beta": float(optimizer.beta2),
                "epsilon": float(optimizer.eps)}  # fmt: skip
    if isinstance(optimizer, AdaGrad):
        return {"epsilon": float(optimizer.eps), "decay_factor": 0.0}
    mode = "nesterov" if isinstance(optimizer, Nesterov) else "standard"
    return {"alpha": float(getattr(optimizer, "momentum", 0.0)), "beta": 1.0, "mode": mode}


def updates(
    b: Builder, network: Any, optimizer: Any, names: dict[str, str], gradients: list[str]
) -> dict[str, str]:
    """The nodes of the rule, decayed parameters apart; which output replaces which initializer."""
    op, kinds = RULES[type(optimizer)]
    found: dict[str, str] = {}
    groups: dict[float, list[int]] = {}
    for i, (_, _, _, shape) in enumerate(network.layout):
        groups.setdefault(optimizer.l2 if decayed(optimizer, network.layout[i][0], shape) else 0.0,
                          []).append(i)  # fmt: skip
    for l2, members in groups.items():
        states = [state_of(b, network, optimizer, kind, members, names) for kind in kinds]
        given = [list(names.values())[i] for i in members]
        inputs = ["rate", "step", *given, *(gradients[i] for i in members),
                  *(s for column in states for s in column)]  # fmt: skip
        count = len(members) * (1 + len(kinds))
        made = b.node(op, inputs, outputs=count, domain=TRAINING, **options(optimizer),
                      norm_coefficient=float(l2))  # fmt: skip
        made = [made] if isinstance(made, str) else made
        found |= dict(zip([*given, *(s for column in states for s in column)], made))
    return found


def decayed(optimizer: Any, path: str, shape: tuple[int, ...]) -> bool:
    """Whether l2 is on this parameter."""
    if optimizer.decay_on is None:
        return len(shape) > 1
    return any(not p or path == p or path.startswith(f"{p}.") for p in optimizer.decay_on)


def state_of(
    b: Builder, network: Any, optimizer: Any, kind: str, members: list[int], names: dict[str, str]
) -> list[str]:
    """What the optimizer has accumulated, one initializer for each parameter."""
    made = []
    flat = optimizer.state.get(kind)
    for i in members:
        path, start, stop, shape = network.layout[i]
        array = np.zeros(shape, b.dtype)
        if flat is not None and flat.size:
            array = flat[start:stop].reshape(shape).astype(b.dtype)
            if isinstance(optimizer, Momentum):  # ours holds the rate, with the opposite sign
                array = -array / b.dtype.type(optimizer.learning_rate())
        name = b.new(f"{names[path]}.{kind or 'v'}")
        b.initializers[name] = array
        made.append(name)
    return made
