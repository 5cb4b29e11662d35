"""search: candidates drawn at random, all trained alike, or in rounds of which the best go on."""

from __future__ import annotations

import math
import re
import sys
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from handgrad.compile.binary import usable_threads
from handgrad.parallel import Alone as OneRank
from handgrad.parallel import Ranks
from handgrad.searching.backends import backend_for
from handgrad.searching.space import Distribution, check_space, drawn
from handgrad.searching.table import Row, SearchResult, Store
from handgrad.searching.trial import Job, Trial, check_names, check_options, run
from handgrad.searching.workers import Alone, Workers, why_alone
from handgrad.train.callbacks import Progress
from handgrad.train.checks import check_choice, check_count, check_pair
from handgrad.train.data import as_rows, check_data, split_rows

Data = tuple[Any, Any, Any, Any]  # x and t to learn from, x and t to score on
Plan = list[tuple[int, int | None]]  # of each round: how many candidates, and their budget


def search(
    make: Callable[..., Any] | Any, space: Mapping[str, Any], x: Any, t: Any, *,
    candidates: int = 20, method: str = "random", epochs: int | None = None, keep: int = 3,
    validation: Any = 0.2, score: str | None = None, options: Mapping[str, Any] | None = None,
    resource: str = "max_iter", seed: int = 0, processes: int | None = None, backend: Any = None,
    path: Any = None, show: bool = True, progress: bool | None = None,
) -> SearchResult:  # fmt: skip
    """Try hyperparameters drawn from a space; the ranked table and the best network.

    make: a function of the parameters that returns a network, or a network and a dict of options
        of `fit` (`return Sequential(…), {"optimizer": Adam(lr)}`); or an estimator with
        get_params, set_params, fit and score, which is copied.
    space: `uniform`, `log_uniform`, `integer` or `choice` for each parameter.
    method: "random" trains every candidate for `epochs`; "halving" in rounds: all of them for few
        epochs, from then on one in `keep` for `keep` times as many, the last for `epochs`. Each
        round begins anew. Of an estimator, `epochs` sets the parameter that `resource` names.
    validation: (x, t) to score on, or the fraction to hold out; all candidates have the same.
    score: the name of a metric among the options, "loss" by default; of an estimator its score.
    options: of `fit` for all candidates.
    seed: of the candidates and of what is held out.
    processes: at once, each with one thread; by default as many as there are processors, 1 where
        the function cannot be imported by another process, which is then said. A program of its
        own needs `if __name__ == "__main__":` around its calls.
    backend: instead of processes that are begun here: "mpi", all that mpirun started, each of which
        calls the search and returns its result; "joblib", what joblib's `parallel_config` says, or
        the name of a backend of joblib, such as "dask"; or an executor of `concurrent.futures`.
        The table is the same.
    path: a file that has every row as soon as it is done. A search that was ended in any way goes
        on from it, to the same table.
    show: print the table.

    A candidate that fails is a row with its error. The best is trained again for `model`: to
    the same bits as in the search, for what is random depends on the seed alone.
    Raises ValueError for options that do not fit, or where all candidates fail.
    Source: Bergstra, Bengio, "Random search for hyper-parameter optimization", JMLR 13, 2012;
    Jamieson, Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization",
    AISTATS 2016 (successive halving).
    """
    checked = check_space(space)
    options = dict(options or {})
    check_choice("method", method, ("random", "halving"))
    estimator = Job(make, ()).is_estimator
    job = Job(make, _divided(x, t, validation, seed, estimator), options, resource)
    check_names(job, checked)
    check_options(options)
    if epochs is not None:
        check_count("epochs", epochs)
    plan = _plan(check_count("candidates", candidates), method, epochs, check_count("keep", keep))
    name = score or ("score" if job.is_estimator else "loss")
    store = Store(path, _key(job, checked, seed, plan, name))
    workers, ranks = _workers(job, backend, processes, candidates, show)
    ranks.agree({f"the search's {part}": value for part, value in store.key.items()})
    with workers as active:  # None on a rank that the others have given their candidates
        if active is not None:
            rows = _rounds(active, plan, checked, seed, name, store, Shown(progress, plan))
    if ranks.size > 1:
        store.take(ranks.share([*store.found.values()] if ranks.rank == 0 else None)[0])
        rows = _rounds(Alone(job), plan, checked, seed, name, store, Shown(False, plan))
    show = show and ranks.rank == 0
    result = SearchResult(rows, name)
    first = result.rows[0]
    if first.error is not None:
        raise ValueError(f"search: all {candidates} candidates failed; the first: {first.error}")
    if first.merit(name) == -math.inf:
        raise ValueError(f"search: no candidate has a score {name!r}; there are "
                         f"{', '.join(first.scores)}")  # fmt: skip
    budget = plan[first.rung][1]
    result.model = run(job, Trial(first.number, first.params, first.rung, budget))[0]
    if show:
        print(result)
    return result


def _workers(
    job: Job, backend: Any, processes: int | None, candidates: int, show: bool
) -> tuple[Any, Ranks]:
    """What tries the candidates, and the ranks that search together."""
    count = usable_threads() if processes is None else check_count("processes", processes)
    if backend is not None:
        made, ranks = backend_for(job, backend, processes)
        return (Alone(job) if made is None else made), ranks
    alone = why_alone(job) if count > 1 else ""
    if alone and processes is not None:
        raise ValueError(f"search: other processes cannot have the function or options: {alone}; "
                         "put it at the top of a module, or use processes=1")  # fmt: skip
    count = 1 if alone else min(count, candidates)
    if show and alone:
        print(f"search: one process, for others cannot have the function: {alone}", file=sys.stderr)
    return (Alone(job) if count == 1 else Workers(job, count)), OneRank()


def _divided(x: Any, t: Any, validation: Any, seed: int, estimator: bool) -> Data:
    """What to learn from and to score on; an estimator checks itself what it is given."""
    x, t = _taken(x, t, "search", estimator)
    if isinstance(validation, float | int) and not isinstance(validation, bool):
        stratify = (t.ndim == 1 and t.dtype.kind not in "fc") or None
        kept, held = split_rows(t, float(validation), seed, stratify)
        return x[kept], t[kept], x[held], t[held]
    return x, t, *_taken(*check_pair(validation), "validation data", estimator)


def _taken(x: Any, t: Any, name: str, estimator: bool) -> tuple[Any, Any]:
    if not estimator:
        return check_data(x, t, name=name)
    x, t = as_rows(x, f"{name}: x"), as_rows(t, f"{name}: t")
    if len(x) != len(t):
        raise ValueError(f"{name}: x has {len(x)} samples and t {len(t)}")
    return x, t


def _plan(candidates: int, method: str, epochs: int | None, keep: int) -> Plan:
    if method == "random":
        return [(candidates, epochs)]
    if epochs is None:
        raise ValueError("search: halving shares out epochs; say how many the last round has")
    if keep < 2:
        raise ValueError(f"search: keep must be at least 2, for one in so many goes on, got {keep}")
    rounds, plan = 0, dict[int, int]()
    while keep ** (rounds + 1) <= candidates:
        rounds += 1
    for r in range(rounds + 1):  # where epochs are too few for all rounds, several are one
        budget = max(1, round(epochs / keep ** (rounds - r)))
        plan.setdefault(budget, math.ceil(candidates / keep**r))
    return [(count, budget) for budget, count in plan.items()]


def _rounds(
    workers: Any, plan: Plan, space: Mapping[str, Distribution], seed: int, name: str,
    store: Store, shown: Shown,
) -> list[Row]:  # fmt: skip
    """The last row of each candidate."""
    last: dict[int, Row] = {}
    numbers = list(range(plan[0][0]))
    for rung, (count, budget) in enumerate(plan):
        if rung:  # the best of the round before
            fit_ = [last[n] for n in numbers if last[n].error is None]
            fit_.sort(key=lambda row: (-row.merit(name), row.number))
            numbers = sorted(row.number for row in fit_[:count])
        trials = [Trial(n, drawn(space, seed, n), rung, budget) for n in numbers]
        for trial, found in workers.run([t for t in trials if store.row(t) is None]):
            store.add(trial, found)
            shown.one()
        last |= {t.number: row for t in trials if (row := store.row(t)) is not None}
    shown.close()
    return list(last.values())


class Shown:
    """A bar on standard error, where that is a terminal or it is asked for."""

    def __init__(self, progress: bool | None, plan: Plan):
        self.bar: Any = None
        if Progress(progress).show:
            from tqdm import tqdm  # here, for it takes long to import

            self.bar = tqdm(total=sum(count for count, _ in plan), unit="candidate", desc="search")

    def one(self) -> None:
        """Another candidate is done."""
        if self.bar is not None:
            self.bar.update()

    def close(self) -> None:
        """All are done."""
        if self.bar is not None:
            self.bar.close()


def _key(job: Job, space: Mapping[str, Any], seed: int, plan: Plan, score: str) -> dict[str, Any]:
    """What a search is of, as plain data: rows of another one must not be mixed in."""
    make = repr(job.make) if job.is_estimator else getattr(job.make, "__qualname__", "function")
    data = 0
    for array in job.data:
        plain = array.astype(str) if array.dtype.kind == "O" else array  # else: addresses
        for part in (str(plain.shape).encode(), np.ascontiguousarray(plain).tobytes()):
            data = zlib.crc32(part, data)
    return {
        "function": _plain(make), "space": {name: _plain(repr(d)) for name, d in space.items()},
        "seed": seed, "plan": [list(round_) for round_ in plan], "score": score, "data": data,
        "options": {name: _plain(repr(value)) for name, value in sorted(job.options.items())},
    }  # fmt: skip


def _plain(text: str) -> str:
    """Without the addresses of objects, which differ from run to run."""
    return re.sub(r" at 0x[0-9a-f]+", "", text)
