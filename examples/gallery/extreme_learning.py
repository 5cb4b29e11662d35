"""Extreme learning machine: a random hidden layer, and output weights from one equation."""

import time

import numpy as np
from frame import done, handwritten, of, panels

from handgrad import Adam, Affine, Sequential, Tanh, fit

name, x, t, x_test, t_test = handwritten()
x, t = x[: of(10_000, 500)], t[: of(10_000, 500)]
target = 2 * np.eye(10)[t] - 1
sizes, right, seconds = of([50, 100, 200, 400, 800, 1600], [50, 100]), [], []
for size in sizes:
    start = time.process_time()
    hidden = Sequential(Affine(size, init=x.shape[1] ** -0.5), Tanh(), seed=1)
    h = hidden.predict(x).astype(float)
    W = np.linalg.solve(h.T @ h + 1e-2 * np.eye(size), h.T @ target)  # least squares, with a ridge
    seconds.append(time.process_time() - start)
    right.append(np.mean((hidden.predict(x_test) @ W).argmax(axis=1) == t_test))
network = Sequential(Affine(200), Tanh(), Affine(10), seed=1)
start = time.process_time()
fit(network, x, t, optimizer=Adam(0.002), epochs=of(10, 1), batch=100)
trained = time.process_time() - start
other = np.mean(network.predict(x_test).argmax(axis=1) == t_test)
figure, axes = panels(2, width=3)
axes[0].semilogx(sizes, right, "o-")
axes[0].axhline(other, ls="--", color="gray")
axes[0].set(title=f"{name}: test accuracy", xlabel="random units")
axes[1].loglog(sizes, seconds, "o-")
axes[1].axhline(trained, ls="--", color="gray")
axes[1].set(title="seconds of the processor (dashed: 200 by `fit`)", xlabel="random units")
done(
    __file__, figure,
    f"{name}, {len(x)} samples: {sizes[-1]} random units {right[-1]:.2%} in {seconds[-1]:.1f} s; "
    f"200 trained units {other:.2%} in {trained:.1f} s",
)  # fmt: skip
