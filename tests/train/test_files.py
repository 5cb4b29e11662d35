"""Readers: what is accepted, and one clear line for whatever is wrong with a file."""

import gzip
import struct

import numpy as np
import pytest

from handgrad.train.files import read_arrays, read_cells, read_csv, read_idx

IRIS = "length,width,kind\n5.1,3.5,setosa\n4.9,3.0,setosa\n7.0,3.2,virginica\n"


@pytest.fixture
def write(tmp_path):
    def write(content, name="data.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("prefix", ["", "\ufeff"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_csv_with_text_classes(write, separator, prefix, newline):
    path = write(prefix + IRIS.replace(",", separator).replace("\n", newline))
    x, t, classes = read_csv(path)
    np.testing.assert_array_equal(x, [[5.1, 3.5], [4.9, 3.0], [7.0, 3.2]])
    np.testing.assert_array_equal(t, [0, 0, 1])
    assert classes == ("setosa", "virginica")


HEADERS = [
    ("a,b,c\n1,2,0\n3,4,1\n1,2,0\n3,4,1\n", 4),
    ("1,2,0\n3,4,1\n1,2,0\n3,4,1\n", 4),
    ("0,1,kind\n1,2,0\n3,4,1\n1,2,0\n3,4,1\n", 4),
    ("1,2,red\n3,4,blue\n", 2),
    ('"a, b","c",d\n1,2,0\n\n3,4,1\n\n', 2),
]


@pytest.mark.parametrize(("text", "rows"), HEADERS)
def test_header_detection(write, text, rows):
    x, t, _ = read_csv(write(text))
    assert x.shape == (rows, 2)
    assert t.shape == (rows,)


def test_header_may_be_forced(write):
    path = write("1,2,3\n4,5,6\n")
    assert read_csv(path, header=True)[0].tolist() == [[4, 5]]
    assert read_csv(path, header=False)[0].tolist() == [[1, 2], [4, 5]]


CAT = "1.5,2.5,cat\n3.5,4.5,dog\n"


@pytest.mark.parametrize("text", ["2019,2020,label\n" + CAT * 3, "0,1,kind\n" + CAT * 2])
def test_a_line_of_numbers_that_may_be_names_is_asked_about(write, text):
    with pytest.raises(ValueError, match=r"line 1 \(.*\) may hold names .* header=True or False"):
        read_csv(write(text))
    lines = text.count("\n")
    for header in (True, False):
        assert len(read_csv(write(text), header=header)[0]) == lines - header
    assert read_cells(write(text), header=True).names == text.split("\n")[0].split(",")


@pytest.mark.parametrize(
    "text", [CAT, "1,2,a\n" + CAT, "1,2,dog\n" + CAT * 3, "1,2,3\n4,5,6\n", "1,2\n0.5,3\n"]
)
def test_lines_of_data_are_not_asked_about(write, text):
    assert not read_cells(write(text)).header


def test_target_column_by_name_or_number(write):
    path = write("label,a,b\n0,1,2\n1,3,4\n0,5,6\n1,7,8\n")
    for target in ("label", 0, -3):
        x, t, classes = read_csv(path, target)
        assert x.tolist() == [[1, 2], [3, 4], [5, 6], [7, 8]]
        assert t.tolist() == [0, 1, 0, 1]
        assert classes == ("0", "1")
    for target in ("kind", 3, -4):
        with pytest.raises(ValueError, match=rf"no column {target!r} among label, a, b"):
            read_csv(path, target)


NUMBERS = [
    (["3", "7", "3", "7"], ("3", "7")),
    (["-1", "1", "1", "-1"], ("-1", "1")),
    (["1.0", "2.0", "1.0", "2.0"], ("1", "2")),
    (["0.5", "1", "0.5", "1"], None),
    (["1", "2", "3", "4"], None),
]


@pytest.mark.parametrize(("cells", "classes"), NUMBERS)
def test_numbers_are_classes_if_whole_and_repeated(write, cells, classes):
    _, t, found = read_csv(write("".join(f"0.1,{cell}\n" for cell in cells)))
    assert found == classes
    wanted = map(float, cells) if classes is None else [0, 1, 0, 1]
    assert sorted(t) == sorted(wanted)


BAD_CSV = [
    ("a,b,t\n1,2,0\n3,red,1\n", r"column 'b' holds 'red' in line 3; every feature must be a"),
    ("1,red,0\n2,blue,1\n", "column '1' holds 'red' in line 1"),
    ("red,yes\nblue,no\n", "column '0' holds 'red' in line 1"),
    ("a,b,t\n1,,0\n", "column 'b' is empty in line 2"),
    ("a,b,t\n1,nan,0\n", "column 'b' holds 'nan' in line 2"),
    ("a,b,t\n1,inf,0\n", "column 'b' holds 'inf' in line 2"),
    ("a,b,t\n1,2,0\n1,2,\n", "column 't' is empty in line 3"),
    ("a,b,t\n1,2,0\n1,2,nan\n", "column 't' holds 'nan' in line 3"),
    ("a,b,t\n1,2\n", "line 2 has 2 columns, the header has 3"),
    ("a,b,t\n", "no rows of data below the header"),
    ("", "the file is empty"),
    ("\n\n", "the file is empty"),
    ("1\n2\n", "no feature columns"),
    (b"\x89PNG\r\n\x1a\n\xff\xfe", "not a CSV file: it is a picture"),
    ("a,b\n1," + "9" * 200_000 + "\n", "not a CSV file: field larger than field limit"),
    (b"a,b\n1,\x002\n", "not a CSV file: it holds zero bytes"),
    ('a,b\n"1,2\n3,4\n', "line 3 has 1 column, the header has 2; a quote before it"),
    ("a,b,t\n1,1_000,0\n", "column 'b' holds '1_000'"),
]


@pytest.mark.parametrize(("content", "message"), BAD_CSV, ids=[m[:40] for _, m in BAD_CSV])
def test_bad_csv(write, content, message):
    with pytest.raises(ValueError, match=message) as error:
        read_csv(write(content))
    assert "\n" not in str(error.value)
    assert "data.csv" in str(error.value)


def test_npz_names(tmp_path):
    path = tmp_path / "data.npz"
    a, b, c, d = (np.full(2, i) for i in range(4))
    for x, t in (("x", "t"), ("X", "y"), ("x_train", "y_train"), ("X_train", "t_train")):
        np.savez(path, **{x: a, t: b})
        assert [v if v is None else v[0] for v in read_arrays(path)] == [0, 1, None, None]
    np.savez(path, x_train=a, y_train=b, x_test=c, y_test=d)
    assert [v[0] for v in read_arrays(path)] == [0, 1, 2, 3]
    np.savez(path, a=a, b=b)
    with pytest.raises(ValueError, match=r"needs arrays x and t, or .*; it has a, b"):
        read_arrays(path)


def idx(array, code):
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


IDX = [("u1", 0x08), ("i1", 0x09), ("i2", 0x0B), ("i4", 0x0C), ("f4", 0x0D), ("f8", 0x0E)]


@pytest.mark.parametrize(("dtype", "code"), IDX)
def test_idx(write, dtype, code):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    for content in (idx(array, code), gzip.compress(idx(array, code))):
        read = read_idx(write(content, "data.gz"))
        np.testing.assert_array_equal(read, array)
        assert read.dtype == array.dtype
        assert read.dtype.isnative


GOOD_IDX = idx(np.arange(24, dtype="u1").reshape(2, 3, 4), 0x08)
BAD_IDX = [
    (b"", "not an IDX file: it begins with b''"),
    (b"hello", "not an IDX file: it begins with b'hell'"),
    (b"\0\0\x07\x01\0\0\0\0", "not an IDX file"),
    (GOOD_IDX[:-1], r"39 bytes, but 40 belong to the shape \(2, 3, 4\)"),
    (GOOD_IDX + b"\0", "41 bytes, but 40 belong"),
    (GOOD_IDX[:9], "9 bytes, but"),
    (b"\0\0\x08\0", "4 bytes, but"),
    (gzip.compress(GOOD_IDX)[:-9], "the gzip file is cut off or damaged"),
    (gzip.compress(GOOD_IDX)[:5], "the gzip file is cut off or damaged"),
    (gzip.compress(GOOD_IDX)[:12] + bytes(20), "the gzip file is cut off or damaged"),
    (gzip.compress(b"hello"), "not an IDX file"),
    (gzip.compress(bytes(2**28 + 1), 1), "1.2 MB unpack to more than 268 MB"),
]


@pytest.mark.parametrize(("content", "message"), BAD_IDX, ids=range(len(BAD_IDX)))
def test_bad_idx(write, content, message):
    with pytest.raises(ValueError, match=message):
        read_idx(write(content, "data.gz"))
