"""python -m tests.random_networks --seeds 0:5000 --jobs 2: all failures, by kind."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor

import click

from tests.random_networks.compare import run


@click.command()
@click.option("--seeds", default="0:5000", show_default=True, help="first:last, last left out")
@click.option("--jobs", default=2, show_default=True)
@click.option("--each", default=2, show_default=True, help="failures shown of a kind")
def main(seeds: str, jobs: int, each: int) -> None:
    """Train random networks on both engines; exit status 1 where they differ."""
    first, last = map(int, seeds.split(":"))
    kinds = defaultdict(list)
    with ProcessPoolExecutor(jobs) as pool:
        for failure in pool.map(run, range(first, last), chunksize=20):
            if failure:
                raises = failure.kind.endswith("raises")
                kinds[failure.kind, failure.detail if raises else ""].append(failure)
    for (kind, _), failures in sorted(kinds.items(), key=lambda item: -len(item[1])):
        print(f"\n{len(failures)} × {kind}")
        for failure in sorted(failures, key=lambda f: len(f.training))[:each]:
            print(failure)
    raise SystemExit(f"{sum(map(len, kinds.values()))} failures" if kinds else 0)


if __name__ == "__main__":
    main()
