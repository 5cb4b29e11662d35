"""Files such as everyone knows, made by a seeded generator with the quirks of the real ones."""

from __future__ import annotations

import numpy as np


def adult(n: int = 1500, seed: int = 0) -> str:
    """Incomes: no header, ", " between cells, ? for what is missing, codes beside their words."""
    rng = np.random.default_rng(seed)
    school = ["HS-grad", "Some-college", "Bachelors", "Masters", "11th"]
    years = [9, 10, 13, 14, 7]
    work = np.array(["Private", "Self-emp-not-inc", "Local-gov", "?"])
    lines = []
    for _ in range(n):
        level, age = rng.integers(5), int(rng.integers(17, 80))
        married, hours = rng.random() < 0.5, int(rng.choice([20, 40, 40, 50]))
        gain = int(rng.choice([0, 0, 0, 0, 0, 7688, 99999]))
        score = 0.5 * (years[level] - 10) + 2.5 * married + 0.05 * (hours - 40) + gain / 5000 - 2
        cells = [age, rng.choice(work, p=[0.7, 0.1, 0.14, 0.06]), int(rng.integers(1e4, 1e6)),
                 school[level], years[level], "Married-civ-spouse" if married else "Never-married",
                 rng.choice(["Male", "Female"]), gain, hours,
                 rng.choice(["United-States", "Mexico", "?"], p=[0.9, 0.08, 0.02]),
                 ">50K" if score + rng.normal() * 0.7 > 0 else "<=50K"]  # fmt: skip
        lines.append(", ".join(map(str, cells)))
    return "\n".join(lines) + "\n\n"


def titanic(n: int = 700, seed: int = 1) -> str:
    """Passengers: quoted names with commas and quotes within, empty cells, tickets, cabins."""
    rng = np.random.default_rng(seed)
    lines = ["PassengerId,Survived,Pclass,Name,Sex,Age,SibSp,Parch,Ticket,Fare,Cabin,Embarked"]
    for i in range(n):
        female, ranked = rng.random() < 0.36, int(rng.choice([1, 2, 3], p=[0.25, 0.2, 0.55]))
        lived = rng.random() < (0.92 if female else 0.35) - 0.2 * (ranked == 3) * (1 + female)
        name = f'"Braund{i}, {"Mrs" if female else "Mr"}. Owen ""Lily"" ({i})"'
        age = "" if rng.random() < 0.2 else f"{rng.integers(1, 75)}" + ".5" * (rng.random() < 0.03)
        cabin = f"C{rng.integers(200)}" if ranked == 1 and rng.random() < 0.6 else ""
        cells = [i + 1, int(lived), ranked, name, "female" if female else "male", age,
                 rng.integers(4), rng.integers(3), f"A/5 {rng.integers(10**6)}",
                 f"{rng.gamma(2, 60 / ranked**2):.4f}", cabin,
                 rng.choice(["S", "C", "Q", ""], p=[0.7, 0.19, 0.1, 0.01])]  # fmt: skip
        lines.append(",".join(map(str, cells)))
    return "\r\n".join(lines) + "\r\n"


def auto_mpg(n: int = 398, seed: int = 2) -> str:
    """Cars: several spaces between cells, a tab before quoted names, trailing points, ?."""
    rng = np.random.default_rng(seed)
    lines = []
    for i in range(n):
        cylinders = int(rng.choice([4, 4, 6, 8]))
        weight = 900 + 430 * cylinders + rng.normal() * 200
        power = "?" if rng.random() < 0.02 else f"{25 * cylinders + rng.normal() * 10:.1f}"
        year = int(rng.integers(70, 83))
        mpg = 46 - weight / 140 + 0.7 * (year - 76) + rng.normal()
        lines.append(
            f"{max(mpg, 9):.1f}   {cylinders}   {cylinders * 38:.1f}      {power:<10}"
            f"{weight:.0f}.      {8 + rng.random() * 14:.1f}   {year}  {rng.integers(1, 4)}\t"
            f'"{rng.choice(["ford", "amc"])} model {i}"'
        )
    return "\n".join(lines) + "\n"
