"""Single cells of text: what is missing, numbers with marks of any country, dates, yes and no."""

from __future__ import annotations

import math
import re
from datetime import datetime

MISSING = frozenset(
    ("", "?", "na", "n/a", "#n/a", "#na", "<na>", "nan", "-nan", "null", "nil", "nat", "(null)")
)
TRUE_FALSE = (("false", "true"), ("no", "yes"), ("f", "t"), ("n", "y"), ("off", "on"))
SPACES = str.maketrans("", "", " \u00a0\u202f\u2009'’")
AROUND = "$€£¥% \t\u00a0\u202f"
GROUPED = {mark: re.compile(rf"[-+]?\d{{1,3}}({re.escape(other)}\d{{3}})+({re.escape(mark)}\d*)?")
           for mark, other in ((".", ","), (",", "."))}  # fmt: skip
SPACED = re.compile(r"[-+]?\d{1,3}([ \u00a0\u202f\u2009'’]\d{3})+([.,]\d*)?")
DAYS = 86_400.0
DATES = {
    "ymd": re.compile(r"(?P<y>\d{4})([-/.])(?P<m>\d{1,2})\2(?P<d>\d{1,2})"),
    "dmy": re.compile(r"(?P<d>\d{1,2})([-/.])(?P<m>\d{1,2})\2(?P<y>\d{4}|\d\d)"),
    "mdy": re.compile(r"(?P<m>\d{1,2})([-/])(?P<d>\d{1,2})\2(?P<y>\d{4}|\d\d)"),
}
TIME = re.compile(r"[T ]+(\d{1,2}):(\d\d)(?::(\d\d(?:\.\d*)?))?\s*(Z|[-+]\d\d:?\d\d)?")
EPOCH = datetime(1970, 1, 1)


def is_missing(cell: str) -> bool:
    """Whether a cell says that nothing is known."""
    return cell.strip().lower() in MISSING


def as_number(cell: str, mark: str = ".") -> float:
    """A cell as a number, NaN where it is missing; ValueError for text.

    mark: the decimal mark. The other mark may part groups of three digits, and so may spaces and
    apostrophes; signs of currencies and per cent are left out. (12.5) is -12.5, as in accounts.
    """
    text = cell.strip()
    if mark == "." and (plain := _plain(text)) is not None:
        return plain
    if text.lower() in MISSING:
        return math.nan
    text = text.strip(AROUND)
    if text[:1] == "(" and text[-1:] == ")" and text[1:2] not in ("-", "+", "("):
        return -as_number(text[1:-1], mark)
    if SPACED.fullmatch(text):
        text = text.translate(SPACES)
    other = "," if mark == "." else "."
    if GROUPED[mark].fullmatch(text):
        text = text.replace(other, "")
    if other in text or "_" in text:
        raise ValueError(cell)
    number = float(text.replace(mark, "."))
    if not math.isfinite(number):
        raise ValueError(cell)
    return number


def _plain(text: str) -> float | None:
    """What Python takes as a finite number; but 1_000 is its alone."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None


def is_number(cell: str, mark: str | None = None) -> bool:
    """Whether a cell is a number, with this decimal mark or with either."""
    for one in (mark,) if mark else (".", ","):
        try:
            if not math.isnan(as_number(cell, one)):
                return True
        except ValueError:
            continue
    return False


def mark_of(cells: list[str]) -> str | None:
    """The decimal mark that cells of one column show; None where they may have either.

    1,5 and 1.234,5 show a comma, 1.5 and 1,234.5 a point; 1,234 alone is either.
    """
    shown = set()
    for cell in cells:
        text = cell.strip().strip(AROUND + "()").lstrip("+-")
        for mark, other in ((".", ","), (",", ".")):
            if mark not in text:
                continue
            apart = text.count(mark) == 1 and not (
                GROUPED[other].fullmatch(text) and not text.startswith("0")
            )
            if apart and is_number(text, mark):
                shown.add(mark)
    return shown.pop() if len(shown) == 1 else None


def as_days(cell: str, order: str) -> float:
    """A date, perhaps with a time, as days since 1970; NaN where missing, ValueError otherwise."""
    text = cell.strip()
    if text.lower() in MISSING:
        return math.nan
    found = DATES[order].match(text)
    if not found:
        raise ValueError(cell)
    year = int(found["y"])
    year += 0 if year > 99 else 2000 if year < 69 else 1900
    days = float((datetime(year, int(found["m"]), int(found["d"])) - EPOCH).days)
    rest = text[found.end() :]
    if not rest:
        return days
    time = TIME.fullmatch(rest)
    if not time:
        raise ValueError(cell)
    seconds = int(time[1]) * 3600 + int(time[2]) * 60 + float(time[3] or 0)
    if seconds >= DAYS:
        raise ValueError(cell)
    return days + seconds / DAYS


def date_order(cells: list[str]) -> str | None:
    """The order of day, month and year in which every cell is a date; None where there is none.

    Where both day first and month first would do, slashes mean month first, other marks day first.
    """
    fitting = []
    for order in DATES:
        try:
            if not all(math.isnan(as_days(cell, order)) for cell in cells):
                fitting.append(order)
        except ValueError:
            continue
    if len(fitting) > 1 and all("/" in cell for cell in cells if not is_missing(cell)):
        return fitting[-1]
    return fitting[0] if fitting else None


def as_yes_no(words: list[str]) -> tuple[str, ...] | None:
    """The pair (no, yes) in lower case that these words are of; None where they are others."""
    low = {word.strip().lower() for word in words}
    return next((pair for pair in TRUE_FALSE if low and low <= set(pair)), None)
