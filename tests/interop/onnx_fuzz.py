"""Spoilt ONNX files: `python -m tests.interop.onnx_fuzz [count] [seed]` reads many of them.

Each must be read, or refused by ValueError in one line, within two seconds of processor
time; nothing is executed.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from handgrad import (
    LSTM,
    Affine,
    BatchNorm,
    Convolution,
    Embedding,
    Flatten,
    LayerNorm,
    MaxPooling,
    Network,
    ReLU,
    Sequential,
    Softmax,
)
from handgrad.interop.onnx.export import save
from handgrad.interop.onnx.export.builder import Builder, attribute, value
from handgrad.interop.onnx.messages import Message
from handgrad.interop.onnx.prepared import prepare
from handgrad.interop.onnx.tensors import tensor_of
from handgrad.interop.onnx.wire import read as read_message
from handgrad.interop.onnx.wire import write
from handgrad.onnx import load

SECONDS = 2.0


class Words(Network):
    """Indices, an embedding, a recurrent layer."""

    def __init__(self):
        self.embedding, self.lstm, self.out = Embedding(5, 3), LSTM(2), Affine(2)

    def __call__(self, ids):
        return self.out(self.lstm(self.embedding(ids)))


def corpus(folder) -> list[bytes]:
    """Small valid files: layers, halves, control flow, functions, a sparse initializer."""
    rng = np.random.default_rng(0)
    image = rng.normal(size=(2, 1, 6, 6)).astype(np.float32)
    networks = [
        (Sequential(Affine(4, inputs=3), ReLU(), Affine(2), Softmax()), None, {}),
        (Sequential(Convolution(2, 3), BatchNorm(), ReLU(), MaxPooling(2), Flatten(), Affine(2)),
         image, {"float16": True}),
        (Sequential(Affine(4, inputs=3), LayerNorm(), Affine(2)), None, {"opset": 20}),
        (Words(), rng.integers(0, 5, (2, 4)), {}),
    ]  # fmt: skip
    files = []
    for i, (network, example, options) in enumerate(networks):
        path = save(network, folder / f"{i}.onnx", example=example, **options)
        files.append(path.read_bytes())
    return [*files, loop_file()]


def loop_file() -> bytes:
    """A loop around a function, with shape arithmetic."""
    b = Builder(17, np.float32)
    shape = b.node("Shape", ["x"])
    b.node("Expand", [np.float32(1), b.node("Concat", [shape, np.array([2], np.int64)], axis=0)])
    body = Message(
        "Graph", name="body",
        node=[Message("Node", op_type="twice", domain="own", input=["s"], output=["s2"]),
              Message("Node", op_type="Identity", input=["c"], output=["c2"])],
        input=[value("i", np.int64, ()), value("c", np.bool_, ()), value("s", np.float32, ("N",))],
        output=[value("c2", np.bool_, ()), value("s2", np.float32, ("N",))],
    )  # fmt: skip
    loop = Message("Node", op_type="Loop", name="loop", input=["n", "", "x"], output=["y"])
    loop.attribute = [Message("Attribute", name="body", g=body, type=5)]
    b.nodes.append(loop)
    b.initializers["n"] = np.asarray(3, np.int64)
    function = Message(
        "Function", name="twice", domain="own", input=["a"], output=["b"],
        node=[Message("Node", op_type="Add", input=["a", "a"], output=["b"])],
        opset_import=[Message("Opset", version=17)],
    )  # fmt: skip
    model = b.model([value("x", np.float32, ("N",))], [value("y", np.float32, ("N",))], "g", {})
    model.functions = [function]
    model.opset_import = [*model.opset_import, Message("Opset", domain="own", version=1)]
    model.graph.sparse_initializer = [Message(
        "Sparse", values=tensor_of("s", np.ones(2, np.float32)),
        indices=tensor_of("", np.array([0, 2])), dims=[4],
    )]  # fmt: skip
    model.graph.node[0].attribute = [attribute("start", 0)]
    return b"".join(bytes(piece) for piece in write(model))


def spoilt(data: bytes, rng) -> bytes:
    """The file with a few bytes changed, cut, repeated, or put elsewhere."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        at, size = int(rng.integers(0, len(out))), int(rng.integers(1, 9))
        kind = rng.integers(-10, 7)  # most leave the length as it is
        if kind < 1:
            out[at] = int(rng.integers(0, 256))
        elif kind == 1:
            out[at] ^= 1 << int(rng.integers(0, 8))
        elif kind == 2:
            out[at : at + size] = rng.bytes(size)
        elif kind == 3:
            del out[at : at + size]
        elif kind == 4:
            out[at:at] = rng.bytes(size)
        elif kind == 5:
            out[at:at] = out[at // 2 : at // 2 + 8 * size]
        else:
            del out[at:]
        if not out:
            return b"\n"
    return bytes(out)


def parts(message: Message) -> list[Message]:
    """A message and all inside it."""
    found = [message]
    for field in vars(message).values():
        for one in field if isinstance(field, list) else [field]:
            if isinstance(one, Message):
                found += parts(one)
    return found


def twisted(data: bytes, rng) -> bytes:
    """A file that is well-formed, with a few fields that make no sense."""
    model = read_message(data)
    for _ in range(int(rng.integers(1, 4))):
        every = parts(model)
        one = every[int(rng.integers(len(every)))]
        names = [k for k in vars(one) if k != "kind"]
        if not names:
            continue
        name = names[int(rng.integers(len(names)))]
        old = getattr(one, name)
        if isinstance(old, int):
            setattr(one, name, int(rng.choice([0, 1, -1, 7, 12, 2**31, 2**62, -(2**63), 29])))
        elif isinstance(old, float):
            setattr(one, name, float(rng.choice([np.nan, np.inf, -1e30, 0])))
        elif isinstance(old, str):
            others = [getattr(m, n) for m in every for n in vars(m)
                      if n != "kind" and isinstance(getattr(m, n), str)]  # fmt: skip
            setattr(one, name, others[int(rng.integers(len(others)))])
        elif isinstance(old, np.ndarray):
            setattr(one, name, rng.integers(-3, 70000, int(rng.integers(0, 5))))
        elif isinstance(old, list) and len(old):
            at = int(rng.integers(len(old)))
            setattr(one, name, old[:at] + old[at + 1 :] if rng.random() < 0.5 else [*old, old[at]])
        elif isinstance(old, memoryview):
            setattr(one, name, memoryview(rng.bytes(int(rng.integers(0, 40)))))
        else:
            delattr(one, name)
    return b"".join(bytes(piece) for piece in write(model))


def answer(read, data) -> str:
    """What reading says: nothing where it succeeds."""
    try:
        read(data)
    except ValueError as error:
        return str(error)
    return ""


def read_all(files: list[bytes], count: int, seed: int) -> tuple[int, float]:
    """How many spoilt files were read nevertheless, and the longest time for one."""
    rng, good, longest = np.random.default_rng(seed), 0, 0.0
    for i in range(count):
        spoil = twisted if i % 2 else spoilt
        data = spoil(files[i % len(files)], rng)
        start = time.process_time()
        answers = [answer(read, data) for read in (load, prepare)]
        good += answers.count("")
        assert all(len(text.splitlines()) < 2 for text in answers), answers
        longest = max(longest, time.process_time() - start)
        assert longest < SECONDS, f"file {i} of seed {seed} took {longest:.1f} s"
    return good, longest


def main() -> None:
    """Read as many spoilt files as asked for."""
    import tempfile
    from pathlib import Path

    count, seed = (int(a) for a in (*sys.argv[1:], "100000", "0")[:2]) if len(sys.argv) > 2 else (
        int(sys.argv[1]) if len(sys.argv) > 1 else 100_000, 0
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        files = corpus(Path(folder))
    start = time.perf_counter()
    good, longest = read_all(files, count, seed)
    seconds = time.perf_counter() - start
    print(f"{count:,} spoilt files, read twice each: {good:,} readings succeeded, the others were")
    print(f"refused in one line; the longest took {longest:.2f} s, all {seconds:.0f} s")


if __name__ == "__main__":
    main()
