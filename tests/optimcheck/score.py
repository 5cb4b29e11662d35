"""How many of the mistakes are found and named, and how many right rules are called wrong.

    python -m tests.optimcheck.score [module …]

The modules held_out… were written without a look at the checker, each after it had been mended for
what was there before.
"""

import sys
import time
from importlib import import_module

from handgrad import check_optimizer

from .specimen import RIGHT, WRONG

HELD_OUT = ("held_out", "held_out_second", "held_out_third")
MODULES = ("wrong_dict", "wrong_list", "wrong_torch", "rights", *HELD_OUT)


def load(*modules):
    """Every wrong and every right specimen of these modules, of all by default."""
    for module in modules or MODULES:
        import_module(f"{__package__}.{module}")
    return WRONG, RIGHT


def judged(specimen):
    """The report on a specimen, and whether it says what its author does."""
    report = check_optimizer(specimen.rule, **specimen.said)
    return report, report.cause in specimen.causes if specimen.causes else bool(report)


if __name__ == "__main__":
    began, bad = time.process_time(), 0
    load(*sys.argv[1:])
    for specimen in (*WRONG, *RIGHT):
        report, agrees = judged(specimen)
        if not agrees:
            bad += 1
            print(f"--- {specimen.name}: {specimen.causes or 'right'}\n{report}")
    took = time.process_time() - began
    print(f"{len(WRONG)} wrong, {len(RIGHT)} right: {bad} misjudged, {took:.1f} s of the processor")
