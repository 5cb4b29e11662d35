"""Grad-CAM: where a convolutional network looks when it says which digit it sees, and where not."""

import numpy as np
from frame import done, of, panels

from handgrad import Adam, Affine, Convolution, GlobalAveragePooling, ReLU, Sequential, Tensor, fit
from handgrad.datasets import digits

rng = np.random.default_rng(0)
small, labels = digits(images=True)


def scenes(n):
    """A digit somewhere in a larger, noisy picture; the network is never told where."""
    at, chosen = rng.integers(0, 17, (n, 2)), rng.integers(0, len(small), n)
    x = 0.15 * rng.random((n, 1, 24, 24))
    for i, (row, column) in enumerate(at):
        x[i, :, row : row + 8, column : column + 8] += small[chosen[i]]
    return x.astype(np.float32), labels[chosen], at


x, t, _ = scenes(of(4000, 200))
x_test, t_test, at = scenes(of(500, 100))
maps = Sequential(
    Convolution(24, 3, pad=1), ReLU(), Convolution(32, 3, pad=1, stride=2), ReLU(),
    Convolution(48, 3, pad=1), ReLU(), seed=1,
)  # fmt: skip
head = Sequential(GlobalAveragePooling(), Affine(10), seed=2)
network = Sequential(maps, head)
history = fit(network, x, t, optimizer=Adam(0.003), epochs=of(15, 1), batch=64,
              validation=(x_test, t_test))  # fmt: skip

network.eval()
A = Tensor(maps.forward(x_test))
scores = head(A)
guess = scores.data.argmax(axis=1)
scores.backward(np.eye(10, dtype=np.float32)[guess])
weights = A.grad.mean(axis=(2, 3), keepdims=True)  # how much each map speaks for the guess
cam = np.maximum((weights * A.data).sum(axis=1), 0)
top = np.stack(np.unravel_index(cam.reshape(len(cam), -1).argmax(axis=1), cam.shape[1:]), axis=1)
inside = ((top * 2 + 1 >= at) & (top * 2 < at + 8)).all(axis=1)
figure, axes = panels(6, width=1.5, height=1.7)
for panel, i in zip(axes, range(6)):
    panel.imshow(x_test[i, 0], cmap="gray")
    panel.imshow(np.kron(cam[i], np.ones((2, 2))), cmap="inferno", alpha=0.55)
    panel.set(title=f"{t_test[i]}: says {guess[i]}", xticks=[], yticks=[])
done(
    __file__, figure,
    f"accuracy {np.mean(guess == t_test):.1%}; the peak of the map lies on the digit in "
    f"{inside.mean():.0%} of the pictures (by chance 11%)",
)  # fmt: skip
