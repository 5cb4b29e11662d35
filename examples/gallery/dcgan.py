"""DCGAN: a generator of transposed convolutions against a critic; digits made from noise."""

import numpy as np
from frame import curves, done, images, judge, of, panels, quality

import handgrad as hg
from handgrad.datasets import digits

x, _ = digits(images=True)
rng, BATCH, NOISE = np.random.default_rng(0), 64, 32
x = x * 2 - 1
make = hg.Sequential(
    hg.Affine(64 * 4), hg.Reshape((-1, 64, 2, 2)), hg.BatchNorm(), hg.ReLU(),
    hg.TransposedConvolution(32, 4, stride=2, pad=1), hg.BatchNorm(), hg.ReLU(),
    hg.TransposedConvolution(1, 4, stride=2, pad=1), hg.Tanh(), seed=1,
)  # fmt: skip
tell = hg.Sequential(
    hg.Convolution(32, 3, stride=2, pad=1), hg.LeakyReLU(0.2),
    hg.Convolution(64, 3, stride=2, pad=1), hg.LeakyReLU(0.2), hg.Dropout(0.3), hg.Flatten(),
    hg.Affine(1), seed=2,
)  # fmt: skip
loss = hg.SigmoidCrossEntropy()
rules = hg.Adam(0.001, beta1=0.5), hg.Adam(0.0005, beta1=0.5)
losses = {"generator": [], "critic": []}


def noise(n):
    return rng.standard_normal((n, NOISE)).astype(np.float32)


for _ in range(of(600, 20)):
    made = make.forward(noise(BATCH))
    both = np.concatenate([x[rng.integers(0, len(x), BATCH)], made])
    truth = np.repeat([[0.9], [0.0]], BATCH, axis=0)
    losses["critic"].append(float(loss.forward(tell.forward(both), truth)))
    tell.backward(loss.backward()[0])
    rules[1].step(tell)

    made = make.forward(noise(BATCH))  # now the critic shows the way, and stays as it is
    losses["generator"].append(float(loss.forward(tell.forward(made), np.ones((BATCH, 1)))))
    make.backward(tell.backward(loss.backward()[0]))
    rules[0].step(make)

made = (make.predict(noise(500)) + 1) / 2
figure, axes = panels(3)
curves(axes[0], "losses", "update", **losses)
images(axes[1], "made", made[:64, 0])
images(axes[2], "real", x[:64, 0])
done(__file__, figure, f"after {len(losses['critic'])} updates: {quality(judge()(made))}")
