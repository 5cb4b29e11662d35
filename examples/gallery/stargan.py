"""Translation between kinds of pictures as StarGAN does it: one generator, the kind as an input."""

import numpy as np
from frame import done, images, of, panels

import handgrad as hg
from handgrad.datasets import digits

x, _ = digits(images=True)
rng, BATCH, KINDS = np.random.default_rng(0), 48, 3
x = np.pad(x.astype(np.float32), ((0, 0), (0, 0), (2, 2), (2, 2)))
KIND_NAMES = ("bright on dark", "dark on bright", "outlined")


def of_kind(x, kinds):
    """Pictures as they are, negative, or as outlines: what makes the three kinds."""
    near = np.maximum.reduce([np.roll(x, s, axis) for s in (1, -1) for axis in (2, 3)])
    variants = np.stack([x, 1 - x, np.clip(near - 0.6 * x, 0, 1)])
    return variants[kinds, np.arange(len(x))]


def planes(kinds):
    hot = np.eye(KINDS, dtype=np.float32)[kinds]
    return np.broadcast_to(hot[:, :, None, None], (len(kinds), KINDS, 12, 12))


make = hg.Sequential(
    hg.Convolution(24, 3, pad=1), hg.InstanceNorm(), hg.ReLU(),
    hg.Residual(hg.Sequential(hg.Convolution(24, 3, pad=1), hg.ReLU())),
    hg.Convolution(1, 3, pad=1), hg.Sigmoid(), seed=1,
)  # fmt: skip
tell = hg.Sequential(
    hg.Convolution(24, 4, stride=2, pad=1), hg.LeakyReLU(0.2),
    hg.Convolution(48, 4, stride=2, pad=1), hg.LeakyReLU(0.2), hg.Flatten(),
    hg.Affine(1 + KINDS), seed=2,
)  # fmt: skip
hinge, kind_of, cycle = hg.Hinge(), hg.SoftmaxCrossEntropy(), hg.MeanAbsoluteError()
real_or_made, which = hg.Index((slice(None), slice(0, 1))), hg.Index((slice(None), slice(1, None)))
wasserstein = hg.Wasserstein()
rules = hg.Adam(0.002, beta1=0.5), hg.Adam(0.001, beta1=0.5)
ones, back = np.ones((BATCH, 1), np.float32), []
for _ in range(of(200, 6)):
    source, goal = rng.integers(0, KINDS, (2, BATCH))
    real = of_kind(x[rng.integers(0, len(x), BATCH)], source)
    made = make.predict(np.concatenate([real, planes(goal)], axis=1))
    scores = tell(hg.Tensor(real))
    loss = hinge(real_or_made(scores), ones) + kind_of(which(scores), source)
    (loss + hinge(real_or_made(tell(hg.Tensor(made))), -ones)).backward()
    rules[1].step(tell)

    there = make(np.concatenate([real, planes(goal)], axis=1) + hg.Tensor(np.float32(0)))
    again = make(np.concatenate([there, hg.Tensor(planes(source))], axis=1))
    scores, cost = tell(there), cycle(again, real)
    (wasserstein(real_or_made(scores), ones) + kind_of(which(scores), goal) + 10 * cost).backward()
    rules[0].step(make)
    back.append(cost.item())

some = x[:8]
figure, axes = panels(3)
error = []
for kind in range(KINDS):
    kinds = np.full(8, kind)
    made = make.predict(np.concatenate([some, planes(kinds)], axis=1))
    error.append(np.abs(made - of_kind(some, kinds)).mean())
    images(axes[kind], KIND_NAMES[kind], np.concatenate([some, made, of_kind(some, kinds)])[:, 0])
done(
    __file__, figure,
    f"there and back changes a pixel by {np.mean(back[-50:]):.3f}; by kind the mean distance from "
    "what was never shown beside it: " + ", ".join(f"{e:.2f}" for e in error),
)  # fmt: skip
