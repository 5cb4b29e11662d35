"""Whatever a model file says, reading it ends in a model or in one line of ValueError."""

from __future__ import annotations

import random
import time
import warnings

import numpy as np
import pytest

from handgrad import (
    LSTM,
    Adam,
    Affine,
    BatchNorm,
    Convolution,
    Embedding,
    Flatten,
    Index,
    MaxPooling,
    Network,
    Parallel,
    ReLU,
    Reshape,
    Residual,
    Sequential,
    Tanh,
    Tile,
)
from handgrad.layers import OneHot, Pad, Sum
from handgrad.layers.standardize import Standardize
from handgrad.train import EarlyStopping, InputSpec, OutputSpec, Trainer
from handgrad.train.checkpoint import load_checkpoint, pack
from handgrad.train.inputs import all_predictions

from ..test_layer import BookAffine
from .mutate import mutate


class Mine(Network):
    def __init__(self, inner, width=3):
        self.inner, self.width = inner, width
        self.last = Affine(width)

    def __call__(self, x):
        return self.last(self.inner(x))


CLASSES = (BookAffine, Mine)
DATA = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
LABELS = np.arange(12) % 2


def images() -> bytes:
    network = Sequential(
        Convolution(3, 3, pad=1), BatchNorm(), ReLU(), MaxPooling(2),
        Pad(((0, 0), (0, 0), (1, 1), (0, 0))), Flatten(), Affine(2),
    )  # fmt: skip
    network.build(np.zeros((1, 1, 6, 6), np.float32))
    return pack(network, input=InputSpec((1, 6, 6), "uint8", scale=255.0),
                output=OutputSpec("scores", ("cat", "dog")))  # fmt: skip


def words() -> bytes:
    network = Sequential(Embedding(9, 4), LSTM(3), Index((slice(None), -1)), Affine(2))
    network.build(np.zeros((1, 5), np.int64))
    return pack(network, input=InputSpec((5,), "int64"), output=["no", "yes"])


def rich() -> bytes:
    shared = Affine(4)
    network = Sequential(
        Standardize(np.arange(4.0), np.full(4, 2.0)), shared, Residual(Affine(4), Tanh(), shared),
        Parallel(Affine(2, bias=False), Sequential(ReLU(), Affine(3))), Reshape((-1, 1, 5)),
        Tile((1, 2, 1)), Sum(axis=1), Affine(2), seed=4,
    )  # fmt: skip
    network.build(DATA)
    columns = ("a", "b", "c", "d")
    return pack(network, input=InputSpec((4,), columns=columns), output=["no", "yes"])


def own() -> bytes:
    network = Sequential(BookAffine(np.ones((4, 4)), np.zeros(4)), Mine(Affine(4)), OneHot(5))
    network[1].build(DATA)
    return pack(Sequential(*network.layers[:2]), info={"classes": ["a", "b", "c"]})


def training() -> bytes:
    trainer = start(Sequential(Affine(3), Tanh(), Affine(2)))
    trainer.run()
    return pack(trainer.network, training=trainer.state_dict(), input=DATA)


def start(network) -> Trainer:
    return Trainer(network, DATA, LABELS, optimizer=Adam(0.01), epochs=3, batch=5, validation=0.25,
                   callbacks=[EarlyStopping(2)], engine="numpy")  # fmt: skip


MADE = {make.__name__: make for make in (images, words, rich, own, training)}


def attempt(content: bytes, path, resume: bool) -> str:
    """Read, use and, perhaps, continue a file; what became of it. Only ValueError may come."""
    path.write_bytes(content)
    began = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            saved = load_checkpoint(path, classes=CLASSES)
    except ValueError as error:
        said = str(error)
        assert said.startswith(f"{path}: "), said
        assert "\n" not in said
        assert len(said) < 1000
        return "refused"
    finally:
        assert time.process_time() - began < 2, "too much work for so small a file"
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if saved.input is not None:
                all_predictions(saved, saved.input.prepare(np.ones((2, *saved.input.shape))))
            if resume and saved.training is not None:
                trainer = start(saved.network)
                trainer.load_state_dict(saved.training)
        except ValueError:
            return "unfit"
    return "loaded"


@pytest.mark.parametrize("name", MADE)
def test_wrong_content_is_one_line_of_value_error(name, tmp_path):
    good, rng = MADE[name](), random.Random(name)
    assert attempt(good, tmp_path / "m", True) == "loaded"
    seen = [attempt(mutate(good, rng), tmp_path / "m", True) for _ in range(60)]
    assert seen.count("refused") > 20  # the changes are no trifles


def main(count: int, seed: int) -> None:
    """`python -m tests.train.test_fuzz COUNT SEED`: as many changes of each file."""
    import faulthandler
    import sys
    import tempfile
    from collections import Counter
    from pathlib import Path

    path, seen = Path(tempfile.mkdtemp()) / "m", Counter()
    for name, make in MADE.items():
        good = make()
        for i in range(count):
            content = mutate(good, random.Random(f"{seed} {name} {i}"))
            faulthandler.dump_traceback_later(60, exit=True)
            try:
                seen[attempt(content, path, True)] += 1
            except BaseException as error:
                seen[f"{name} {i}: {type(error).__name__}: {str(error)[:150]}"] += 1
                if isinstance(error, KeyboardInterrupt):
                    sys.exit(1)
    for what, times in seen.most_common():
        print(times, what)


if __name__ == "__main__":
    import sys

    main(int(sys.argv[1]), int(sys.argv[2]))
