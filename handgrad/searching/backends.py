"""Where candidates are tried: other processes of this machine, ranks of MPI, joblib's backends."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from handgrad.compile.binary import usable_threads
from handgrad.parallel import Alone as OneRank
from handgrad.parallel import Ranks, as_ranks
from handgrad.parallel.partner import load_mpi
from handgrad.searching.trial import Job, Trial, outcome
from handgrad.searching.workers import Outcome

_AHEAD = 2  # candidates that each process has been given


def with_threads(job: Job, threads: int) -> Job:
    """The same, with so many threads for each candidate unless its options say another number."""
    return job if job.is_estimator else replace(job, options={"threads": threads, **job.options})


class Joblib:
    """A backend of joblib, by its name or, as "joblib", the one that `parallel_config` has chosen.

    The job goes with each candidate; joblib maps its large arrays where it can.
    Raises ModuleNotFoundError without joblib, ValueError for a backend that it does not know.
    """

    def __init__(self, job: Job, name: str, count: int | None):
        try:
            import joblib
        except ModuleNotFoundError:
            raise ModuleNotFoundError(
                f"search: backend={name!r} is joblib's: pip install 'handgrad[sklearn]' brings it"
            ) from None
        self.job, self._joblib, self._stack = with_threads(job, 1), joblib, ExitStack()
        self.name, self.count = name, count

    def __enter__(self) -> Joblib:
        from joblib.parallel import get_active_backend

        if self.name != "joblib":
            try:
                self._stack.enter_context(self._joblib.parallel_config(backend=self.name))
            except (ValueError, KeyError) as error:
                said = " ".join(str(error).split())
                raise ValueError(f"search: backend: joblib has no {self.name!r}: {said}") from None
        backend, jobs = get_active_backend()
        if self.count is not None or jobs in (None, 1):  # else it was said to joblib
            jobs = -1 if self.count is None else self.count
        if getattr(backend, "supports_inner_max_num_threads", False):  # of BLAS too
            inner = self._joblib.parallel_config(backend=backend, inner_max_num_threads=1)
            self._stack.enter_context(inner)
        how = {"return_as": "generator_unordered"} if backend.supports_return_generator else {}
        self._parallel = self._joblib.Parallel(n_jobs=jobs, batch_size=1, **how)
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.close()

    def run(self, trials: Iterable[Trial]) -> Iterator[Outcome]:
        """What comes of each, as it is done where the backend can say so."""
        each = self._joblib.delayed(tried)
        yield from self._parallel(each(self.job, trial) for trial in trials)


def tried(job: Job, trial: Trial) -> Outcome:
    """A candidate, and what came of it."""
    return trial, outcome(job, trial)


class Pool:
    """An executor of `concurrent.futures`, such as MPIPoolExecutor, which stays open.

    The job goes with each candidate. helps: whether this process tries candidates too.
    """

    def __init__(self, job: Job, executor: Executor, count: int | None, threads: int | None = 1):
        self.job = job if threads is None else with_threads(job, threads)
        self.executor, self.count = executor, count or usable_threads()
        self.task: Callable[[Trial], tuple[Any, ...]] = lambda trial: (tried, self.job, trial)
        self.helps = False

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: Any) -> None:
        pass

    def run(self, trials: Iterable[Trial]) -> Iterator[Outcome]:
        """What comes of each, as it is done, in whatever order."""
        left, running = deque(trials), set[Future[Outcome]]()
        while left or running:
            while left and len(running) < _AHEAD * self.count:
                running.add(self.executor.submit(*self.task(left.popleft())))
            done, running = wait(running, 0 if self.helps and left else None, FIRST_COMPLETED)
            for future in done:
                yield future.result()
            if self.helps and left and not done:
                yield tried(self.job, left.popleft())


_job: list[Job] = []  # of the search that all ranks are in


def tried_here(trial: Trial) -> Outcome:
    """A candidate of the search that this rank is in."""
    return tried(_job[0], trial)


class OverRanks(Pool):
    """All processes of mpirun: each has called the same search, so candidates alone are sent.

    Rank 0 gives them out through mpi4py.futures, tries some itself, and tells all ranks what came
    of it. For the others entering gives None, once there is nothing more to try.
    """

    def __init__(self, job: Job, ranks: Ranks):
        threads = ranks.threads(usable_threads())
        self.ranks = ranks
        self.job = with_threads(job, threads)
        self.count, self.helps = max(1, ranks.size - 1), True
        self.task = lambda trial: (tried_here, trial)

    def __enter__(self) -> OverRanks | None:
        from mpi4py.futures import MPICommExecutor

        _job.append(self.job)
        self._common = MPICommExecutor(load_mpi().COMM_WORLD, root=0)
        self.executor = self._common.__enter__()
        return self if self.executor is not None else None

    def __exit__(self, *error: Any) -> None:
        self._common.__exit__(*error)
        _job.pop()


def backend_for(job: Job, backend: Any, count: int | None) -> tuple[Any, Ranks]:
    """What tries candidates, and the ranks that search together.

    Raises ValueError for what is no backend, and as the backends do.
    """
    if isinstance(backend, str) and backend != "mpi":
        return Joblib(job, backend, count), OneRank()
    if backend == "mpi":
        ranks = as_ranks("mpi")
        if "parallel" in job.options:
            raise ValueError("search: with backend='mpi' each candidate is one rank's alone; leave "
                             "parallel out of its options")  # fmt: skip
        return (OverRanks(job, ranks) if ranks.size > 1 else None), ranks
    if not callable(getattr(backend, "submit", None)):
        raise ValueError(
            "search: backend must be None, 'mpi', 'joblib', the name of a backend of joblib, or an "
            f"executor of concurrent.futures, got {backend!r:.80}"
        )
    return Pool(job, backend, count), OneRank()
