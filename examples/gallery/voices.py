"""Voices: vowels of speakers never heard before, by mel features and convolutions over time."""

import numpy as np
from frame import done, of, panels

import handgrad as hg

try:
    from scipy.signal import lfilter, stft
except ImportError:
    raise SystemExit("voices: the features are SciPy's: pip install scipy") from None

RATE, rng = 8000, np.random.default_rng(0)
VOWELS = {"a": (730, 1090), "e": (530, 1840), "i": (270, 2290), "o": (570, 840), "u": (300, 870)}


def utter(vowel, size):
    """A quarter of a second: pulses of a voice through two resonances, the speaker's own."""
    pulses = np.zeros(RATE // 4)
    pitch = rng.uniform(90, 140) * size
    pulses[(np.arange(0, len(pulses), RATE / pitch)).astype(int)] = 1
    for formant in VOWELS[vowel]:
        angle = 2 * np.pi * formant * size * rng.normal(1, 0.04) / RATE
        pulses = lfilter([1], [1, -2 * 0.97 * np.cos(angle), 0.97**2], pulses)
    pulses /= np.abs(pulses).max()
    return np.roll(pulses, rng.integers(0, 500)) + 0.1 * rng.standard_normal(len(pulses))


def mel(low, high, count, bins):
    """Triangles, even on the scale of hearing (count, bins)."""
    edges = np.linspace(*(2595 * np.log10(1 + f / 700) for f in (low, high)), count + 2)
    edges = 700 * (10 ** (edges / 2595) - 1) / (RATE / 2) * (bins - 1)
    at = np.arange(bins)
    up = (at - edges[:-2, None]) / np.diff(edges)[:-1, None]
    down = (edges[2:, None] - at) / np.diff(edges)[1:, None]
    return np.maximum(0, np.minimum(up, down))


def features(n, sizes):
    t = rng.integers(0, 5, n)
    sounds = np.stack([utter([*VOWELS][k], rng.uniform(*sizes)) for k in t])
    power = np.abs(stft(sounds, RATE, nperseg=256)[2]) ** 2
    logs = np.log(mel(100, 3800, 24, power.shape[1]) @ power + 1e-6)
    return (logs - logs.mean(axis=(1, 2), keepdims=True)).astype(np.float32), t


x, t = features(of(2000, 150), (0.9, 1.1))  # (N, 24, T)
near, near_t = features(of(500, 100), (0.9, 1.1))
far, far_t = features(of(500, 100), (1.2, 1.35))  # smaller speakers: children
network = hg.Sequential(
    hg.Convolution(32, (5,), pad=2), hg.BatchNorm(), hg.ReLU(), hg.MaxPooling((2,)),
    hg.Convolution(32, (3,)), hg.ReLU(), hg.GlobalAveragePooling(), hg.Affine(5), seed=1,
)  # fmt: skip
hg.fit(network, x, t, optimizer=hg.Adam(0.002), epochs=of(15, 2), batch=50)
right = [np.mean(network.predict(a).argmax(axis=1) == b) for a, b in ((near, near_t), (far, far_t))]
figure, axes = panels(5, width=1.5, height=1.8)
for k, (panel, vowel) in enumerate(zip(axes, VOWELS)):
    panel.imshow(near[near_t == k].mean(axis=0), aspect="auto", origin="lower")
    panel.set(title=f"“{vowel}”, mean", xticks=[], yticks=[])
done(
    __file__, figure,
    f"right: {right[0]:.1%} of speakers like those heard, {right[1]:.1%} of much smaller ones",
)  # fmt: skip
