"""A file of text as pieces of UTF-8, and what its first part shows: encoding, separator, header."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from handgrad.train.tables.cells import is_missing, is_number, mark_of
from handgrad.train.tables.names import different

PIECE = 2**18
SAMPLE = 2**20  # bytes that are looked at first
LINES = 200  # that are looked at
SEPARATORS = ("\t", ";", "|", ",", " ")
PARTED = re.compile(r"\d {2,}\S")  # by spaces
MAGIC = {b"PK\x03\x04": "an archive or a workbook; save the sheet as CSV", b"PAR1": "a Parquet "
         "file; name it .parquet", b"\x89PNG": "a picture", b"\x1f\x8b": "packed by gzip; unpack "
         "it first"}  # fmt: skip


@dataclass(frozen=True)
class Layout:
    """How a file of text is to be read: found by `look`."""

    path: Path
    encoding: str
    separator: str
    names: tuple[str, ...]
    header: bool
    skipped: int  # records before the data: titles, the header, or a line such as sep=;
    marks: tuple[str | None, ...]  # of each column, the decimal mark that it shows
    rows: list[list[str]]  # the first ones, without the header
    titles: int = 0  # records above the header that are none of the table

    @property
    def shown(self) -> str:
        """The separator in words."""
        return {"\t": "tabs", ";": "semicolons", "|": "bars", ",": "commas", " ": "spaces"}.get(
            self.separator, repr(self.separator)
        )


def pieces(path: Path, encoding: str) -> Iterator[bytes]:
    """The file in pieces of UTF-8 whose lines end with a newline, without a byte order mark."""
    with open(path, "rb") as file:
        first = file.read(len(codecs.BOM_UTF8))
        if encoding != "utf-8" or first != codecs.BOM_UTF8:
            file.seek(0)
        decoder = codecs.getincrementaldecoder(encoding)()
        plain = encoding == "utf-8"
        old_mac = b"\n" not in (start := file.read(SAMPLE)) and b"\r" in start
        file.seek(-len(start), io.SEEK_CUR)
        while piece := file.read(PIECE):
            if not plain:
                piece = _decoded(path, decoder, piece)
            yield piece.replace(b"\r", b"\n") if old_mac else piece


def _decoded(path: Path, decoder: codecs.IncrementalDecoder, piece: bytes) -> bytes:
    try:
        return decoder.decode(piece).encode()
    except UnicodeError as error:
        said = " ".join(str(error).split())
        raise ValueError(f"{path}: not the text that it seems to be: {said}") from None


def lines_of(parts: Iterator[bytes]) -> Iterator[str]:
    """The lines in pieces of UTF-8, with their ends."""
    rest = b""
    for part in parts:
        *whole, rest = (rest + part).splitlines(keepends=True) or [b""]
        if rest.endswith(b"\n"):
            whole, rest = [*whole, rest], b""
        for line in whole:
            yield line.decode()
    if rest:
        yield rest.decode()


def records(lines: Iterator[str], separator: str) -> Iterator[tuple[int, list[str]]]:
    """The records in lines of text that are not blank: the number of their last line, and cells."""
    if separator == " ":
        lines = (line.replace("\t", " ").strip(" ") for line in lines)
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=True)
    return ((reader.line_num, row) for row in reader if row and (len(row) > 1 or row[0].strip()))


def look(path: Path, header: bool | None = None, separator: str | None = None,
         encoding: str | None = None) -> Layout:  # fmt: skip
    """What the first part of a file shows.

    header: whether its first line has names. By default it has where a column of numbers begins
    with text, where its cells count upwards as no other line's do, and where, in columns of text,
    none of its cells comes again; where only that of the last column shows it, ValueError asks.
    Titles above the header, records of one cell, are left out.
    Raises ValueError for a file that holds no table of text.
    """
    with open(path, "rb") as file:
        start = file.read(SAMPLE)
    encoding = encoding or encoding_of(path, start)
    text = b"".join(part for part, _ in zip(pieces(path, encoding), range(SAMPLE // PIECE)))
    if len(start) == SAMPLE and b"\n" in text:  # the last line may be cut
        text = text[: text.rfind(b"\n") + 1]
    lines = list(lines_of(iter([text])))
    if not any(line.strip() for line in lines):
        raise ValueError(f"{path}: the file is empty")
    skipped = 0
    if lines[0].lower().startswith("sep=") and len(lines[0].strip()) == 5:
        separator, skipped = separator or lines[0][4], 1
    sample = lines[skipped : skipped + LINES]
    separator = separator or separator_of(sample)
    rows = first_records(path, sample, separator)
    if not rows:
        raise ValueError(f"{path}: the file is empty")
    titles = 0 if header is False else titles_of(rows)
    if titles and has_header(rows[titles:]):
        header, rows, skipped = True, rows[titles:], skipped + titles
    else:
        header = has_header(rows) if header is None else header
        header, titles = None if header and titles else header, 0
    names = different(rows[0])
    if header is None:
        raise ValueError(
            f"{path}: line {1 + skipped} ({','.join(names)[:60]}) may hold names of columns or "
            "data: say which, with header=True or False (--header or --no-header)"
        )
    if header:
        rows, skipped = rows[1:], skipped + 1
    else:
        names = [str(i) for i in range(len(names))]
    if not rows:
        raise ValueError(f"{path}: no rows of data below the header")
    whole = [row for row in rows if len(row) == len(names)]
    marks = tuple(mark_of([row[c] for row in whole]) for c in range(len(names)))
    return Layout(path, encoding, separator, tuple(names), header, skipped, marks, whole, titles)


def titles_of(rows: list[list[str]]) -> int:
    """How many records at the beginning hold one cell, of text, where most others have more."""
    filled = [sum(bool(cell.strip()) for cell in row) for row in rows]
    if Counter(filled).most_common(1)[0][0] < 2:
        return 0
    alone = [n == 1 and not any(map(is_number, row)) for n, row in zip(filled, rows)]
    return alone.index(False)


def encoding_of(path: Path, start: bytes) -> str:
    """The encoding of a text that begins so; ValueError where it is no text."""
    for magic, what in MAGIC.items():
        if start.startswith(magic):
            raise ValueError(f"{path}: not a CSV file: it is {what}")
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    zeros = start[:2000].count(0), start[:2000:2].count(0), start[1:2000:2].count(0)
    if zeros[0] * 3 > len(start[:2000]) and 0 in zeros[1:]:
        return "utf-16-le" if zeros[1] == 0 else "utf-16-be"
    if b"\0" in start:
        raise ValueError(f"{path}: not a CSV file: it holds zero bytes, which no text has")
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start, len(start) < SAMPLE)
        return "utf-8"
    except UnicodeDecodeError:
        return western(start)


def western(start: bytes) -> str:
    """Windows' encoding of western languages, or Latin-1 for what that one does not have."""
    try:
        start.decode("cp1252")
        return "cp1252"
    except UnicodeDecodeError:
        return "latin-1"


def separator_of(lines: list[str]) -> str:
    """The separator that parts most lines into equally many cells; a comma where none does."""
    best, found = 0.0, ","
    for separator in SEPARATORS:
        try:
            rows = [row for _, row in records(iter(lines), separator)]
        except csv.Error:
            continue
        width, count = Counter(map(len, rows)).most_common(1)[0] if rows else (1, 0)
        score = count / max(len(rows), 1) if width > 1 else 0.0
        score -= 0.05 * (separator == " ")  # words of a text are separated by spaces too
        score -= 0.5 * (separator != " " and any(PARTED.search(row[0]) for row in rows[:5]))
        if score > best + 0.02:
            best, found = score, separator
    return found


def first_records(path: Path, lines: list[str], separator: str) -> list[list[str]]:
    try:
        return [row for _, row in records(iter(lines), separator)]
    except csv.Error as error:
        raise ValueError(f"{path}: not a CSV file: {error}") from None


def has_header(rows: list[list[str]]) -> bool | None:
    """The guess that `look` describes; None where both are likely."""
    first, others = rows[0], [row for row in rows[1:] if len(row) == len(rows[0])]
    if not others:
        return not any(map(is_number, first))
    columns = [[row[c] for row in others if not is_missing(row[c])] for c in range(len(first))]
    numeric = [bool(cells) and sum(map(is_number, cells)) > 0.9 * len(cells) for cells in columns]
    above = [cell for cell, number in zip(first, numeric) if number]
    if any(not is_number(cell) and not is_missing(cell) for cell in above):
        return True
    if counts_upwards(above) and not any(
        counts_upwards([c for c, number in zip(row, numeric) if number]) for row in others[:50]
    ):
        return True if len(above) == len(first) or unlike(first, columns, numeric) else None
    if all(numeric):
        return False
    return (None if above else True) if unlike(first, columns, numeric) else False


def unlike(first: list[str], columns: list[list[str]], numeric: list[bool]) -> bool:
    """Whether in all columns of text the first cell is like no other, while others come again."""
    texts = [(a, cells) for a, cells, number in zip(first, columns, numeric) if not number]
    again = [(a, cells) for a, cells in texts if len(set(cells)) < len(cells)]
    return bool(again) and all(a not in cells and a.strip() for a, cells in texts)


def counts_upwards(cells: list[str]) -> bool:
    """Whether more than two cells are integers, each one more than the one before."""
    if len(cells) < 3 or not all(c.strip().isdecimal() and len(c) < 20 for c in cells):
        return False
    numbers = [int(cell) for cell in cells]
    return all(b - a == 1 for a, b in zip(numbers, numbers[1:]))
