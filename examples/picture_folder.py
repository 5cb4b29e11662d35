"""Pictures in folders, one folder for each class, read by Pillow and learned by a convolution."""

from pathlib import Path

import numpy as np

from handgrad import Affine, Convolution, Flatten, MaxPooling, ReLU, Sequential, accuracy, fit
from handgrad.train import read_pictures, split

try:
    from PIL import Image
except ModuleNotFoundError:
    print("this needs Pillow: pip install 'handgrad[images]'")
    raise SystemExit from None

rng = np.random.default_rng(0)
for kind in ("ring", "stripes"):
    Path("shapes", kind).mkdir(parents=True, exist_ok=True)
    for i in range(80):
        y, x = np.mgrid[:16, :16] - rng.integers(5, 11, (2, 1, 1))
        drawn = abs(np.hypot(x, y) - 4) < 1.2 if kind == "ring" else (x + y) % 5 < 2
        shades = np.clip(drawn * 160 + rng.normal(50, 20, (16, 16)), 0, 255).astype(np.uint8)
        Image.fromarray(shades).save(f"shapes/{kind}/{i:02}.png")

x, t, classes = read_pictures("shapes")
print(x.shape, x.dtype, classes)
x, t, x_test, t_test = split((x / 255).astype(np.float32), t)
network = Sequential(Convolution(8, 3), ReLU(), MaxPooling(2), Flatten(), Affine(2), seed=0)
fit(network, x, t, epochs=10)
print(network.evaluate(x_test, t_test, metrics=[accuracy]))
