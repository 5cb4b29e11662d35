"""A small residual network on CIFAR-10, or, without its files, on made colour pictures."""

import numpy as np
from frame import done, images, of, panels

import handgrad as hg
from handgrad.datasets import cifar10
from handgrad.train.augment import Augment, Flip, Shift

NAMES = ["disc", "ring", "square", "frame", "cross", "plus", "stripes", "diamond"]


def made(n, seed):
    """Shapes in random colours, sizes and places, before noisy backgrounds (N, 3, 32, 32)."""
    rng = np.random.default_rng(seed)
    t, grid = rng.integers(0, 8, n), np.arange(32)
    size, far = rng.uniform(6, 11, (n, 1, 1)), rng.uniform(10, 22, (2, n, 1, 1))
    y, x = grid[:, None] - far[0], grid - far[1]
    r, square, diamond = np.hypot(x, y), np.maximum(abs(x), abs(y)), abs(x) + abs(y)
    bar = np.minimum(abs(x), abs(y)) < size / 4
    diagonal = np.minimum(abs(x + y), abs(x - y)) < size / 3
    inside = np.select(
        [t[:, None, None] == k for k in range(8)],
        [r < size, abs(r - size) < 2, square < size, abs(square - size) < 2,
         diagonal & (square < size), bar & (square < size),
         ((y // 3) % 2 == 0) & (square < size), diamond < size],
    )[:, None]  # fmt: skip
    colour, ground = rng.random((2, n, 3, 1, 1))
    noise = 0.15 * rng.standard_normal((n, 3, 32, 32))
    return np.clip(np.where(inside, colour, ground) + noise, 0, 1).astype(np.float32), t


def block(channels):
    """A residual block; before it fewer pixels and more channels."""
    parts = [(hg.Convolution(channels, 3, pad=1, bias=False), hg.BatchNorm()) for _ in range(2)]
    body = hg.Sequential(*parts[0], hg.ReLU(), *parts[1])
    wider = hg.Convolution(channels, 1, bias=False), hg.BatchNorm()
    return hg.MaxPooling(2), *wider, hg.Residual(body), hg.ReLU()


try:
    name, ((x, t), (x_test, t_test)) = "CIFAR-10", cifar10()
except FileNotFoundError:
    name, (x, t), (x_test, t_test) = "made pictures", made(of(4000, 128), 0), made(of(1000, 128), 1)
x, t, x_test, t_test = x[: of(10_000, 200)], t[: of(10_000, 200)], x_test[:1000], t_test[:1000]
network = hg.Sequential(
    hg.Convolution(16, 3, pad=1, bias=False), hg.BatchNorm(), hg.ReLU(),
    *block(16), *block(32), *block(64), hg.GlobalAveragePooling(),
    hg.Affine(int(t.max()) + 1), seed=1,
)  # fmt: skip
history = hg.fit(
    network, x, t, optimizer=hg.AdamW(0.003), epochs=of(8, 1), batch=64,
    augment=Augment(Flip(), Shift(2), seed=1), validation=(x_test, t_test),
)  # fmt: skip
figure, axes = panels(2, width=3)
images(axes[0], "some of the pictures", x_test[:32])
axes[1].plot(history["accuracy"], label="training")
axes[1].plot(history["val_accuracy"], label="test")
axes[1].set(title="accuracy", xlabel="epoch")
axes[1].legend(frameon=False)
done(__file__, figure, f"{name}, {len(x)} of them: test accuracy {history['val_accuracy'][-1]:.1%}")
