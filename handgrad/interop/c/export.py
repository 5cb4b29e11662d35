"""export_c: a network as one C99 file and its header, with its backward and its update."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.compile.values import NotNative
from handgrad.interop.c.golden import Golden, golden, golden_outputs
from handgrad.interop.c.losses import require_loss, require_optimizer
from handgrad.interop.c.program import Program, plan
from handgrad.interop.c.self_test import self_test
from handgrad.interop.c.text import Text, shape_of
from handgrad.layer import as_input, walk
from handgrad.layers import Affine
from handgrad.network import Network
from handgrad.optim import SGD
from handgrad.train.write import write_whole

KEYWORDS = {
    "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else",
    "enum", "extern", "float", "for", "goto", "if", "inline", "int", "long", "register",
    "restrict", "return", "short", "signed", "sizeof", "static", "struct", "switch", "typedef",
    "union", "unsigned", "void", "volatile", "while",
}  # fmt: skip


@dataclass(frozen=True)
class Exported:
    """What was written, and the bytes that it needs.

    source, header: the files. weights: the struct of parameters: flash where it is only read, RAM
    where it learns. state: the working memory, RAM. error: with weights of 8 bits, the largest
    difference of an output from that of float32, relative to the largest output.
    """

    source: Path
    header: Path
    weights: int
    state: int
    error: float | None = None

    @property
    def flash(self) -> int:
        """Bytes of constants; the code comes besides."""
        return self.weights


def export_c(
    network: Network, path: str | os.PathLike[str], *, batch: int = 1, training: bool = True,
    loss: Any = None, optimizer: Any = None, weights: str = "float32", name: str | None = None,
    x: Any = None,
) -> Exported:  # fmt: skip
    """Write a network as one C99 file and its header, which need math.h, string.h and stdint.h.

    path: of the file, with or without .c; the header lies beside it. name: what the functions and
    structs begin with; by default the file's. batch: the number of samples of every call, fixed.
    training: also print `NAME_backward` and `NAME_update`. loss: without one, backward takes the
    gradient of the outputs. optimizer: SGD (by default), Adam or AdamW, the rate being an argument
    of update. weights: "int8" stores matrices and filters with 8 bits, one scale for each output
    channel, biases and the recurrent Wh as float32; for predictions alone. x: a few samples; only
    their shape counts, and a network that begins with Affine needs none. (x, mask) for a network
    that takes a mask of steps (N, T) too: predict and backward then take it after x. What layers
    with stateful=True keep lies in the state; `NAME_reset` clears it.
    The file tests itself where NAME_SELF_TEST is defined: outputs, loss, gradients and one update
    against Python, to 1e-5 of the largest element.
    Returns the sizes, which the header states too.
    Raises ValueError for what has no form in C, with all layers named; then nothing is written.
    """
    path = Path(path)
    stem = path.with_suffix("") if path.suffix in (".c", ".h") else path
    source, header = stem.with_name(stem.name + ".c"), stem.with_name(stem.name + ".h")
    for file in (source, header):
        if file.is_dir():
            raise ValueError(f"export_c: {file} is a folder; give another path")
    name = check(network, stem.name if name is None else name, batch, training, weights)
    inputs = inputs_of(network, x)
    samples = inputs[0]
    try:
        network.build(*inputs)
    except TypeError:
        if len(inputs) == 1:
            raise
        raise ValueError(f"export_c: {type(network).__name__} does not take (x, mask)") from None
    for array in arrays_of(network):
        if not np.isfinite(array).all():
            raise ValueError("export_c: every parameter must be finite, got NaN or infinity")
    optimizer = SGD() if optimizer is None else optimizer
    try:
        if training:
            require_parts(loss, optimizer)
        program = plan(
            network, inputs, batch, training=training, loss=loss, optimizer=optimizer,
            int8=weights == "int8",
        )  # fmt: skip
    except NotNative as reason:
        raise ValueError(f"export_c: cannot export {reason}") from None
    integers = samples.dtype.kind in "iub"
    found = golden(network, program, integers, loss, optimizer)
    error = error_of(network, program, found) if weights == "int8" else None
    text = Text(program, name, loss, optimizer, integers, "")
    text.rate = float(optimizer.lr) if training else 0.0
    sizes = text.sizes()
    text.note = note(network, text, sizes, batch, error)
    code = text.source(self_test(text, found)).replace(f'"{name}.h"', f'"{header.name}"', 1)
    declared = text.header()
    write_whole(source, code.encode())
    write_whole(header, declared.encode())
    return Exported(source, header, *sizes, error)


def check(network: Any, name: str, batch: Any, training: bool, weights: str) -> str:
    """The name, once the arguments were seen to fit."""
    if not isinstance(network, Network):
        raise ValueError(f"export_c: network must be a Network, got {type(network).__name__}")
    if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) or name in KEYWORDS:
        raise ValueError(f"export_c: name must be a name in C, such as model, got {name!r}")
    if not isinstance(batch, int) or isinstance(batch, bool) or batch < 1:
        raise ValueError(f"export_c: batch must be an integer of at least 1, got {batch!r}")
    if weights not in ("float32", "int8"):
        raise ValueError(f'export_c: weights must be "float32" or "int8", got {weights!r}')
    if weights == "int8" and training:
        raise ValueError('export_c: weights="int8" cannot learn; give training=False')
    if np.dtype(network.dtype) != np.float32:
        raise ValueError(
            f"export_c: C computes in float32, the network's dtype is {np.dtype(network.dtype)}; "
            "export network.astype(np.float32)"
        )
    return name


def inputs_of(network: Any, x: Any) -> tuple[Array, ...]:
    """Three samples of the shape of x, or of the first layer's W; and a mask, if one is given."""
    if not isinstance(x, tuple):
        return (samples_of(network, x),)
    if len(x) != 2:
        raise ValueError(f"export_c: x must be samples, or (x, mask), got {len(x)} arrays")
    samples, mask = samples_of(network, x[0]), np.asarray(x[1])
    if mask.dtype != bool or mask.ndim != 2 or mask.shape != np.shape(x[0])[:2]:
        raise ValueError(
            f"export_c: the second input must be a mask of booleans (N, T) = "
            f"{np.shape(x[0])[:2]}, got {mask.dtype} {mask.shape}"
        )
    return samples, np.ones_like(mask, shape=(3, mask.shape[1]))


def samples_of(network: Any, x: Any) -> Array:
    """Three samples of the shape of x, or of the first layer's W."""
    if x is None:
        first = network.members[0] if getattr(network, "members", ()) else None
        size = getattr(first, "inputs", None) if isinstance(first, Affine) else None
        if size is None:
            raise ValueError(
                f"export_c: x=samples is needed, the shape of {type(first).__name__}'s input is "
                "not known"
            )
        return np.zeros((3, size), np.float32)
    try:
        x = as_input(x, network.dtype)
    except ValueError:
        raise ValueError(
            f"export_c: x must be samples (N, ...), or the tuple (x, mask), got {type(x).__name__}"
        ) from None
    if not x.ndim or not len(x):
        raise ValueError(f"export_c: x must be samples (N, ...) with N at least 1, got {x.shape}")
    return np.concatenate([x[:1]] * 3)


def arrays_of(network: Network) -> list[Array]:
    """The parameters and the running statistics."""
    buffers = [getattr(layer, name) for _, layer in walk(network)
               for name in getattr(layer, "buffers", ())]  # fmt: skip
    return [network.parameters, *(b for b in buffers if isinstance(b, np.ndarray))]


def require_parts(loss: Any, optimizer: Any) -> None:
    """Raise NotNative naming the loss and the optimizer, where they have no form."""
    wrong = []
    for require, part in ((require_loss, loss), (require_optimizer, optimizer)):
        try:
            if part is not None:
                require(part)
        except NotNative as reason:
            wrong.append(str(reason))
    if wrong:
        raise NotNative("; ".join(wrong))


def error_of(network: Network, p: Program, found: Golden) -> float:
    """How far the outputs are from those of float32."""
    exact, y = golden_outputs(network.astype(np.float64), p, found.x)[0], found.y[0]
    return float(np.abs(y - exact).max() / max(float(np.abs(exact).max()), 1e-30))


def note(network: Any, text: Text, sizes: tuple[int, int], batch: int, error: Any) -> str:
    """The header's first comment."""
    p, (weights, state) = text.p, sizes
    trains = p.backward is not None
    lines = [
        f"{text.name}: a network of {type(network).__name__}, written by handgrad.",
        f"x {shape_of(p.x_shape)}, y {shape_of(p.y_shape)}; every call takes {batch} "
        f"sample{'s' * (batch > 1)}.",
        f"Weights {weights:,} bytes: flash{', and RAM for the copy that learns' * trains}. "
        f"State {state:,} bytes: RAM.",
    ]
    if error is not None:
        lines.append(f"Weights of 8 bits: outputs differ from float32's by {error:.1e} of the "
                     "largest (on the self-test's x).")  # fmt: skip
    lines.append(f"Self-test: cc -std=c99 -D{text.name.upper()}_SELF_TEST FILE.c -lm")
    return "\n * ".join(lines)
