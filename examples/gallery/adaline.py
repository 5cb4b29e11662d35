"""ADALINE: Widrow and Hoff's delta rule is the gradient of a squared error."""

import numpy as np
from frame import curves, done, panels

from handgrad import SGD, Affine, MeanSquaredError, Sequential, fit
from handgrad.plots import draw_boundary

rng = np.random.default_rng(0)
x = np.concatenate([rng.normal((-1, -1), 0.7, (50, 2)), rng.normal((1, 1), 0.7, (50, 2))])
t = np.repeat([-1.0, 1.0], 50)[:, None]


def by_the_rule(rate, epochs=15):
    """w ← w + 2η · (t − y) · x, the mean over all samples; the losses, w and b."""
    w, b, losses = np.zeros(2), 0.0, []
    for _ in range(epochs):
        error = t[:, 0] - (x @ w + b)
        losses.append(np.mean(error**2))
        w, b = w + 2 * rate * (error[:, None] * x).mean(axis=0), b + 2 * rate * error.mean()
    return losses, w, b


figure, axes = panels(2)
rates = {"η = 0.01": 0.01, "η = 0.1": 0.1, "η = 0.4": 0.4}
curves(axes[0], "delta rule: loss", "pass", **{n: by_the_rule(r)[0] for n, r in rates.items()})
losses, w, b = by_the_rule(0.1)

network = Sequential(Affine(1, init="zeros"), dtype=np.float64)
fit(network, x, t, loss=MeanSquaredError(), optimizer=SGD(0.1), epochs=15, batch=100)
far = np.abs(network.parameters - [*w, b]).max()

draw_boundary(network, x, (t[:, 0] > 0).astype(int), classes=["−1", "1"], axes=axes[1])
right = np.mean(np.sign(x @ w + b) == t[:, 0])
done(__file__, figure, f"{right:.0%} right; the same weights by `fit` to {far:.0e}")
