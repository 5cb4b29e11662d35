"""Which rule it is: its steps from p = 0 against every formula, then its learning rate and decay."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.prove.optimizer.causes import Finding
from handgrad.prove.optimizer.contract import Lab
from handgrad.prove.optimizer.fit import EXACT, Fit, coarse, fine
from handgrad.prove.optimizer.formulas import VARIANTS, Variant, simulate
from handgrad.prove.optimizer.subject import Run
from handgrad.prove.sandbox import SubjectError

COUNT = 60  # steps that are compared
SIZES = np.array([1, 1, 0.5, 0.3, 0.1, 0.1, 1e-2, 1e-2, 1e-3, 1e-4, 1e-5, 1e-7])  # of gradients


def options(run: Run) -> dict[str, tuple[Any, Any]]:
    """The numbers that a rule holds, by name: the dict they are in, and their key."""
    rule = vars(run.rule).get("rule", run.rule) if hasattr(run.rule, "__dict__") else run.rule
    held = getattr(rule, "__dict__", {})
    groups = held.get("param_groups", [])
    inner = [v for v in held.values() if isinstance(v, dict)]
    found = {}
    for place in (held, *inner, *groups):
        for key, value in place.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                found[str(key)] = (place, key)
    return found


def numbers(run: Run) -> list[float]:
    """All of them, and those in tuples."""
    found = [float(place[key]) for place, key in options(run).values()]
    for value in [*vars(run.rule).values(), *getattr(run.rule, "param_groups", [{}])[0].values()]:
        found += (
            [float(v) for v in value if isinstance(v, float)] if isinstance(value, tuple) else []
        )
    return found


class Identity:
    """What was found out about a rule's formula."""

    def __init__(self, lab: Lab):
        self.lab = lab
        self.g = lab.rng.normal(size=(COUNT, 12)) * SIZES
        self.steps = self.measure(self.g)
        self.run = lab.start({"W": lab.p})
        self.numbers = numbers(self.run)
        self.knobs = [name for name in options(self.run) if self._scales(name)]

    def measure(self, gradients: Array, p: Any = 0.0) -> Array:
        """The steps (T, 12), taken from the same p each time, that these gradients lead to."""
        p = np.broadcast_to(p, 12).reshape(4, 3).copy()
        run, rows = self.lab.start({"W": p}), []
        for g in gradients:
            run.step({"W": g.reshape(4, 3).copy()})
            rows.append((p - run.values()["W"]).ravel())
            run.reset({"W": p})
        return np.array(rows)

    def turn(self, run: Run, name: str, factor: float) -> None:
        place, key = options(run)[name]
        place[key] = place[key] * factor

    def _scales(self, name: str) -> bool:
        """Whether doubling a number before the first step doubles that step."""
        run = self.lab.start({"W": np.zeros((4, 3))})
        self.turn(run, name, 2)
        try:
            run.step({"W": self.g[0].reshape(4, 3).copy()})
        except SubjectError:  # it was no learning rate
            return False
        first = -run.values()["W"].ravel()
        return np.allclose(first, 2 * self.steps[0], rtol=1e-6, atol=0) and bool(first.any())

    def search(self, rule: str | None) -> tuple[Fit | None, Fit]:
        """The first formula that fits, that rule's own before all others; and the closest one."""
        fits = []
        for variant in sorted(
            VARIANTS, key=lambda v: bool(rule) and (v.rule != rule, v.wrong != "")
        ):
            fits.append(coarse(variant, self.g, self.steps, self.numbers))
            if fits[-1].error < EXACT:
                return fits[-1], fits[-1]
        near = sorted(range(len(fits)), key=lambda i: fits[i].size)[:6]
        for i in sorted(near):
            fits[i] = fine(fits[i], self.g, self.steps)
            if fits[i].error < EXACT:
                return fits[i], fits[i]
        return None, min(fits, key=lambda f: f.size)

    def holds(self, number: float) -> bool:
        return any(np.isclose(number, held, rtol=1e-6) for held in self.numbers)

    def mistakes(self, found: Fit) -> Iterator[Finding]:
        """Mistakes in a formula that fits: its variant, settings exchanged, a factor."""
        variant = found.variant
        if variant.wrong:
            yield Finding(variant.wrong, f"Its steps are those of {spell(found)}: {variant.words}. "
                          f"{self.instead(found)}")  # fmt: skip
        shares = {n: v for n, v in found.settings.items() if n not in ("eps", "start")}
        for name, v in shares.items():
            swapped = v < 0.5 and self.holds(1 - v) and not self.holds(v)
            if swapped or any(np.isclose(1 - v, usual) for usual in (0.9, 0.95, 0.99, 0.999)):
                yield Finding("wrong_formula", f"Its steps are those of {variant.rule} with {name} = {v:.6g}"
                              f" and not {1 - v:.6g}: {name} and 1 - {name} are exchanged.")  # fmt: skip
        if "eps" in found.settings and shares.get("beta1", 0) ** 2 > shares.get("beta2", 1):
            yield Finding("wrong_formula", f"Its steps are those of {spell(found)}: beta1 and beta2 "
                          "are exchanged.")  # fmt: skip
        yield from self._factor(found, shares)

    def _factor(self, found: Fit, shares: dict[str, float]) -> Iterator[Finding]:
        """Whether η is the learning rate that the rule holds."""
        if len(self.knobs) != 1:
            same = [
                n
                for n, (d, k) in options(self.run).items()
                if np.isclose(d[k], found.lr, rtol=1e-6)
            ]
            if same and not self.knobs:
                yield Finding("stale_lr", f"Doubling {same[0]} = {found.lr:.6g} changes no step.")
            return
        place, key = options(self.run)[self.knobs[0]]
        held = float(place[key])
        c = found.lr / held
        if np.isclose(c, 1, rtol=1e-6) or self.holds(c) or self.holds(1 / c):
            return
        factors = {f"1 - {n}": 1 - v for n, v in shares.items()}
        for name, v in factors.items():
            if np.isclose(c, v, rtol=1e-6) and found.variant.rule in ("momentum", "nesterov"):
                self.lab.notes.append(f"the gradient enters the velocity with the factor {name}")
                return
            if any(np.isclose(c, x, rtol=1e-6) for x in (v, 1 / v, v**0.5, v**-0.5)):
                yield Finding("wrong_formula", f"Its steps are those of {spell(found)}, although "
                              f"{self.knobs[0]} is {held:.6g}: a factor {name} is missing.")  # fmt: skip
                return
        yield Finding("wrong_scale", f"Its steps are those of {spell(found)}, although {self.knobs[0]} "
                      f"is {held:.6g}: {c:.6g} times as large.")  # fmt: skip

    def instead(self, found: Fit) -> str:
        """A step that was measured, and what the rule's paper makes of it."""
        right = next(v for v in VARIANTS if v.rule == found.variant.rule)
        u = found.lr * predicted(found._replace(variant=right), self.g)
        t, e = np.argwhere(~np.isclose(u, self.steps, rtol=1e-3))[0]
        return (f"In step {t + 1} an entry with the gradient {self.g[t, e]:.6g} moves by "
                f"{-self.steps[t, e]:.6g}, and should by {-u[t, e]:.6g}.")  # fmt: skip

    def late(self) -> Iterator[Finding]:
        """A learning rate that is changed between two steps counts from the next on."""
        if self.knobs:
            traces = []
            for factor in (1, 5):
                run = self.lab.start({"W": np.zeros((4, 3))})
                for t, g in enumerate(self.lab.g[:4]):
                    self.turn(run, self.knobs[0], factor if t == 3 else 1)
                    run.step({"W": g.copy()})
                traces.append(run.values()["W"])
            if np.array_equal(*traces):
                yield Finding(
                    "stale_lr",
                    f"Five times {self.knobs[0]} after step 3 changes nothing in step 4.",
                )

    def decay(self, found: Fit) -> tuple[str, float]:
        """How a parameter decays, with its λ: "none", "coupled", "decoupled", "either", "L1" or "odd"."""
        g, p = self.lab.g.reshape(-1, 12), self.lab.p.ravel()
        steps, u = self.measure(g, p), found.lr * predicted(found, g)
        rest = steps - u
        least = max(1e-9, 30 * found.error) * abs(steps).max()
        if np.allclose(rest, 0, atol=least):
            return "none", 0.0
        for other in (np.broadcast_to(p, u.shape), p - u):  # decay beside the step, or after it
            k = float((rest * other).sum() / (other**2).sum())
            if np.allclose(rest, k * other, atol=least):
                return "either" if found.variant.rule == "sgd" else "decoupled", k / found.lr
        for number in (
            x for n in {*self.numbers, 0.1, 0.01, 1e-3, 1e-4, 5e-4} - {0.0} for x in (n, -n)
        ):
            for name, q in (("coupled", p), ("L1", np.sign(p))):
                if np.allclose(steps, found.lr * predicted(found, g + number * q), rtol=1e-6):
                    return name, number
        return "odd", float("nan")


def predicted(found: Fit, gradients: Array) -> Array:
    h = {name: np.array([[v]]) for name, v in found.settings.items()}
    return simulate(found.variant, h, gradients)[:, 0]


def spell(found: Fit) -> str:
    """A formula with its settings in words."""
    settings = {"lr": found.lr, **found.settings}
    return f"{found.variant.rule} with " + ", ".join(f"{n} = {v:.6g}" for n, v in settings.items())
