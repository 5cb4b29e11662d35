"""Hyperparameter search: learning rate and weight decay at random, then by successive halving."""

import numpy as np
from frame import done, of, panels

from handgrad import Adam, Affine, ReLU, Sequential, accuracy, search
from handgrad.datasets import digits
from handgrad.searching import log_uniform
from handgrad.train import split

x, t, x_test, t_test = split(*digits())
space = {"lr": log_uniform(1e-5, 1e-1), "l2": log_uniform(1e-8, 1e-1)}


def make(lr, l2):
    return Sequential(Affine(50), ReLU(), Affine(10), seed=0), {"optimizer": Adam(lr, l2=l2)}


figure, axes = panels(2, width=3.4)
said = []
for panel, method in zip(axes, ("random", "halving")):
    result = search(
        make, space, x[:500], t[:500], candidates=of(60, 9), epochs=of(27, 3), method=method,
        options={"metrics": [accuracy]}, score="accuracy", processes=1, show=False,
    )  # fmt: skip
    rows = result.rows
    lr, l2 = (np.array([row.params[name] for row in rows]) for name in ("lr", "l2"))
    dots = panel.scatter(lr, l2, c=[row.scores["accuracy"] for row in rows], s=20)
    panel.set(xscale="log", yscale="log", title=method, xlabel="learning rate", ylabel="L2")
    test = result.model.evaluate(x_test, t_test, metrics=[accuracy])["accuracy"]
    said.append(f"{method} {test:.1%} (lr {result.best['lr']:.2g}, L2 {result.best['l2']:.1g})")
figure.colorbar(dots, ax=axes[1], label="accuracy")
done(__file__, figure, "test accuracy of the best: " + ", ".join(said))
