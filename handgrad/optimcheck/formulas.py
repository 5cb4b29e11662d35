"""The update rules as their papers write them, with their conventions and the usual mistakes.

A formula gives the step u of p ← p - η u from g, the gradient of update t = 1, 2, …; s is its
state, h its settings, each a column of many values at once, and `how` the words in which a
variant differs from the paper. Only η is missing: the steps are linear in it, so it is fitted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from handgrad.arrays import Array

Formula = Callable[[Array, int, Any, Mapping[str, Array], str], Array]


def mean(s: Any, key: str, x: Array, rho: Array) -> Array:
    """s[key] ← ρ s[key] + (1-ρ) x."""
    s[key] = rho * s[key] + (1 - rho) * x
    return s[key]


def square(g: Array, how: str) -> Array:
    return abs(g) if "unsquared" in how else g * g


def root(h: Array, eps: Array, how: str) -> Array:
    """√h + ε, or √(h + ε)."""
    if "rootless" in how:
        return h + eps
    return np.sqrt(h + eps) if "inside" in how else np.sqrt(h) + eps


def sgd(g: Array, t: int, s: Any, h: Any, how: str) -> Array:
    return np.sign(g) if "sign" in how else g


def momentum(g: Array, t: int, s: Any, h: Any, how: str) -> Array:
    old, first = s["v"], "undamped" in how and t == 1
    s["v"] = h["mu"] * old + (g if first or "undamped" not in how else (1 - h["tau"]) * g)
    if "nesterov" not in how:
        return s["v"]
    return h["mu"] ** 2 * s["v"] + (1 + h["mu"]) * g if "twice" in how else g + h["mu"] * s["v"]


def adagrad(g: Array, t: int, s: Any, h: Any, how: str) -> Array:
    s["h"] = square(g, how) + (s["h"] if t > 1 else h.get("start", 0))
    return g / root(s["h"], h["eps"], how)


def rmsprop(g: Array, t: int, s: Any, h: Any, how: str) -> Array:
    v = mean(s, "v", square(g, how), h["rho"])
    if "centred" in how:
        v = np.maximum(v - mean(s, "m", g, h["rho"]) ** 2, 0)
    u = g / root(v, h["eps"], how)
    if "momentum" in how:
        s["u"] = u = h["mu"] * s["u"] + u
    return u


def adadelta(g: Array, t: int, s: Any, h: Any, how: str) -> Array:
    eps = h["eps"]
    old, v = s["d"], mean(s, "h", g * g, h["rho"])
    u = g * (np.sqrt(old) + eps) / (np.sqrt(v) + eps) if "outside" in how else g * np.sqrt(
        (old + eps) / (v + eps)
    )  # fmt: skip
    mean(s, "d", (g if "gradients" in how else u) ** 2, h["rho"])
    return u


def adam(g: Array, t: int, s: Any, h: Any, how: str) -> Array:
    b1, b2, eps = h["beta1"], h["beta2"], h["eps"]
    m = mean(s, "m", g, b1)
    v = mean(s, "v", square(m if "of-m" in how else g - m if "belief" in how else g, how), b2)
    count = t + ("late" in how)
    c2, c1 = (1 - b**count for b in ((b1, b2) if "crossed" in how else (b2, b1)))
    c1 = 1 if "biased-m" in how else c1
    c2 = 1 if "biased-v" in how else c2 * c2 if "c2-whole" in how else c2
    if "amsgrad" in how:
        v = s["max"] = np.maximum(s["max"], v / c2 if "of-corrected" in how else v)
        c2 = 1 if "of-corrected" in how else c2
    if "kept" in how:
        s["m"], s["v"] = m / c1, v / c2
    if "nadam" in how:
        m = b1 * m / (1 - b1 ** (t + 1) if "ahead" in how else c1) + (1 - b1) * g / c1
        c1 = 1
    if "uncorrected" in how:  # ε is added to the root before its correction
        return m / c1 * np.sqrt(c2) / root(v, eps, how)
    return m / c1 / root(v / c2, eps, how)


def nadam(g: Array, t: int, s: Any, h: Any, how: str) -> Array:
    """With Dozat's schedule of β1, in the form of PyTorch and Keras."""
    b1, b2, eps = h["beta1"], h["beta2"], h["eps"]
    m, v = mean(s, "m", g, b1), mean(s, "v", g * g, b2)
    now, then = (b1 * (1 - 0.5 * 0.96 ** (k * 0.004)) for k in (t, t + 1))
    s["c"] = c = now * (s["c"] if t > 1 else 1)
    return ((1 - now) * g / (1 - c) + then * m / (1 - c * then)) / root(v / (1 - b2**t), eps, how)


def radam(g: Array, t: int, s: Any, h: Any, how: str) -> Array:
    b1, b2, eps = h["beta1"], h["beta2"], h["eps"]
    m, v = mean(s, "m", g, b1) / (1 - b1**t), mean(s, "v", g * g, b2)
    most = 2 / (1 - b2) - 1
    n = most - 2 * t * b2**t / (1 - b2**t)
    r = np.sqrt(np.maximum((n - 4) * (n - 2) * most / ((most - 4) * (most - 2) * n), 0))
    c = np.sqrt(1 - b2**t)
    u = m * r * (1 / root(v / c**2, eps, how) if "corrected" in how else c / root(v, eps, how))
    return np.where(n > 5, u, m)


def adamax(g: Array, t: int, s: Any, h: Any, how: str) -> Array:
    size = h["beta2"] * s["n"], abs(g) + (h["eps"] if "outside" not in how else 0)
    s["n"] = np.maximum(*size)
    bottom = s["n"] + (h["eps"] if "outside" in how else 0)
    return mean(s, "m", g, h["beta1"]) / (1 - h["beta1"] ** t) / bottom


def lion(g: Array, t: int, s: Any, h: Any, how: str) -> Array:
    b1 = h["beta1"]
    u = np.sign(b1 * s["m"] + (1 - b1) * g)
    mean(s, "m", g, h["beta2"])
    return u


class Variant(NamedTuple):
    """A formula, how it differs from the paper's, and the words for that; wrong: the cause."""

    rule: str
    formula: Formula
    how: str = ""
    words: str = ""
    wrong: str = ""


ADAM, RHO, MU = ("beta1", "beta2", "eps"), ("rho", "eps"), ("mu",)
SETTINGS = {
    "sgd": (), "momentum": MU, "nesterov": MU, "adagrad": ("eps",), "rmsprop": RHO,
    "adadelta": RHO, "lion": ADAM[:2],
}  # fmt: skip
INSIDE = "eps inside the root"
UNCORRECTED = "eps added to the root before its correction"
BIAS, FORM = "missing_bias_correction", "wrong_formula"


VARIANTS = [Variant(*row) for row in (
    ("sgd", sgd), ("sgd", sgd, "sign", "the sign of the gradient alone"),
    ("momentum", momentum), ("nesterov", momentum, "nesterov"),
    ("adagrad", adagrad), ("adagrad", adagrad, "inside", INSIDE),
    ("rmsprop", rmsprop), ("rmsprop", rmsprop, "inside", INSIDE),
    ("adam", adam), ("adam", adam, "uncorrected", UNCORRECTED),
    ("adam", adam, "inside", INSIDE),
    ("adam", adam, "inside uncorrected", f"{INSIDE}, before its correction"),
    ("adadelta", adadelta), ("adadelta", adadelta, "outside", "eps outside the roots"),
    ("lion", lion),
    ("adamax", adamax), ("adamax", adamax, "outside", "eps added to the maximum"),
    ("nadam", nadam, "", "with Dozat's schedule of beta1"),
    ("nadam", adam, "nadam", "without a schedule of beta1"),
    ("nadam", adam, "nadam ahead", "without a schedule of beta1, m corrected one step ahead"),
    ("radam", radam), ("radam", radam, "corrected", "eps after the correction"),
    ("amsgrad", adam, "amsgrad", "the maximum of v, then corrected"),
    ("amsgrad", adam, "amsgrad of-corrected", "the maximum of the corrected v"),
    ("amsgrad", adam, "amsgrad biased-m biased-v", "without corrections, as in the paper"),
    ("amsgrad", adam, "amsgrad biased-v", "only m corrected"),
    ("adabelief", adam, "belief", "v the mean of (g - m)²"),
    ("rmsprop", rmsprop, "centred", "centred"),
    ("rmsprop", rmsprop, "centred inside", f"centred, {INSIDE}"),
    # those with a setting more, which cover others
    ("rmsprop", rmsprop, "momentum", "with momentum"),
    ("rmsprop", rmsprop, "momentum inside", f"with momentum, {INSIDE}"),
    ("adagrad", adagrad, "started", "h starting above 0"),
    ("adagrad", adagrad, "started inside", f"h starting above 0, {INSIDE}"),
    ("momentum", momentum, "undamped", "damped, as in PyTorch"),
    # mistakes
    ("adagrad", adagrad, "rootless", "h without its square root", FORM),
    ("adagrad", adagrad, "unsquared", "h a sum of |g|, not of g²", FORM),
    ("rmsprop", rmsprop, "rootless", "the mean of g² without its square root", FORM),
    ("rmsprop", rmsprop, "unsquared", "a mean of |g|, not of g²", FORM),
    ("rmsprop", rmsprop, "unsquared rootless", "a mean of |g|, not the root of that of g²", FORM),
    ("adam", adam, "biased-m biased-v", "neither m nor v corrected for its start at 0", BIAS),
    ("adam", adam, "biased-v", "v not corrected for its start at 0", BIAS),
    ("adam", adam, "biased-m", "m not corrected for its start at 0", BIAS),
    ("adam", adam, "biased-m biased-v inside", f"neither m nor v corrected, {INSIDE}", BIAS),
    ("adam", adam, "late", "t one too large: 2 in the first step", BIAS),
    ("adam", adam, "late uncorrected", "t one too large: 2 in the first step", BIAS),
    ("adam", adam, "c2-whole", "the correction of v used without its root", FORM),
    ("adam", adam, "c2-whole uncorrected", "the correction of v used without its root", FORM),
    ("adam", adam, "crossed", "m corrected with beta2 and v with beta1", FORM),
    ("adam", adam, "rootless", "v without its square root", FORM),
    ("adam", adam, "rootless biased-m biased-v", "v without its square root, uncorrected", FORM),
    ("adam", adam, "unsquared", "v a mean of |g|, not of g²", FORM),
    ("adam", adam, "of-m", "v a mean of m², not of g²", FORM),
    ("adam", adam, "kept", "the corrected m and v kept, and corrected again", FORM),
    ("adadelta", adadelta, "gradients", "d a mean of squared gradients, not of steps", FORM),
    ("nesterov", momentum, "nesterov twice", "v used after its update, times mu again", FORM),
)]  # fmt: skip
RULES = tuple(dict.fromkeys(v.rule for v in VARIANTS))


def settings_of(variant: Variant) -> tuple[str, ...]:
    """The names of the settings that a variant has besides η."""
    names = SETTINGS.get(variant.rule, ADAM)
    more = {"momentum": "mu", "started": "start", "undamped": "tau"}
    return names + tuple(name for word, name in more.items() if word in variant.how.split())


def simulate(variant: Variant, h: Mapping[str, Array], gradients: Array) -> Array:
    """The steps u (T, K, E) that K settings take for gradients (T, E)."""
    state: Any = defaultdict(float)
    with np.errstate(all="ignore"):
        return np.array(
            [variant.formula(g, t, state, h, variant.how) for t, g in enumerate(gradients, 1)]
        ).reshape(len(gradients), -1, gradients.shape[1])
