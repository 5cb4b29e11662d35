"""Line art out of shaded pictures: image to image, with skips from the way down to the way up."""

import numpy as np
from frame import done, images, of, panels

import handgrad as hg

SIZE, rng = 32, np.random.default_rng(0)


def scenes(n):
    """Shaded, noisy discs and boxes over one another, and the lines around them."""
    grid = np.arange(SIZE)
    shade, lines = np.full((n, SIZE, SIZE), 0.8), np.zeros((n, SIZE, SIZE))
    for _ in range(3):
        size, tone = rng.uniform(4, 10, (n, 1, 1)), rng.uniform(0.1, 0.7, (n, 1, 1))
        y = grid[:, None] - rng.uniform(6, 26, (n, 1, 1))
        x = grid - rng.uniform(6, 26, (n, 1, 1))
        round_ = rng.random((n, 1, 1)) < 0.5
        r = np.where(round_, np.hypot(x, y), np.maximum(abs(x), abs(y)))
        inside, edge = r < size, abs(r - size) < 0.7
        shade = np.where(inside, tone + 0.02 * (x + y), shade)
        lines = np.where(edge, 1, np.where(inside, 0, lines))
    shade = shade + 0.1 * rng.standard_normal(shade.shape)
    return shade[:, None].astype(np.float32), lines[:, None].astype(np.float32)


def conv(channels):
    return hg.Sequential(hg.Convolution(channels, 3, pad=1), hg.BatchNorm(), hg.ReLU())


class UNet(hg.Network):
    """Down twice and up twice; each level up also sees the same level on the way down."""

    def __init__(self, skips=True):
        self.skips, self.down = skips, [conv(16), conv(32)]
        self.pool, self.middle, self.grow = hg.MaxPooling(2), conv(32), hg.Resize(2)
        self.up, self.beside = [conv(32), conv(16)], hg.Concat(1)
        self.out = hg.Convolution(1, 1)

    def __call__(self, x):
        first = self.down[0](x)
        second = self.down[1](self.pool(first))
        y = self.grow(self.middle(self.pool(second)))
        y = self.grow(self.up[0](self.beside(y, second) if self.skips else y))
        return self.out(self.up[1](self.beside(y, first) if self.skips else y))


x, t = scenes(of(400, 32))
x_test, t_test = scenes(of(200, 16))
found, pictures = {}, {}
for name, skips in (("with skips", True), ("without", False)):
    network = UNet(skips)
    hg.fit(network, x, t, loss=hg.Focal(alpha=0.7), optimizer=hg.Adam(0.003), epochs=of(5, 1),
           batch=32, metrics=[])  # fmt: skip
    said = network.predict(x_test) > 0
    right = (said & (t_test > 0)).sum()
    found[name] = 2 * right / (said.sum() + t_test.sum())
    pictures[name] = said[:8, 0]
figure, axes = panels(4)
for panel, (name, row) in zip(axes, {"shaded": x_test[:8, 0], "lines": t_test[:8, 0],
                                     **pictures}.items()):  # fmt: skip
    images(panel, name, np.asarray(row, float), 4)
done(__file__, figure, "F1 of the lines' pixels: "
     + ", ".join(f"{name} {f:.1%}" for name, f in found.items()))  # fmt: skip
