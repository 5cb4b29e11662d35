"""Numerical differentiation against backpropagation: which step is best, and what each costs."""

import time

import numpy as np
from frame import done, of, panels

from handgrad import Affine, Sequential, Sigmoid, SoftmaxCrossEntropy
from handgrad.datasets import digits

x, t = (a[:20] for a in digits())
network, loss = (
    Sequential(Affine(30), Sigmoid(), Affine(10), dtype=np.float64),
    SoftmaxCrossEntropy(),
)
network.build(x)


def value():
    return float(loss.forward(network.forward(x), t))


start = time.process_time()
value()
network.backward(loss.backward()[0])
by_backprop = time.process_time() - start
exact = network.gradients.copy()

w = network.parameters
chosen = np.random.default_rng(0).choice(w.size, of(200, 40), replace=False)
steps = 10.0 ** np.arange(-13, 0)
worst = {"forward": [], "central": []}
start = time.process_time()
for h in steps:
    found = np.zeros((2, len(chosen)))
    here = value()
    for k, i in enumerate(chosen):
        before = w[i]
        w[i] = before + h
        ahead = value()
        w[i] = before - h
        found[:, k] = (ahead - here) / h, (ahead - value()) / (2 * h)
        w[i] = before
    for name, row in zip(worst, found):
        worst[name].append(np.abs(row - exact[chosen]).max())
each = (time.process_time() - start) / (2 * len(steps) * len(chosen))
figure, (panel,) = panels(1, width=4)
for name, errors in worst.items():
    panel.loglog(steps, errors, "o-", label=name)
panel.set(title="largest error of a derivative", xlabel="step h")
panel.legend(frameon=False)
best = {name: steps[int(np.argmin(errors))] for name, errors in worst.items()}
done(
    __file__, figure,
    f"best steps: forward {best['forward']:.0e}, central {best['central']:.0e} (error "
    f"{min(worst['central']):.0e}); all {w.size} derivatives would take "
    f"{2 * w.size * each / by_backprop:.0f} times as long as backward",
)  # fmt: skip
