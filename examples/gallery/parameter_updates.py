"""Rules for updating parameters: their paths over a long valley, and their losses on digits."""

from frame import curves, done, of, panels

from handgrad import SGD, AdaGrad, Adam, AdamW, Affine, Momentum, Nesterov, ReLU, Sequential, fit
from handgrad.datasets import digits
from handgrad.plots import draw_optimizer_paths

RULES = {
    "SGD": SGD(0.95), "Momentum": Momentum(0.1), "AdaGrad": AdaGrad(1.5), "Adam": Adam(0.3),
}  # fmt: skip
figure, axes = panels(2, width=4)
draw_optimizer_paths(lambda a, b: a**2 / 20 + b**2, RULES, (-7.0, 2.0), steps=30, axes=axes[0])

x, t = digits()
rules = {
    "SGD": SGD(0.1), "Momentum": Momentum(0.05), "Nesterov": Nesterov(0.05),
    "AdaGrad": AdaGrad(0.03), "Adam": Adam(0.003), "AdamW": AdamW(0.003),
}  # fmt: skip
losses = {}
for name, rule in rules.items():
    network = Sequential(Affine(100), ReLU(), Affine(100), ReLU(), Affine(10), seed=1)
    losses[name] = fit(network, x, t, optimizer=rule, epochs=of(20, 4), batch=100)["loss"]
curves(axes[1], "digits: loss", "epoch", **losses)
axes[1].set_yscale("log")
ranked = sorted(losses, key=lambda name: losses[name][-1])
done(
    __file__, figure,
    "loss at the end: " + ", ".join(f"{name} {losses[name][-1]:.2g}" for name in ranked),
)  # fmt: skip
