"""How many of the mistakes are found and named, and how many right rules are called wrong.

python -m tests.prove.optimizers.score [held_out]
"""

import sys
import time
from importlib import import_module

from handgrad.prove.optimizer import check_optimizer

from .specimen import RIGHT, WRONG


def load(*modules):
    """The specimens of these modules: (wrong, right)."""
    for module in modules:
        import_module(f"{__package__}.{module}")
    mine = tuple(f"{__package__}.{module}" for module in modules)
    del mine
    return WRONG, RIGHT


if __name__ == "__main__":
    load(*(sys.argv[1:] or ("wrong_dict", "wrong_list", "wrong_torch", "rights")))
    began, bad, slow = time.process_time(), 0, []
    for specimen in (*WRONG, *RIGHT):
        start = time.process_time()
        report = check_optimizer(specimen.rule, **specimen.said)
        slow.append((time.process_time() - start, specimen.name))
        named = report.cause in specimen.causes if specimen.causes else bool(report)
        if not named:
            bad += 1
            print(f"--- {specimen.name}: {specimen.causes or 'right'}\n{report}")
    took = time.process_time() - began
    print(f"{len(WRONG)} wrong, {len(RIGHT)} right: {bad} misjudged, {took:.1f} s")
    print(*(f"{t:.2f} {name}" for t, name in sorted(slow)[-8:]), sep="\n")
