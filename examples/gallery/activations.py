"""Step, sigmoid, tanh, ReLU and their younger relatives, each with its derivative by backward."""

import numpy as np
from frame import done, panels

from handgrad import layers

NAMES = str.split("Step Sigmoid Tanh ReLU LeakyReLU ELU Softplus GELU SiLU Mish HardSwish Softsign")
x = np.linspace(-4, 4, 401)
figure, axes = panels(4, 3, 2.0, 1.6)
worst = {}
for panel, name in zip(axes, NAMES):
    layer = getattr(layers, name)()
    y = layer.forward(x)
    derivative = layer.backward(np.ones_like(x))
    panel.plot(x, y, label="y")
    panel.plot(x, derivative, "--", label="dy/dx")
    panel.set_title(name)
    h = 1e-5
    numeric = (layer.forward(x + h) - layer.forward(x - h)) / (2 * h)
    smooth = np.abs(np.abs(x) - 3) > 0.01  # away from the kinks, at 0 and ±3
    smooth &= np.abs(x) > 0.01
    worst[name] = np.abs(numeric - derivative)[smooth].max()
axes[0].legend(frameon=False)
far = max(worst, key=worst.get)
done(
    __file__, figure,
    f"12 functions; backward agrees with numerical differentiation to {worst[far]:.0e} ({far})",
)  # fmt: skip
