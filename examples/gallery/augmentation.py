"""Augmentation: few pictures, shifted, turned and scaled at random, teach as much as many more."""

from frame import curves, done, handwritten, images, of, panels

from handgrad import Adam, Affine, Convolution, Flatten, MaxPooling, ReLU, Sequential, fit
from handgrad.train.augment import Augment, Rotate, Shift, Zoom

name, x, t, x_test, t_test = handwritten(images=True)
x, t, x_test, t_test = x[: of(300, 100)], t[: of(300, 100)], x_test[:2000], t_test[:2000]
pixels = 2 if x.shape[-1] > 8 else 1
change = Augment(Shift(pixels), Rotate(10), Zoom(0.9, 1.1), seed=1)
figure, axes = panels(3)
images(axes[0], "one picture, changed", change(x[[0] * 16], 0)[:, 0], 4)
lines = {}
for title, augment in (("as they are", None), ("changed at random", change)):
    network = Sequential(
        Convolution(16, 3), ReLU(), MaxPooling(2), Flatten(), Affine(50), ReLU(), Affine(10), seed=1
    )
    history = fit(network, x, t, optimizer=Adam(0.002), epochs=of(60, 4), batch=50,
                  validation=(x_test, t_test), augment=augment)  # fmt: skip
    lines[title] = history["val_accuracy"]
    curves(axes[1], "training loss", "epoch", **{title: history["loss"]})
axes[1].legend(lines, frameon=False)
curves(axes[2], "test accuracy", "epoch", **lines)
axes[2].set_ylim(0.5, 1)
said = ", ".join(f"{title} {row[-1]:.1%}" for title, row in lines.items())
done(__file__, figure, f"{name}, {len(x)} samples: test accuracy {said}")
