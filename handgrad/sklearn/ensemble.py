"""Several networks at once, whose predictions are averaged: one thread each, or what joblib's
`parallel_config` says, or the ranks of MPI.

Source: Lakshminarayanan, Pritzel, Blundell, "Simple and scalable predictive uncertainty estimation
using deep ensembles", NIPS 2017.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import clone
from sklearn.utils import check_random_state
from sklearn.utils.parallel import Parallel, delayed

from handgrad.compile.binary import usable_threads
from handgrad.parallel import Alone, Ranks, as_ranks
from handgrad.parallel.partner import load_mpi


def make_members(model: Any) -> list[Any]:
    """As many estimators as the model says, with seeds of their own."""
    random = check_random_state(model.random_state)
    drawn = random.randint(2**31, size=model.n_members).tolist()
    return [
        clone(model).set_params(n_members=1, n_jobs=1, progress=False, random_state=seed)
        for seed in ranks_of(model).share(drawn)[0]
    ]


def ranks_of(model: Any) -> Ranks:
    """The processes among which members are divided."""
    return as_ranks("mpi") if model.n_jobs == "mpi" else Alone()


def teach(model: Any, method: str, *args: Any, **options: Any) -> None:
    """Let all members do something, side by side, and show what the first one shows."""
    ranks = ranks_of(model)
    if ranks.size > 1:
        model.members_ = _on_ranks(ranks, model.members_, method, *args, **options)
    else:
        threads = effective_n_jobs(model.n_jobs) if isinstance(model.n_jobs, Integral) else None
        each = Parallel(min(threads or usable_threads(), model.n_members), prefer="threads")
        made = each(delayed(getattr(m, method))(*args, **options) for m in model.members_)
        model.members_ = list(made)  # of another process, where joblib was told to use some
    own = model.get_params(deep=False)
    first = vars(model.members_[0])
    vars(model).update({k: v for k, v in first.items() if k not in own and k != "_stream"})


def _on_ranks(
    ranks: Ranks, members: list[Any], method: str, *args: Any, **options: Any
) -> list[Any]:
    """The members of all ranks, on each of them; a rank teaches every size-th."""
    mine = [getattr(m, method)(*args, **options) for m in members[ranks.rank :: ranks.size]]
    others = load_mpi().COMM_WORLD.allgather(mine)
    return [others[i % ranks.size][i // ranks.size] for i in range(len(members))]


def mean(model: Any, method: str, X: Any) -> Any:
    """The mean of what the members say."""
    return np.mean([getattr(member, method)(X) for member in model.members_], axis=0)
