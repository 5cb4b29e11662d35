"""A time series: windows of 24 hours, and the temperature an hour later."""

import numpy as np

from handgrad import Affine, Flatten, ReLU, Sequential, fit
from handgrad.train import r2, windows

rng = np.random.default_rng(0)
hour = np.arange(24 * 60)
wind = rng.gamma(2.0, 1.5, len(hour))
noise = np.convolve(rng.normal(size=len(hour)), np.ones(6) / 6, mode="same")
temperature = 12 + 6 * np.sin(2 * np.pi * hour / 24) - 0.5 * wind + noise
series = np.stack([temperature, wind], axis=1)

# The last ten days are held out; what is scaled is scaled by the days before.
cut = len(hour) - 240
center, scale = series[:cut].mean(axis=0), series[:cut].std(axis=0)
scaled = (series - center) / scale
x, t = windows(scaled[:cut], 24, targets=scaled[:cut, 0])
x_test, t_test = windows(scaled[cut:], 24, targets=scaled[cut:, 0])
print("windows", x.shape, "targets", t.shape)

network = Sequential(Flatten(), Affine(32), ReLU(), Affine(1), seed=0)
fit(network, x, t, epochs=30)
print(f"R² {r2(network.predict(x_test), t_test):.3f}")
print(f"R² of the last hour, unchanged {r2(x_test[:, -1, :1], t_test):.3f}")
