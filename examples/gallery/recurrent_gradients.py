"""RNN, LSTM and GRU: how much of a gradient arrives long ago, and what can be remembered."""

import numpy as np
from frame import done, of, panels

from handgrad import GRU, LSTM, RNN, Adam, Affine, Index, Sequential, fit

rng, steps = np.random.default_rng(0), 100
LAYERS = {"RNN": RNN, "LSTM": LSTM, "GRU": GRU}


def task(n, length):
    """A sign at the first step, noise after it; at the end the sign is asked for."""
    x = rng.standard_normal((n, length, 2)).astype(np.float32)
    t = rng.integers(0, 2, n)
    x[:, :, 1] = 0
    x[:, 0, 1] = 2 * t - 1
    return x, t


figure, axes = panels(2, width=3.2)
x, _ = task(64, steps)
last = {}
for name, cls in LAYERS.items():
    layer = cls(32, seed=1)
    dy = np.zeros_like(layer.forward(x))
    dy[:, -1] = rng.standard_normal((64, 32))
    dx = layer.backward(dy)
    norms = np.sqrt((dx**2).sum(axis=2)).mean(axis=0)
    axes[0].semilogy(norms / norms[-1], label=name)
    last[name] = norms[0] / norms[-1]
axes[0].set(title="gradient by step, before training", xlabel="step")
axes[0].legend(frameon=False)

x, t = task(of(2000, 500), steps)
x_test, t_test = task(500, steps)
right = {}
for name, cls in LAYERS.items():
    network = Sequential(cls(32), Index((slice(None), -1)), Affine(2), seed=1)
    history = fit(network, x, t, optimizer=Adam(0.005, clip_norm=1.0), epochs=of(15, 2), batch=50,
                  validation=(x_test, t_test))  # fmt: skip
    axes[1].plot(history["val_accuracy"], label=name)
    right[name] = history["val_accuracy"][-1]
axes[1].set(title=f"a sign {steps} steps ago: accuracy", xlabel="epoch")
done(
    __file__, figure,
    "of the gradient arrives at the first step, and right at the end: "
    + ", ".join(f"{name} {last[name]:.0e}, {right[name]:.0%}" for name in LAYERS),
)  # fmt: skip
