"""Weather from image sequences: a ConvLSTM says the next picture of rain that drifts and swells."""

import numpy as np
from frame import done, images, of, panels

import handgrad as hg
from handgrad.train import windows

SIZE, SEEN, rng = 16, 6, np.random.default_rng(0)


def series(length):
    """Clouds that drift with a wind that turns, over the edges, and grow and fade."""
    grid = np.arange(SIZE)
    at, phase = rng.uniform(0, SIZE, (5, 2)), rng.uniform(0, 2 * np.pi, 5)
    pictures = np.zeros((length, SIZE, SIZE), np.float32)
    for step in range(length):
        angle = 2 * np.pi * step / 80
        at = (at + 1.2 * np.array([np.sin(angle), np.cos(angle)])) % SIZE
        for (row, column), p in zip(at, phase):
            y, x = (np.minimum(d, SIZE - d) for d in (abs(grid - row), abs(grid - column)))
            amount = 1 + 0.6 * np.sin(0.3 * step + p)
            pictures[step] += amount * np.exp(-(y[:, None] ** 2 + x**2) / 5)
    return pictures


def sliding(pictures):
    x, t = windows(pictures.reshape(len(pictures), -1), SEEN)
    x = x.reshape(-1, SEEN, 1, SIZE, SIZE)
    return x.astype(np.float32), t.reshape(-1, 1, SIZE, SIZE).astype(np.float32)


whole = series(of(600, 60))
cut = len(whole) * 4 // 5
(x, t), (x_test, t_test) = sliding(whole[:cut]), sliding(whole[cut:])


class Nowcast(hg.Network):
    """The last picture, and what the state of the ConvLSTM says will change in it."""

    def __init__(self):
        self.read, self.out = hg.ConvLSTM(8, 5), hg.Convolution(1, 3, pad=1)

    def __call__(self, x):
        return self.out(self.read(x)[:, -1]) + x[:, -1]


network, rule, loss = Nowcast(), hg.Adam(0.005, clip_norm=1.0), hg.MeanSquaredError()
network.build(x[:1])
for _ in range(of(6, 1)):
    for rows in np.array_split(rng.permutation(len(x)), max(1, len(x) // 16)):
        loss(network(hg.Tensor(x[rows])), t[rows]).backward()
        rule.step(network)
said = network.predict(x_test)
error, same = np.mean((said - t_test) ** 2), np.mean((x_test[:, -1] - t_test) ** 2)
figure, axes = panels(3)
images(axes[0], "seen last", x_test[::8, -1, 0][:8], 4)
images(axes[1], "what came", t_test[::8, 0][:8], 4)
images(axes[2], "what it said", said[::8, 0][:8], 4)
done(
    __file__, figure,
    f"squared error {error:.4f} over {len(x_test)} unseen moments; 'as it is now' has {same:.4f}",
)  # fmt: skip
