"""Batch normalization: learning where the initial weights are far too small or too large."""

import numpy as np
from frame import curves, done, of, panels

from handgrad import SGD, Affine, BatchNorm, DivergenceError, ReLU, Sequential, fit
from handgrad.datasets import digits

x, t = (a[:1000] for a in digits())
figure, axes = panels(4, 2, 2.2, 1.7)
spreads, learned = np.logspace(0, -3, 8), {True: 0, False: 0}
for panel, std in zip(axes, spreads):
    lines = {}
    for name, norm in (("with", True), ("without", False)):
        layers = []
        for _ in range(5):
            layers += [Affine(100, init=std), *([BatchNorm()] if norm else []), ReLU()]
        network = Sequential(*layers, Affine(10, init=std), seed=1)
        with np.errstate(all="ignore"):  # too large: the loss leaves the floats
            try:
                history = fit(network, x, t, optimizer=SGD(0.05), epochs=of(20, 4), batch=100)
                lines[name] = history["accuracy"]
            except DivergenceError:
                lines[name] = [0.1]
        learned[norm] += lines[name][-1] > 0.9
    curves(panel, f"std {std:.2g}", **lines)
    panel.set_ylim(0, 1.05)
done(
    __file__, figure,
    f"above 90% after {of(20, 4)} epochs: {learned[True]} of 8 spreads with batch normalization, "
    f"{learned[False]} without",
)  # fmt: skip
