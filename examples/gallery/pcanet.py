"""PCANet: filters from principal components, hashed and counted; only the last layer learns."""

import numpy as np
from frame import done, handwritten, images, of, panels

from handgrad import Adam, Affine, Convolution, Sequential, fit
from handgrad.layers import im2col

name, x, t, x_test, t_test = handwritten(images=True)
x, t = x[: of(4000, 150)], t[: of(4000, 150)]
x_test, t_test = x_test[: of(2000, 150)], t_test[: of(2000, 150)]
FILTERS, KERNEL, BLOCK = 6, of(7, 5) if x.shape[-1] > 8 else 3, 7 if x.shape[-1] > 8 else 4
rng = np.random.default_rng(0)


def components(x):
    """A convolution with the principal components of the patches as filters."""
    some = x[rng.choice(len(x), min(len(x), 500), replace=False)]
    patches = im2col(some, KERNEL, KERNEL, 1, 0)
    patches = patches - patches.mean(axis=1, keepdims=True)
    _, vectors = np.linalg.eigh(patches.T @ patches)
    layer = Convolution(FILTERS, KERNEL, pad="same", inputs=1, bias=False)
    layer.W = vectors[:, ::-1][:, :FILTERS].T.reshape(FILTERS, 1, KERNEL, KERNEL).astype(x.dtype)
    return layer


first = components(x)
maps = first.forward(x[:500]).reshape(-1, 1, *x.shape[2:])
second = components(maps)


def features(x):
    """For each first filter the signs of the second's answers as one number, counted in blocks."""
    n, _, height, width = x.shape
    found = []
    for part in np.array_split(x, max(1, n // 200)):
        y = second.forward(first.forward(part).reshape(-1, 1, height, width)) > 0
        codes = (y * 2 ** np.arange(FILTERS)[:, None, None]).sum(axis=1)
        codes = codes.reshape(len(part), FILTERS, height // BLOCK, BLOCK, width // BLOCK, BLOCK)
        codes = codes.transpose(0, 1, 2, 4, 3, 5).reshape(len(part), -1, BLOCK * BLOCK)
        at = codes + 2**FILTERS * np.arange(codes.shape[1])[:, None]
        wide = codes.shape[1] * 2**FILTERS
        at = at.reshape(len(part), -1) + wide * np.arange(len(part))[:, None]
        found.append(np.bincount(at.ravel(), minlength=wide * len(part)).reshape(len(part), wide))
    return np.sqrt(np.concatenate(found)).astype(np.float32)


known, unknown = features(x), features(x_test)
network = Sequential(Affine(10), seed=1)
fit(network, known, t, optimizer=Adam(0.001), epochs=of(15, 2), batch=50)
right = np.mean(network.predict(unknown).argmax(axis=1) == t_test)
pixels = Sequential(Affine(10), seed=1)
flat, flat_test = x.reshape(len(x), -1), x_test.reshape(len(x_test), -1)
fit(pixels, flat, t, optimizer=Adam(0.001), epochs=of(15, 2), batch=50)
plain = np.mean(pixels.predict(flat_test).argmax(axis=1) == t_test)
figure, axes = panels(2, width=2.6)
images(axes[0], "filters of the first stage", first.W[:, 0], 3)
images(axes[1], "of the second", second.W[:, 0], 3)
done(
    __file__, figure,
    f"{name}, {len(x)} samples: {right:.2%} by one layer on {known.shape[1]} counts, {plain:.2%} "
    "by one layer on the pixels",
)  # fmt: skip
