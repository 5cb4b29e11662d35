"""Which rule it is: its steps from p = 0 against every formula, then learning rate and decay."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.optimcheck.causes import Finding
from handgrad.optimcheck.contract import Lab
from handgrad.optimcheck.fit import EXACT, Fit, coarse, fine, predicted
from handgrad.optimcheck.formulas import VARIANTS
from handgrad.optimcheck.subject import Run
from handgrad.subject.sandbox import SubjectError

PLAIN = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop")  # rules without corrections
COUNT = 60  # steps that are compared
SIZES = np.array([1, 1, 0.5, 0.3, 0.1, 0.1, 1e-2, 1e-2, 1e-3, 1e-4, 1e-5, 1e-7])  # of gradients


def options(run: Run) -> dict[str, tuple[Any, Any]]:
    """The numbers that a rule holds, by name: the dict they are in, and their key."""
    held = getattr(run.rule, "__dict__", {})
    inner = [v for v in held.values() if isinstance(v, dict)]
    return {
        str(key): (where, key)
        for where in (held, *inner, *held.get("param_groups", []))
        for key, value in where.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def numbers(run: Run) -> list[float]:
    """All of them, and those in tuples."""
    held = getattr(run.rule, "__dict__", {})
    values = [*held.values(), *held.get("param_groups", [{}])[0].values()]
    inner = [x for v in values if isinstance(v, tuple) for x in v if isinstance(x, float)]
    return [*(float(where[key]) for where, key in options(run).values()), *inner]


def _rates(run: Run, t: int) -> dict[str, float]:
    """What could be the learning rate of update t: the numbers held, and functions of t held."""
    rates = {name: float(where[key]) for name, (where, key) in options(run).items()}
    for name, value in getattr(run.rule, "__dict__", {}).items():
        with contextlib.suppress(Exception):
            rates[name] = (
                float(run.sandbox.call(name, value, t)) if callable(value) else rates[name]
            )
    return rates


class Identity:
    """What is found out about a rule's formula."""

    def __init__(self, lab: Lab):
        self.lab = lab
        self.g = lab.rng.normal(size=(COUNT, 12)) * SIZES
        self.steps = self.measure(self.g)
        run = lab.start({"W": lab.p})
        self.numbers = numbers(run)
        self.options = {name: float(where[key]) for name, (where, key) in options(run).items()}
        self.ratios = {name: self._ratio(name) for name in self.options}
        self.knobs = [name for name, ratio in self.ratios.items() if np.isclose(ratio, 2)]

    def measure(self, gradients: Array, p: Any = 0.0) -> Array:
        """The steps (T, 12), taken from the same p each time, that these gradients lead to."""
        p = np.broadcast_to(p, 12).reshape(4, 3).copy()
        run, rows = self.lab.start({"W": p}), []
        for g in gradients:
            run.step({"W": g.reshape(4, 3).copy()})
            rows.append((p - run.values()["W"]).ravel())
            run.reset({"W": p})
        return np.array(rows)

    def turned(self, name: str, factor: float, at: int, count: int) -> Array:
        """Where p = 0 gets to in some steps, a number being multiplied before one of them."""
        run = self.lab.start({"W": np.zeros((4, 3))})
        for t, g in enumerate(self.g[:count]):
            if t == at:
                where, key = options(run)[name]
                where[key] *= factor
            run.step({"W": g.reshape(4, 3).copy()})
        return -run.values()["W"].ravel()

    def _ratio(self, name: str) -> float:
        """By what factor doubling a number before the first step changes all of that step."""
        try:
            ratios = self.turned(name, 2, 0, 1) / self.steps[0]
        except SubjectError:  # no learning rate
            return 1.0
        return float(ratios[0]) if np.allclose(ratios, ratios[0], rtol=1e-6) else 1.0

    def search(self, rule: str | None) -> tuple[Fit, bool]:
        """The first formula that fits, that rule's own before all others, or the closest one."""
        order = VARIANTS
        if rule:
            order = sorted(VARIANTS, key=lambda v: (v.wrong != "", v.rule != rule))
        fits = []
        for variant in order:
            fits.append(coarse(variant, self.g, self.steps, self.numbers))
            if fits[-1].error < EXACT:
                return fits[-1], True
        for i in sorted(sorted(range(len(fits)), key=lambda i: fits[i].size)[:6]):
            fits[i] = fine(fits[i].variant, self.g, self.steps, self.numbers)
            if fits[i].error < EXACT:
                return fits[i], True
        return min(fits, key=lambda f: f.size), False

    def scheduled(self) -> Fit | None:
        """The formula that fits with a learning rate that the rule changes by itself, if any.

        Any change, where the formula has no correction that it could hide; else one that is held.
        """
        plain = [v for v in VARIANTS if v.rule in PLAIN and not v.wrong]
        tries = [(self.g, self.steps, plain, True)]
        run, rows = self.lab.start({"W": self.lab.p}), []
        for t, g in enumerate((*self.g, self.g[0])):
            rows.append(_rates(run, t))
            run.step({"W": g.reshape(4, 3).copy()})
        for name, first in rows[0].items():
            series = np.array([row.get(name, np.nan) for row in rows])
            if np.isfinite(series).all() and np.ptp(series) and first:
                for rate in (series[:-1, None] / first, series[1:, None] / first):
                    tries += [(self.g, self.steps / rate, VARIANTS, False),
                              (self.g * rate, self.steps, plain, False)]  # fmt: skip
        for g, steps, variants, free in tries:
            fits = (coarse(v, g, steps, self.numbers, free) for v in variants if not v.wrong)
            if found := next((f for f in fits if f.error < EXACT), None):
                return found
        return None

    def holds(self, number: float) -> bool:
        return any(np.isclose(number, held, rtol=1e-6) for held in self.numbers)

    def mistakes(self, found: Fit) -> Iterator[Finding]:
        """Mistakes in a formula that fits: its variant, settings exchanged, a factor."""
        it = f"Its steps are those of {found}"
        if found.variant.wrong:
            yield Finding(found.variant.wrong, f"{it}. {self.instead(found)}")
        shares = {n: v for n, v in found.settings.items() if n not in ("eps", "start")}
        for name, v in shares.items():
            usual = any(np.isclose(1 - v, share) for share in (0.9, 0.95, 0.99, 0.999))
            if usual or (v < 0.5 and self.holds(1 - v) and not self.holds(v)):
                yield Finding("wrong_formula", f"{it}: {name} and 1 - {name} are exchanged.")
        if "eps" in found.settings and shares.get("beta1", 0) ** 2 > shares.get("beta2", 1):
            yield Finding("wrong_formula", f"{it}: beta1 and beta2 are exchanged.")
        if len(self.knobs) == 1:
            yield from self._factor(found, shares, f"{it}, although {self.knobs[0]}")
        for name, ratio in self.ratios.items():
            if not self.knobs and any(np.isclose(ratio, r) for r in (2**0.5, 4)):
                yield Finding(
                    "wrong_scale", f"{it}, but twice {name} makes them {ratio:.6g} times."
                )
        same = [n for n, v in self.options.items() if np.isclose(v, found.lr, rtol=1e-6)]
        if same and not self.knobs:
            yield Finding("stale_lr", f"{it}, but doubling {same[0]} before step 1 changes none.")
        late = [self.turned(name, f, 3, 4) for name in self.knobs[:1] for f in (1, 5)]
        if late and np.array_equal(late[0], late[1]):
            yield Finding("stale_lr", f"5 times {self.knobs[0]} before step 4 does not change it.")

    def _factor(self, found: Fit, shares: dict[str, float], it: str) -> Iterator[Finding]:
        """Whether η is the learning rate that the rule holds."""
        held = self.options[self.knobs[0]]
        c = found.lr / held
        if np.isclose(c, 1, rtol=1e-6) or self.holds(c) or self.holds(1 / c):
            return
        for name, v in shares.items():
            powers = np.isclose(c, (1 - v) ** np.array([1, -1, 0.5, -0.5]), rtol=1e-6)
            if powers[0] and found.variant.rule in ("momentum", "nesterov"):
                self.lab.notes.append(
                    f"the gradient enters the velocity with the factor 1 - {name}"
                )
                return
            if powers.any():
                yield Finding(
                    "wrong_formula", f"{it} is {held:.6g}: a factor 1 - {name} is missing."
                )
        yield Finding("wrong_scale", f"{it} is {held:.6g}: they are {c:.6g} times as large.")

    def instead(self, found: Fit) -> str:
        """A step that was measured, and what the rule's paper makes of it."""
        right = next(v for v in VARIANTS if v.rule == found.variant.rule)
        u = found.lr * predicted(found._replace(variant=right), self.g)
        t, e = np.argwhere(~np.isclose(u, self.steps, rtol=1e-3))[0]
        return (f"In step {t + 1}, an entry with the gradient {self.g[t, e]:.6g} moves by "
                f"{-self.steps[t, e]:.6g}, and should by {-u[t, e]:.6g}.")  # fmt: skip

    def decay(self, found: Fit) -> tuple[str, float]:
        """Whether and how a parameter decays, and its λ."""
        g, p = self.lab.g.reshape(-1, 12), self.lab.p.ravel()
        steps, u = self.measure(g, p), found.lr * predicted(found, g)
        least = max(1e-9, 30 * found.error) * abs(steps).max()
        if np.allclose(steps, u, atol=least):
            return "none", 0.0
        for other in (np.broadcast_to(p, u.shape), p - u):  # decay beside the step, or after it
            k = float(((steps - u) * other).sum() / (other**2).sum())
            if np.allclose(steps - u, k * other, atol=least):
                return "either" if found.variant.rule == "sgd" else "decoupled", k / found.lr
        usual = {*map(abs, self.numbers), 0.1, 0.01, 1e-3, 1e-4, 5e-4} - {0.0}
        for size in (x for n in sorted(usual) for x in (n, -n)):
            for name, q in (("coupled", p), ("L1", np.sign(p))):
                if np.allclose(steps, found.lr * predicted(found, g + size * q), rtol=1e-6):
                    return name, size
        return "odd", float("nan")
