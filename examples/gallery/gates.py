"""Perceptrons as gates: AND, NAND and OR by the perceptron's rule; XOR needs a layer between."""

import numpy as np
from frame import curves, done, panels

from handgrad import Adam, Affine, Sequential, Tanh, fit
from handgrad.datasets import gates

figure, axes = panels(4)
steps = {}
for panel, name in zip(axes, ("and", "nand", "or")):
    x, t = gates(name)
    w, b, mistakes = np.zeros(2), 0.0, []
    for _ in range(20):  # Rosenblatt's rule: where it is wrong, a step towards the sample
        wrong = 0
        for row, right in zip(x, np.ravel(t)):
            error = right - (row @ w + b > 0)
            w, b, wrong = w + error * row, b + error, wrong + abs(error)
        mistakes.append(wrong)
    steps[name] = mistakes.index(0) + 1
    panel.scatter(*x.T, c=np.ravel(t), cmap="coolwarm", edgecolors="k")
    line = np.array([-0.5, 1.5])
    panel.plot(line, -(b + w[0] * line) / w[1], "k--")
    panel.set(title=f"{name.upper()}: w = {w}, b = {b:g}", xlim=(-0.5, 1.5), ylim=(-0.5, 1.5))

x, t = gates("xor")
losses = {}
for name, layers in (("one layer", ()), ("a layer between", (Affine(4), Tanh()))):
    network = Sequential(*layers, Affine(2), seed=3)
    history = fit(network, x, np.ravel(t).astype(int), optimizer=Adam(0.05), epochs=200, batch=4)
    losses[name], last = history["loss"], history["accuracy"][-1]
    if not layers:
        alone = last
curves(axes[3], "XOR: loss", "epoch", **losses)
done(
    __file__, figure,
    f"right after {steps['and']}, {steps['nand']} and {steps['or']} passes; XOR: {alone:.0%} right "
    f"with one layer, {last:.0%} with a layer between",
)  # fmt: skip
