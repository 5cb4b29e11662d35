"""Mutants: right layers with one thing changed, each shown to behave differently."""

from collections import Counter
from copy import deepcopy
from dataclasses import replace

import numpy as np

from .differ import difference, is_linear, works
from .right import SAMPLES
from .rules import RULES
from .source import Source, compiled
from .specimen import Specimen


def mutants(per_class=4):
    """`per_class` mutants of each right layer, rarely used rules first, the same in every run."""
    used = Counter()
    for cls, sample in SAMPLES.items():
        found = 0
        for rule in sorted(RULES, key=lambda rule: used[rule.name]):
            specimen = next(_real(cls, sample, rule, used[rule.name]), None)
            if specimen is not None:
                used[rule.name] += 1
                found += 1
                yield specimen
            if found == per_class:
                break


def _real(cls, sample, rule, turn):
    """The mutants that a rule makes of a class, without those that change nothing."""
    source = Source(cls)
    arguments, inputs = sample(np.random.default_rng(0))
    sites = list(rule.sites(source))
    turn = turn % max(len(sites), 1)  # not always the first gradient, or the first sum
    for node, text in sites[turn:] + sites[:turn]:
        where = f"line {node.lineno}"
        title = f"{cls.__name__}: {rule.name}, {where}"
        changed = compiled(source, source.changed(node, text), title)
        specimen = Specimen(
            name=title,
            make=lambda changed=changed: changed(*deepcopy(arguments)),
            inputs=inputs,
            cause=rule.causes[0],
            also=rule.causes[1:],
            right=lambda: cls(*deepcopy(arguments)),
        )
        if works(specimen) and difference(specimen):
            nameless = {"wrong_formula", "missing_term"} & set(rule.causes)
            if nameless and not is_linear(specimen):
                specimen = replace(specimen, cause="upstream_ignored", also=rule.causes)
            yield specimen
