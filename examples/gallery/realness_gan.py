"""Realness GAN: the critic gives a distribution of realness, not one score; digits from noise."""

import numpy as np
from frame import curves, done, images, judge, of, panels, quality

import handgrad as hg
from handgrad.datasets import digits

x, _ = digits(images=True)
x = x.astype(np.float32) * 2 - 1
rng, BATCH, NOISE, LEVELS = np.random.default_rng(0), 64, 32, 10
make = hg.Sequential(
    hg.Affine(64 * 4), hg.Reshape((-1, 64, 2, 2)), hg.BatchNorm(), hg.ReLU(),
    hg.Convolution(128, 3, pad=1), hg.PixelShuffle(2), hg.BatchNorm(), hg.ReLU(),
    hg.Convolution(64, 3, pad=1), hg.PixelShuffle(2), hg.ReLU(), hg.Convolution(1, 3, pad=1),
    hg.Tanh(), seed=1,
)  # fmt: skip
tell = hg.Sequential(
    hg.SpectralNorm(hg.Convolution(32, 3, stride=2, pad=1)), hg.LeakyReLU(0.2),
    hg.SpectralNorm(hg.Convolution(64, 3, stride=2, pad=1)), hg.LeakyReLU(0.2),
    hg.Flatten(), hg.Affine(LEVELS), seed=2,
)  # fmt: skip
levels = np.linspace(-1, 1, LEVELS)
real, fake = (np.exp(-((levels - m) ** 2) / 0.3) for m in (0.8, -0.8))  # the anchors
anchors = [np.tile(a / a.sum(), (BATCH, 1)).astype(np.float32) for a in (real, fake)]
loss = hg.SoftmaxCrossEntropy()  # with distributions as targets: KL and a constant
rules = hg.Adam(0.001, beta1=0.5), hg.Adam(0.001, beta1=0.5)
losses = {"generator": [], "critic": []}
for _ in range(of(300, 15)):
    made = make.forward(rng.standard_normal((BATCH, NOISE)).astype(np.float32))
    both = np.concatenate([x[rng.integers(0, len(x), BATCH)], made])
    losses["critic"].append(float(loss.forward(tell.forward(both), np.concatenate(anchors))))
    tell.backward(loss.backward()[0])
    rules[1].step(tell)
    losses["generator"].append(float(loss.forward(tell.forward(made), anchors[0])))
    make.backward(tell.backward(loss.backward()[0]))
    rules[0].step(make)

made = (make.predict(rng.standard_normal((500, NOISE)).astype(np.float32)) + 1) / 2
figure, axes = panels(3)
curves(axes[0], "losses", "update", **losses)
scores = [hg.Softmax().forward(tell.predict(a)).mean(axis=0) for a in (x[:500], made * 2 - 1)]
curves(axes[1], "realness, by the critic", real=(levels, scores[0]), made=(levels, scores[1]))
images(axes[2], "made", made[:64, 0])
done(__file__, figure, f"after {len(losses['critic'])} updates: {quality(judge()(made))}")
