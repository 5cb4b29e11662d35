"""Several networks at once, one thread each; their predictions are averaged.

Source: Lakshminarayanan, Pritzel, Blundell, "Simple and scalable predictive uncertainty estimation
using deep ensembles", NIPS 2017.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import clone
from sklearn.utils import check_random_state
from sklearn.utils.parallel import Parallel, delayed

from handgrad.compile.binary import usable_threads


def make_members(model: Any) -> list[Any]:
    """As many estimators as the model says, with seeds of their own."""
    random = check_random_state(model.random_state)
    seeds = random.randint(2**31, size=model.n_members)
    return [
        clone(model).set_params(n_members=1, n_jobs=1, progress=False, random_state=int(seed))
        for seed in seeds
    ]


def teach(model: Any, method: str, *args: Any, **options: Any) -> None:
    """Let all members do something, side by side, and show what the first one shows."""
    threads = usable_threads() if model.n_jobs is None else effective_n_jobs(model.n_jobs)
    each = Parallel(min(threads, model.n_members), prefer="threads")
    each(delayed(getattr(member, method))(*args, **options) for member in model.members_)
    own = model.get_params(deep=False)
    first = vars(model.members_[0])
    vars(model).update({k: v for k, v in first.items() if k not in own and k != "_stream"})


def mean(model: Any, method: str, X: Any) -> Any:
    """The mean of what the members say."""
    return np.mean([getattr(member, method)(X) for member in model.members_], axis=0)
