"""Overfitting 100 digits with a deep network; weight decay and dropout against it."""

import numpy as np
from frame import curves, done, of, panels

from handgrad import Affine, Dropout, Momentum, ReLU, Sequential, fit
from handgrad.datasets import digits
from handgrad.train import split

x, t, x_test, t_test = split(*digits())
figure, axes = panels(3)
said = []
for panel, (name, decay, ratio) in zip(
    axes, (("as it is", 0, 0), ("weight decay", 0.01, 0), ("dropout", 0, 0.2))
):
    right = []
    for k in range(of(3, 1)):
        layers = []
        for _ in range(4):
            layers += [Affine(100), ReLU(), *([Dropout(ratio)] if ratio else [])]
        some = slice(100 * k, 100 * (k + 1))
        history = fit(
            Sequential(*layers, Affine(10), seed=k), x[some], t[some], batch=50,
            optimizer=Momentum(0.02, l2=decay), epochs=of(150, 20), validation=(x_test, t_test),
        )  # fmt: skip
        right.append(history["val_accuracy"][-1])
    both = {"100 digits": history["accuracy"], "others": history["val_accuracy"]}
    curves(panel, f"{name} (the last time)", "epoch", **both)
    panel.set_ylim(0, 1.05)
    said.append(f"{name} {np.mean(right):.1%}")
done(__file__, figure, f"of the others right, mean of {len(right)}: " + ", ".join(said))
