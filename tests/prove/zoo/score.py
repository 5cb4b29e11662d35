"""What the doctor makes of the zoo: a table by cause, and the false alarms.

    python -m tests.prove.zoo.score            the table, and every mistake missed or named wrongly
    python -m tests.prove.zoo.score memory     only specimens whose name contains a word

`floor.json` holds the scores that may only get better; `--write FILE` writes such a file.
"""

import argparse
import json
import multiprocessing
import os
import warnings
from collections import Counter, defaultdict
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np

from handgrad.findings.report import CAUSES
from handgrad.prove.check import check

from .fair import FAIR
from .handmade import MISTAKES
from .mutation import mutants
from .right import SAMPLES
from .specimen import Specimen

_specimens: list[Specimen] = []


@dataclass(frozen=True)
class Opinion:
    """What `check` said about one specimen."""

    specimen: Specimen
    verdict: str
    cause: str | None
    seconds: float

    @property
    def detected(self):
        return self.verdict == "wrong"

    @property
    def named(self):
        return self.detected and self.specimen.explained_by(self.cause)

    def __str__(self):
        known = "/".join((self.specimen.cause or "right", *self.specimen.also))
        return f"{self.specimen.name}: {self.verdict} ({self.cause}), {known}"


def wrong():
    """Every specimen with a mistake."""
    yield from MISTAKES
    yield from mutants()


def healthy():
    """Every specimen without one: the plain right layers, and the odd ones."""
    for cls, sample in SAMPLES.items():
        arguments, inputs = sample(np.random.default_rng(0))
        yield Specimen(cls.__name__, lambda c=cls, a=arguments: c(*deepcopy(a)), inputs)
    yield from FAIR


def opinion(specimen):
    """`check` on one specimen."""
    start = perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # check itself must not leak a subject's warnings
        report = check(specimen.make(), *specimen.inputs, reference=_reference(specimen))
    return Opinion(specimen, report.verdict, report.cause, perf_counter() - start)


def _reference(specimen):
    """For a forward with another meaning than it should have, the right one: else none can tell."""
    if specimen.cause != "forward_bug" or specimen.right is None:
        return None
    return lambda *inputs: specimen.right().forward(*inputs)


def opinions(specimens):
    """`check` on many specimens, on every core where processes can be forked."""
    global _specimens
    _specimens = list(specimens)  # inherited by the forked processes: layers hold functions
    if not hasattr(os, "fork"):
        return [opinion(s) for s in _specimens]
    with multiprocessing.get_context("fork").Pool() as pool:
        rest = pool.map(_opinion_of, range(len(_specimens)), chunksize=8)
    return [Opinion(s, *said) for s, said in zip(_specimens, rest)]


def _opinion_of(number):
    said = opinion(_specimens[number])
    return said.verdict, said.cause, said.seconds


def scores(of_wrong, of_right):
    """The numbers that may only get better."""
    by_cause = defaultdict(Counter)
    for o in of_wrong:
        by_cause[o.specimen.cause].update(total=1, detected=int(o.detected), named=int(o.named))
    return {
        "detected": sum(o.detected for o in of_wrong),
        "named": sum(o.named for o in of_wrong),
        "total": len(of_wrong),
        "right": len(of_right),
        "false alarms": [str(o) for o in of_right if o.detected],
        "causes": {cause: dict(by_cause[cause]) for cause in CAUSES if cause in by_cause},
    }


def table(result):
    """The scores as text."""
    lines = [f"{'cause':<22}{'mistakes':>9}{'detected':>10}{'named':>8}"]
    rows = [*result["causes"].items(), ("all", result)]
    for cause, row in rows:
        share = f"{row['named'] / max(row['total'], 1):.0%}"
        lines.append(f"{cause:<22}{row['total']:>9}{row['detected']:>10}{share:>8}")
    lines.append(f"false alarms on {result['right']} right layers: {len(result['false alarms'])}")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("word", nargs="?", default="", help="part of a specimen's name")
    parser.add_argument("--write", type=Path, help="write the scores to this file, as JSON")
    given = parser.parse_args()
    start = perf_counter()
    of_wrong = opinions(s for s in wrong() if given.word in s.name)
    of_right = opinions(s for s in healthy() if given.word in s.name)
    for title, some in (
        ("not detected", [o for o in of_wrong if not o.detected]),
        ("named wrongly", [o for o in of_wrong if o.detected and not o.named]),
        ("false alarm or no verdict", [o for o in of_right if o.verdict != "right"]),
    ):
        print("".join(f"{title}: {o}\n" for o in some), end="")
    slow = sorted(of_wrong + of_right, key=lambda o: -o.seconds)[:5]
    print("slowest:", ", ".join(f"{o.specimen.name} {o.seconds:.2f} s" for o in slow))
    result = scores(of_wrong, of_right)
    print(table(result))
    print(f"{perf_counter() - start:.0f} s")
    if given.write:
        given.write.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
