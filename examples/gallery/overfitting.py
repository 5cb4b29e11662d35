"""Overfitting 100 digits with a large network; weight decay and dropout against it."""

from frame import curves, done, of, panels

from handgrad import Adam, Affine, Dropout, ReLU, Sequential, fit
from handgrad.datasets import digits
from handgrad.train import split

x, t, x_test, t_test = split(*digits())
x, t = x[:100], t[:100]
figure, axes = panels(3)
said = []
for panel, (name, decay, ratio) in zip(
    axes, (("as it is", 0, 0), ("weight decay", 0.01, 0), ("dropout", 0, 0.4))
):
    layers = []
    for _ in range(5):
        layers += [Affine(100), ReLU(), *([Dropout(ratio)] if ratio else [])]
    network = Sequential(*layers, Affine(10), seed=2)
    history = fit(network, x, t, optimizer=Adam(0.002, l2=decay), epochs=of(150, 20), batch=50,
                  validation=(x_test, t_test))  # fmt: skip
    both = {"100 digits": history["accuracy"], "others": history["val_accuracy"]}
    curves(panel, name, "epoch", **both)
    panel.set_ylim(0, 1.05)
    said.append(f"{name} {history['val_accuracy'][-1]:.1%}")
done(__file__, figure, "of the others right: " + ", ".join(said))
