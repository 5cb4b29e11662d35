"""Initial weights: what is left of the signal after five layers, and how fast ten layers learn."""

import numpy as np
from frame import curves, done, of, panels

from handgrad import SGD, Affine, ReLU, Sequential, Tanh, fit, lsuv
from handgrad.datasets import digits

x, t = digits()
RULES = {"std 1": 1.0, "std 0.01": 0.01, "xavier": "xavier", "he": "he"}
figure, axes = panels(4, 3, 2.0, 1.5)
signal = np.random.default_rng(0).standard_normal((500, 100))
for row, activation in enumerate((Tanh, ReLU)):
    for panel, (name, init) in zip(axes[4 * row :], RULES.items()):
        h = signal
        for i in range(5):
            h = activation().forward(Affine(100, init=init, seed=i).forward(h))
        panel.hist(h.ravel(), bins=30, range=(-1, 1) if row == 0 else (0, 2))
        panel.set(title=f"{activation.__name__}, {name}: {h.std():.2g}", yticks=[])


def deep(init):
    layers = [part for _ in range(9) for part in (Affine(50, init=init), ReLU())]
    return Sequential(*layers, Affine(10, init=init), seed=1)


losses = {}
for name, init in {"std 0.01": 0.01, "xavier": "xavier", "he": "he", "LSUV": "orthogonal"}.items():
    network = deep(init)
    if name == "LSUV":
        lsuv(network, x[:500])
    losses[name] = fit(network, x, t, optimizer=SGD(0.02), epochs=of(30, 3), batch=50)["loss"]
for panel in axes[8:11]:
    panel.axis("off")
curves(axes[11], "ten layers of ReLU: loss", "epoch", **losses)
done(
    __file__, figure,
    "loss of ten layers: " + ", ".join(f"{name} {row[-1]:.2f}" for name, row in losses.items()),
)  # fmt: skip
