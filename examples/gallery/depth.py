"""Depth against accuracy: one to four blocks of small convolutions, each tried with three seeds."""

import numpy as np
from frame import done, handwritten, of, panels

from handgrad import (
    Adam,
    Affine,
    Convolution,
    Flatten,
    MaxPooling,
    ReLU,
    Sequential,
    accuracy,
    fit,
)

name, x, t, x_test, t_test = handwritten(images=True)
x, t, x_test, t_test = x[: of(3000, 300)], t[: of(3000, 300)], x_test[:2000], t_test[:2000]
found = {}
for depth in of((1, 2, 3, 4), (1, 2)):
    for seed in of((1, 2, 3), (1,)):
        layers = [Convolution(16, 3, pad=1), ReLU(), MaxPooling(2)]
        for _ in range(depth - 1):
            layers += [Convolution(16, 3, pad=1), ReLU()]
        layers += [MaxPooling(2), Flatten(), Affine(10)]
        network = Sequential(*layers, seed=seed)
        fit(network, x, t, optimizer=Adam(0.003), epochs=of(5, 1), batch=50)
        right = network.evaluate(x_test, t_test, metrics=[accuracy])["accuracy"]
        found.setdefault(depth, []).append(right)
figure, (panel,) = panels(1, width=3.5)
for depth, rows in found.items():
    panel.plot([depth] * len(rows), rows, "o", color="C0")
panel.plot(list(found), [np.mean(rows) for rows in found.values()], "k-")
panel.set(title=f"{name}, {len(x)} samples: test accuracy", xlabel="convolutions", xticks=[*found])
said = ", ".join(f"{depth}: {np.mean(rows):.2%}" for depth, rows in found.items())
done(__file__, figure, f"{name}, {len(x)} samples, mean of {len(found[1])} seeds by depth: {said}")
