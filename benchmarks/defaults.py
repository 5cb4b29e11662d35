"""What `fit` learns with nothing but data: the measurement behind its defaults and its warning.

    python -m benchmarks.defaults

Networks 64-ReLU-outputs on data as they come and standardized; mean over three seeds of the
accuracy, or R², on a fifth of the samples that was held out. Wine, iris, breast cancer and diabetes
come with scikit-learn.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import numpy as np

from handgrad import SGD, Adam, Affine, DivergenceError, Momentum, ReLU, Sequential, fit
from handgrad.layers import Standardize
from handgrad.train.data import split
from handgrad.train.datasets import digits, moons, spiral
from handgrad.train.metrics import accuracy, r2

RULES: dict[str, Callable] = {
    "SGD 0.1": lambda: SGD(0.1),
    "Momentum 0.01": lambda: Momentum(0.01),
    "Adam 0.001": lambda: Adam(0.001),
    "Adam 0.003": lambda: Adam(0.003),
    "Adam 0.01": lambda: Adam(0.01),
}
SEEDS = range(3)


def data() -> Iterator[tuple[str, np.ndarray, np.ndarray, bool]]:
    """Name, x, t, and whether to standardize the columns."""
    import sklearn.datasets as bundled

    yield "digits", *digits(), False
    yield "spiral", *spiral(100), False
    yield "moons", *moons(400), False
    for load in (bundled.load_iris, bundled.load_wine, bundled.load_breast_cancer):
        name = load.__name__[5:]
        for scaled in (False, True):
            yield name, *load(return_X_y=True), scaled
    x, t = bundled.load_diabetes(return_X_y=True, scaled=False)
    t = t.astype(float)[:, None]
    yield "diabetes", x, t, False
    yield "diabetes, t / σ", x, (t - t.mean()) / t.std(), True
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 8))
    price = 3e5 + 1e5 * (x[:, :1] + 0.5 * x[:, 1:2] ** 2)
    yield "prices", x, price, False
    yield "prices, t / σ", x, (price - price.mean()) / price.std(), False


def score(x: np.ndarray, t: np.ndarray, scaled: bool, rule: Callable, **options: int) -> float:
    """Mean over seeds on held-out data; NaN where training diverged."""
    found = []
    for seed in SEEDS:
        x_fit, t_fit, x_held, t_held = split(x, t, 0.2, seed)
        labels = t.dtype.kind in "iu"
        first = [Standardize.of(x_fit)] if scaled else []
        network = Sequential(
            *first, Affine(64), ReLU(), Affine(int(t.max()) + 1 if labels else 1), seed=seed
        )
        try:
            fit(network, x_fit, t_fit, optimizer=rule(), seed=seed, progress=False, **options)
        except DivergenceError:
            return float("nan")
        found.append((accuracy if labels else r2)(network.predict(x_held), t_held))
    return float(np.mean(found))


def main() -> None:
    warnings.simplefilter("ignore")
    for title, options in (("10 epochs", {"epochs": 10}), ("as many as by default", {})):
        print(f"\n{title}\n{'':<34}" + "".join(f"{rule:>15}" for rule in RULES))
        for name, x, t, scaled in data():
            scores = [score(x, t, scaled, rule, **options) for rule in RULES.values()]
            label = f"{name}{', standardized' if scaled else ''}"
            print(f"{label:<34}" + "".join(f"{s:>15.3f}" for s in scores), flush=True)


if __name__ == "__main__":
    main()
