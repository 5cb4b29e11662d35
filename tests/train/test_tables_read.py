"""Reading tables: the same cells as the csv module, whatever the bytes; what cells mean."""

from __future__ import annotations

import csv
import io
import math

import numpy as np
import pytest

from handgrad.train.tables import frame, source
from handgrad.train.tables.cells import as_days, as_number, date_order, mark_of
from handgrad.train.tables.digits import PAD, parse_numbers
from handgrad.train.tables.frame import read_frame
from handgrad.train.tables.words import Words


@pytest.fixture
def write(tmp_path):
    def write(content, name="data.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def cells_of(path, **more) -> list[list[str]]:
    columns = [column.texts() for column in read_frame(path, **more).columns]
    return [list(row) for row in zip(*columns)]


PARTS = ["a", "7", "x y", " ", "é", '"', '""', ",", ";", "\n", "\r\n", "longer than sixteen bytes"]


@pytest.mark.parametrize("seed", range(30))
def test_cells_are_those_of_the_csv_module(write, monkeypatch, seed):
    """Random cells, quoted in any way that the module reads back, in pieces of any size."""
    rng = np.random.default_rng(seed)
    monkeypatch.setattr(source, "PIECE", int(rng.integers(5, 200)))
    width, some = int(rng.integers(2, 5)), PARTS if seed % 3 else [p for p in PARTS if p != '"']
    rows = [["".join(rng.choice(some, rng.integers(4))) for _ in range(width)]
            for _ in range(int(rng.integers(3, 60)))]  # fmt: skip
    text = io.StringIO()
    quoting = (csv.QUOTE_MINIMAL, csv.QUOTE_ALL)[seed % 2]
    ending = ("\n", "\r\n")[seed // 2 % 2]
    writer = csv.writer(text, lineterminator=ending, quoting=quoting)
    writer.writerow([f"name{i}" for i in range(width)])
    for row in rows:
        writer.writerow(row)
        if rng.random() < 0.1:
            text.write(ending)
    path = write(text.getvalue().removesuffix(ending) if seed % 5 else text.getvalue())
    wanted = [row for row in csv.reader(io.StringIO(text.getvalue(), newline="")) if row][1:]
    names = {f"name{i}" for i in range(width)}
    found = cells_of(path, header=True, separator=",", text=names)
    assert found == [[cell.strip() for cell in row] for row in wanted]


def test_a_stray_quote_and_what_follows_it(write, monkeypatch):
    monkeypatch.setattr(source, "PIECE", 16)
    path = write('size,kind\n1,pipe\n5" x 6",rod\n"quoted, and",then\n' * 3)
    assert [row[0] for row in cells_of(path, header=True)][:4] == [
        "1",
        '5" x 6"',
        "quoted, and",
        "size",
    ]


def numbers(texts: list[str], mark: str = ".") -> tuple[np.ndarray, np.ndarray]:
    data = bytes(PAD) + ",".join(texts).encode() + bytes(PAD)
    ends = PAD + np.cumsum([len(t) + 1 for t in texts]) - 1
    begins = np.concatenate([[PAD], ends[:-1] + 1])
    marks = [data.find(mark.encode(), b, e) for b, e in zip(begins, ends)]
    marks = np.where(np.array(marks) < 0, ends, marks)
    return parse_numbers(np.frombuffer(data, np.uint8), begins, marks, ends)


@pytest.mark.parametrize("form", ["%.6g", "%d", "%.3f", "%+.8f", "%.14g", "%08.2f", "%.1f"])
def test_numbers_are_those_of_float(rng, form):
    texts = [form % v for v in rng.normal(size=2000) * 10.0 ** rng.integers(-6, 9, 2000)]
    values, right = numbers(texts)
    wanted = np.array(list(map(float, texts)))
    np.testing.assert_array_equal(values[right], wanted[right])
    few = [sum(c.isdigit() for c in t) <= 15 and "e" not in t for t in texts]
    np.testing.assert_array_equal(right, few)


def test_what_is_no_plain_number_is_left_to_others():
    texts = [
        "",
        "-",
        ".",
        "1.2.3",
        "1e5",
        "0x1",
        "1 2",
        "--1",
        "1234567890123456",
        "½",
        "12345678a",
    ]
    assert not numbers(texts)[1].any()
    values, right = numbers(["-0", "+.5", "7.", "-12.50", "000123456789012"])
    assert right.all()
    assert values.tolist() == [0.0, 0.5, 7.0, -12.5, 123456789012.0]
    assert math.copysign(1, values[0]) == -1


NUMBERS = [
    ("2,5", ",", 2.5), ("2,000", ".", 2000), ("1.234,5", ",", 1234.5), ("1,234.5", ".", 1234.5),
    ("1 234,5", ",", 1234.5), ("1'234.5", ".", 1234.5), ("$1,200.00", ".", 1200), ("12 %", ".", 12),
    ("1.234", ",", 1234), ("-1e-3", ".", -0.001), ("?", ".", math.nan), ("N/A", ",", math.nan),
    ("(12.5)", ".", -12.5), ("($1,200)", ".", -1200), ("(2,5)", ",", -2.5),
]  # fmt: skip


@pytest.mark.parametrize(("cell", "mark", "value"), NUMBERS)
def test_numbers_of_any_country(cell, mark, value):
    np.testing.assert_equal(as_number(cell, mark), value)


@pytest.mark.parametrize(
    "cell",
    [
        "inf",
        "-Infinity",
        "1e999",
        "1_000",
        "12abc",
        "1,2,3",
        "1.5.2",
        "x",
        "(1",
        "((1))",
        "(-1)",
    ],
)
def test_cells_that_are_no_finite_numbers(cell):
    with pytest.raises(ValueError):
        as_number(cell)


def test_a_column_shows_its_decimal_mark():
    assert mark_of(["2,5", "3"]) == ","
    assert mark_of(["1.234,5"]) == ","
    assert mark_of(["1,234.5", "2,000"]) == "."
    assert mark_of(["2,000", "1"]) is None
    assert mark_of(["0,125"]) == ","
    assert mark_of(["a,b", "2,5 kg"]) is None


def test_thousands_or_decimals_by_the_other_columns(write):
    frame = read_frame(write("a;b\n" + "1,5;2,000\n2,5;3,125\n" * 3))
    assert [column.values[:2].tolist() for column in frame.columns] == [[1.5, 2.5], [2, 3.125]]
    frame = read_frame(write("a;b\n" + '1.5;"2,000"\n2.5;"13,125"\n' * 3))
    assert [column.values[:2].tolist() for column in frame.columns] == [[1.5, 2.5], [2000, 13125]]


TABLE = "name,größe,date\nJosé,1.5,2024-01-02\nZoë,2.5,2024-02-03\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be",
                                      "latin-1", "cp1252"])  # fmt: skip
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_encodings_separators_and_line_ends(write, encoding, separator, newline):
    text = TABLE.replace(",", separator).replace("\n", newline)
    found = read_frame(write(text.encode(encoding)))
    assert found.names == ["name", "größe", "date"]
    assert found.columns[0].texts() == ["José", "Zoë"]
    assert found.columns[1].values.tolist() == [1.5, 2.5]


def test_latin_1_that_shows_late(write, monkeypatch):
    monkeypatch.setattr(source, "SAMPLE", 64)
    monkeypatch.setattr(source, "PIECE", 64)
    lines = "name,x\n" + "plain,1\n" * 50 + "José,2\n"
    assert read_frame(write(lines.encode("latin-1"))).columns[0].texts()[-1] == "José"


def test_a_character_at_the_end_of_the_first_part(write, monkeypatch):
    monkeypatch.setattr(source, "SAMPLE", 64)
    monkeypatch.setattr(source, "PIECE", 64)
    text = ("name,x\n" + "é,1\n" * 60).encode()
    for more in range(4):
        assert read_frame(write(b"q" * more + text)).columns[0].words == ("é",)
    assert read_frame(write(text[:-5] + b"\xc3,1")).columns[0].texts()[-1] == "Ã"


def test_a_workbooks_line_for_the_separator_and_trailing_cells(write):
    found = read_frame(write("sep=;\r\na;b;\r\n1;2;\r\n3;4;\r\n"))
    assert found.names == ["a", "b", "column 2"]
    assert found.columns[2].missing.all()


HEADERS = [
    ("0,1,2\n0.5,3,1\n0.1,2,5\n", True), ("2019,2020,2021\n5,7,3\n9,4,1\n", True),
    ("1,2,3\n4,5,6\n7,8,9\n", False), ("5,1\n6,2\n", False), ("id,x\n1,2\n", True),
    ("p,x,s\ne,x,s\np,b,y\ne,b,s\n", False), ("class,cap\np,x\ne,x\np,b\n", True),
    ("vhigh,2,low\nmed,3,low\nvhigh,4,med\n", False), ("a,b\n?,1\n", True),
]  # fmt: skip


@pytest.mark.parametrize(("text", "header"), HEADERS)
def test_the_first_line_has_names_or_data(write, text, header):
    assert source.look(write(text)).header == header


@pytest.mark.parametrize(
    ("titles", "told"),
    [
        (["Report 2024,,"], "a header below a line of title"),
        (['"Sizes, and incomes"', "", "by Anna"], "a header below 2 lines of title"),
        (["sep=,", "Report"], "a header below a line of title"),
    ],
)
@pytest.mark.parametrize("header", [None, True])
def test_titles_above_the_header(write, titles, told, header):
    data = [f"{i * 0.5},{i % 7},{'ab'[i % 2]}" for i in range(30)]
    frame = read_frame(write("\n".join([*titles, "size,income,kind", *data])), header=header)
    assert frame.names == ["size", "income", "kind"]
    assert told in frame.how
    assert frame.columns[0].values.tolist() == [i * 0.5 for i in range(30)]


def test_a_title_without_a_header_is_asked_for(write):
    path = write("Report,,\n" + "1.5,2.5,a\n2.5,3.5,b\n" * 10)
    with pytest.raises(ValueError, match=r"line 1 \(Report,.*may hold names of columns or data"):
        read_frame(path)
    assert read_frame(path, header=False).rows == 21


@pytest.mark.parametrize("first", [0, 300])
def test_words_of_ones_own_for_what_is_not_known(write, first):
    cells = ["unknown" if i % 9 == 0 and i >= first else f"{i / 7:.3f}" for i in range(900)]
    column = read_frame(write("age,n\n" + "".join(f"{c},1\n" for c in cells))).columns[0]
    assert np.count_nonzero(column.missing) == column.count == cells.count("unknown")
    assert column.wrong[0] == (cells.index("unknown") + 2, "unknown")
    sizes = [("1", "2", "3", "XL")[i % 4] for i in range(100)]
    column = read_frame(write("size,n\n" + "".join(f"{c},1\n" for c in sizes))).columns[0]
    assert set(column.words) == {"1", "2", "3", "XL"}


def test_names_that_are_there_twice_or_not_at_all(write):
    assert read_frame(write("a,a,,a\n1,2,3,4\n")).names == ["a", "a.2", "column 2", "a.3"]


def test_a_column_that_turns_into_text_is_read_again(write, monkeypatch):
    monkeypatch.setattr(source, "LINES", 10)
    lines = ["x,y", *(f"{i},0" for i in range(50)), *(f"code{i % 3},1" for i in range(40))]
    column = read_frame(write("\n".join(lines))).columns[0]
    assert column.values is None
    assert column.texts()[49:51] == ["49", "code0"]


def test_few_wrong_cells_are_missing_and_named(write):
    lines = ["x,y", *(f"{i},{i}" for i in range(200))]
    for line in (5, 50, 100, 150):
        lines[line - 1] = f"wrong{line},1"
    lines[180 - 1] = "inf,1"
    column = read_frame(write("\n".join(lines))).columns[0]
    assert column.missing.sum() == column.count == 5
    assert column.complaint() == (
        "column 'x': 5 cells hold no finite number, taken as missing: 'wrong5' in line 5, "
        "'wrong50' in line 50, 'wrong100' in line 100 and 2 more"
    )


def test_dates():
    assert date_order(["2024-02-30"]) is None
    assert date_order(["2024-01-31", ""]) == "ymd"
    assert date_order(["31.12.2024", "01.02.2024"]) == "dmy"
    assert date_order(["12/31/2024", "01/02/2024"]) == "mdy"
    assert date_order(["01/02/2024", "03/04/24"]) == "mdy"
    assert date_order(["1.2", "x"]) is None
    assert as_days("1970-01-02T12:00:00Z", "ymd") == 1.5
    assert as_days("2.1.1970 06:00", "dmy") == 1.25


def test_words_are_told_apart_to_the_last_byte(rng):
    few = ["", "a", "b", "aa", "ab" * 4, "ab" * 8, "ab" * 7 + "bb", "ab" * 8 + "x", "ab" * 8 + "y"]
    chosen = [few[i] for i in rng.integers(0, len(few), 500)] + [f"w{i}" for i in range(5000)]
    data = bytes(PAD) + ",".join(chosen).encode() + bytes(PAD)
    ends = PAD + np.cumsum([len(t) + 1 for t in chosen]) - 1
    begins = np.concatenate([[PAD], ends[:-1] + 1])
    words = Words()
    for part in (slice(0, 300), slice(300, None)):
        raw = np.frombuffer(data, np.uint8)
        codes = words.codes(data, raw, begins[part], ends[part])
        texts = words.texts()
        assert [texts[c] for c in codes] == chosen[part]


def test_too_many_words_are_not_kept(write, monkeypatch):
    from handgrad.train.tables import words

    monkeypatch.setattr(words, "MOST", 20)
    found = read_frame(write("x,y\n" + "".join(f"w{i},1\n" for i in range(50)))).columns[0]
    assert found.full
    assert len(found.words) == 20
    assert found.missing.sum() == 30


BAD = [
    (b"PK\x03\x04abc", "an archive or a workbook; save the sheet as CSV"),
    (b"a,b\n1,\x002\n", "zero bytes"),
    (b"", "the file is empty"),
    (b"\n \n", "the file is empty"),
    (b'""\n""\n', "the file is empty"),
    (
        "a,b\n1,2\n".encode("utf-16") + b"\x00\xd8\x00\xd8",
        "not the text that it seems to be: 'utf-16",
    ),
    (b"a,b\n", "no rows of data below the header"),
    (b"a,b\n1,2\n1,2,3\n", "line 3 has 3 columns, the header has 2"),
    (b'a,b\n1,2\n"1,2\n3,4\n', "line 4 has 1 column, the header has 2; a quote before it is not"),
]


@pytest.mark.parametrize(("content", "message"), BAD, ids=range(len(BAD)))
def test_bad_files(write, content, message):
    with pytest.raises(ValueError, match=message):
        read_frame(write(content))


def test_pieces_are_told_of(write):
    told = []
    path = write("a,b\n" + "1,2\n" * 1000)
    frame.read_frame(path, told=told.append)
    assert sum(told) == pytest.approx(path.stat().st_size, abs=100)
