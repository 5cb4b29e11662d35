"""gradient_check: one test for each sample, dtype, rank and memory layout."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from handgrad.arrays import Array
from handgrad.prove import Report, check
from handgrad.prove.verdict.layout import by_columns, from_the_end, strided

LAYOUTS: dict[str, Callable[[Array], Array]] = {
    "C": np.ascontiguousarray, "F": by_columns, "strided": strided, "reversed": from_the_end,
}  # fmt: skip


def gradient_check(
    samples: Iterable[Any],
    *,
    dtypes: Iterable[str] = ("float64",),
    ranks: Iterable[int | None] = (None,),
    layouts: Iterable[str] = ("C",),
    **options: Any,
) -> Callable[[Callable[..., Any]], Callable[..., None]]:
    """A decorator that makes pytest tests of a function that returns a subject, or of a class.

        @gradient_check(samples=[x, (x, t)], dtypes=("float64", "float32"), layouts=("C", "F"))
        def test_mine():
            return Mine()

    Each sample is the input of forward, or a tuple of its inputs. There is one test for every
    combination; it fails, with the report's paragraph, where the verdict is not "right".

    dtypes:  of the real inputs.
    ranks:   of the inputs that have as many axes as the first one: longer by axes of length 2 in
             front, or shorter by those axes. None: as given.
    layouts: "C", "F", "strided" (every other element), "reversed" (stored from the end).
    options: those of `check`, such as seed and reference.

    The function may take pytest's fixtures; in a module, `test_mine = gradient_check([x])(Mine)`
    tests a class. Raises ValueError for an unknown dtype or layout, for a rank below 1, and where
    there are no samples. pytest is imported here.
    """
    import pytest

    cases = [Variant(*parts) for parts in product(_numbered(samples), dtypes, ranks, layouts)]
    if not cases:
        raise ValueError("gradient_check: samples, dtypes, ranks and layouts each need one entry")

    def decorate(make: Callable[..., Any]) -> Callable[..., None]:
        def test(handgrad_variant: Variant, **fixtures: Any) -> None:
            require_right(check(make(**fixtures), *handgrad_variant.inputs(), **options))

        taken = [] if isinstance(make, type) else inspect.signature(make).parameters.values()
        for attribute in ("__name__", "__qualname__", "__doc__", "__module__"):
            setattr(test, attribute, getattr(make, attribute))
        own = inspect.Parameter("handgrad_variant", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        test.__signature__ = inspect.Signature([own, *taken])  # type: ignore[attr-defined]
        parametrized: Callable[..., None] = pytest.mark.parametrize(
            "handgrad_variant", cases, ids=str
        )(test)
        return parametrized

    return decorate


def _numbered(samples: Iterable[Any]) -> list[tuple[int, tuple[Any, ...]]]:
    given = [s if isinstance(s, tuple) else (s,) for s in samples]
    return list(enumerate(given))


def require_right(report: Report) -> Report:
    """The report; the test that is running fails with its paragraph if it is not "right"."""
    import pytest

    if not report:
        pytest.fail(str(report), pytrace=False)
    return report


@dataclass(frozen=True)
class Variant:
    """A sample in one dtype, rank and memory layout."""

    sample: tuple[int, tuple[Any, ...]]  # its number, and forward's inputs
    dtype: str
    rank: int | None
    layout: str

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise ValueError(
                f"gradient_check: layout {self.layout!r}; there are {', '.join(LAYOUTS)}"
            )
        if self.rank is not None and self.rank < 1:
            raise ValueError(f"gradient_check: ranks begin at 1, got {self.rank}")
        try:
            real = np.dtype(self.dtype).kind == "f"
        except TypeError:
            real = False
        if not real:
            raise ValueError(f"gradient_check: {self.dtype!r} is not a dtype of real numbers")

    def __str__(self) -> str:
        rank = "" if self.rank is None else f"-rank{self.rank}"
        return f"{self.sample[0]}-{self.dtype}{rank}-{self.layout}"

    def inputs(self) -> list[Any]:
        """forward's inputs, arranged so."""
        given = self.sample[1]
        axes = np.ndim(given[0]) if given else 0
        return [self._arranged(x) if np.ndim(x) == axes else self._cast(x) for x in given]

    def _cast(self, x: Any) -> Any:
        if np.asarray(x).dtype.kind != "f":
            return x
        array = np.asarray(x, dtype=self.dtype)
        return LAYOUTS[self.layout](array) if array.ndim else array

    def _arranged(self, x: Any) -> Any:
        array = np.asarray(x)
        while self.rank is not None and array.ndim < self.rank:
            second = array * 0.75 if array.dtype.kind == "f" else array
            array = np.stack([array, second])
        while self.rank is not None and array.ndim > self.rank:
            array = array[0]
        return self._cast(array if np.ndim(x) or array.ndim else x)
