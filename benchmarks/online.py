"""One update, or one prediction, from Python: handgrad's learner beside its peers, in one run.

    python -m benchmarks.online [--rounds 200]

A network 20-64-64-2 with Adam learns from one sample at a time. Each round measures every system
once, some calls at a time, one after the other; of a system the median is shown, and how many times
as long as the learner it took in the same round, again the median. "program" is the native program
alone, which makes all steps of a turn in one call. "least squares" is what libraries of stream
models usually run: a linear model in plain Python over a dict. PyTorch and scikit-learn are
measured if installed.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable

import numpy as np

import handgrad as hg
from handgrad.compile import compile_training, why_not

COLUMNS, HIDDEN, CLASSES, SAMPLES = 20, (64, 64), 2, 40
Call = Callable[[], None]  # `SAMPLES` updates or predictions, or fewer where that takes long


def network() -> hg.Sequential:
    hidden = [part for units in HIDDEN for part in (hg.Affine(units), hg.ReLU())]
    return hg.Sequential(*hidden, hg.Affine(CLASSES))


def stream() -> tuple[list[np.ndarray], list[int]]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(SAMPLES, COLUMNS)).astype(np.float32)
    return list(x), (x[:, 0] * x[:, 1] > 0).astype(int).tolist()


def handgrads(x: list[np.ndarray], t: list[int]) -> dict[str, tuple[Call, int]]:
    """The learner, the program without Python between its steps, and `fit` for one step."""
    learner = hg.online(network(), hg.SoftmaxCrossEntropy(), hg.Adam(0.001))

    def update() -> None:
        for row, label in zip(x, t):
            learner.update(row, label)

    def predict() -> None:
        for row in x:
            learner.predict(row)

    calls: dict[str, tuple[Call, int]] = {
        "update": (update, SAMPLES),
        "predict": (predict, SAMPLES),
    }
    if not why_not():
        program = compile_training(
            network(), hg.SoftmaxCrossEntropy(), hg.Adam(0.001), np.stack(x), np.array(t), batch=1
        )
        order, ones = np.arange(SAMPLES), np.ones(SAMPLES, int)
        calls["program"] = lambda: program.run(order, order, ones) and None, SAMPLES
    other = network()

    def fit() -> None:
        hg.fit(other, x[0][None], [t[0]], optimizer=hg.Adam(0.001), steps=1, progress=False)

    calls["fit(steps=1)"] = fit, 1
    return calls


def torches(x: list[np.ndarray], t: list[int]) -> dict[str, tuple[Call, int]]:
    """The usual step: zero_grad, forward, loss, backward, Adam."""
    import torch

    torch.set_num_threads(1)
    sizes = (COLUMNS, *HIDDEN)
    layers = [part for pair in zip(sizes, HIDDEN)
              for part in (torch.nn.Linear(*pair), torch.nn.ReLU())]  # fmt: skip
    model = torch.nn.Sequential(*layers, torch.nn.Linear(HIDDEN[-1], CLASSES))
    optimizer, loss = torch.optim.Adam(model.parameters(), 0.001), torch.nn.CrossEntropyLoss()
    rows = [torch.from_numpy(row[None]) for row in x]
    labels = [torch.tensor([label]) for label in t]

    def update() -> None:
        for i in range(5):
            optimizer.zero_grad()
            loss(model(rows[i]), labels[i]).backward()
            optimizer.step()

    def predict() -> None:
        with torch.inference_mode():
            for row in rows[:5]:
                model(row)

    return {"PyTorch step": (update, 5), "PyTorch forward": (predict, 5)}


def sklearns(x: list[np.ndarray], t: list[int]) -> dict[str, tuple[Call, int]]:
    """MLPClassifier.partial_fit of one sample."""
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(HIDDEN, solver="adam", learning_rate_init=0.001)
    model.partial_fit(x[0][None], t[:1], classes=range(CLASSES))

    def update() -> None:
        for i in range(5):
            model.partial_fit(x[i][None], [t[i]])

    return {"scikit-learn partial_fit": (update, 5)}


def dicts(x: list[np.ndarray], t: list[int]) -> dict[str, tuple[Call, int]]:
    """A linear model over dicts in plain Python, and the learner of dicts."""
    rows = [{f"column{i}": float(value) for i, value in enumerate(row)} for row in x]
    weights = dict.fromkeys(rows[0], 0.0)
    model = hg.stream.DictClassifier(hg.Affine(64), hg.ReLU(), hg.Affine(64), hg.ReLU())
    for row, label in zip(rows, t):
        model.learn_one(row, label)

    def linear() -> None:
        for row, label in zip(rows, t):
            error = sum(weights[name] * value for name, value in row.items()) - label
            for name, value in row.items():
                weights[name] -= 0.01 * error * value

    def learn() -> None:
        for row, label in zip(rows, t):
            model.learn_one(row, label)

    return {"learn_one of a dict": (learn, SAMPLES), "least squares": (linear, SAMPLES)}


def measure(rounds: int) -> dict[str, np.ndarray]:
    """Microseconds of a call, by system and round."""
    x, t = stream()
    calls = handgrads(x, t) | dicts(x, t)
    for peers in (torches, sklearns):
        try:
            calls |= peers(x, t)
        except ImportError as error:
            print(f"not measured: {error.name}")
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, (call, count) in calls.items():
            call()  # after another system, the caches hold other things
            start = time.perf_counter()
            call()
            taken[name].append(1e6 * (time.perf_counter() - start) / count)
    return {name: np.array(each) for name, each in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=200)
    warnings.simplefilter("ignore")
    taken = measure(parser.parse_args().rounds)
    print(f"{'microseconds of a call':<26}{'median':>9}{'least':>9}{'/ update':>10}")
    for name, each in taken.items():
        ratio = np.median(each / taken["update"])
        print(f"{name:<26}{np.median(each):9.1f}{each.min():9.1f}{ratio:10.2f}")
    if "program" in taken:
        more = taken["update"] - taken["program"]
        print(f"update, beyond the program: median {np.median(more):.1f} µs, least against least "
              f"{taken['update'].min() - taken['program'].min():.1f} µs")  # fmt: skip


if __name__ == "__main__":
    main()
