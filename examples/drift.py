"""A stream whose meaning changes in the middle: how soon does the network follow?"""

import numpy as np

import handgrad as hg

SAMPLES, CHANGE, WINDOW = 8000, 4000, 500
rng = np.random.default_rng(0)
learner = hg.online(
    hg.Sequential(hg.Affine(32), hg.ReLU(), hg.Affine(2)), hg.SoftmaxCrossEntropy(), hg.Adam(0.01),
    window=WINDOW,
)  # fmt: skip
for i in range(1, SAMPLES + 1):
    x = rng.normal(size=8).astype(np.float32)
    inside = x[0] ** 2 + x[1] ** 2 < 1.4
    learner.update(x, int(inside if i <= CHANGE else x[2] > x[3]))
    if i in (WINDOW, CHANGE, CHANGE + WINDOW, CHANGE + 2 * WINDOW, SAMPLES):
        recent = learner.metrics(recent=True)["accuracy"]
        print(f"accuracy of the last {WINDOW} of {i:,} samples: {recent:.1%}")
