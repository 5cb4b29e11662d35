"""What learns online is measured by calls that do it."""

import numpy as np

from benchmarks.online import SAMPLES, dicts, handgrads, stream


def test_every_call_of_ours_runs():
    x, t = stream()
    assert np.stack(x).shape == (SAMPLES, 20)
    calls = handgrads(x, t) | dicts(x, t)
    assert {"update", "predict", "fit(steps=1)", "learn_one of a dict"} <= calls.keys()
    for call, count in calls.values():
        call()
        assert count >= 1
