"""npz files: whatever is wrong with one, no more is read than its size pays for."""

import io
import struct
import zipfile

import numpy as np
import pytest

from handgrad.train.npz import in_words, read_npz


def npy(array=None, *, header: str | None = None, data: bytes = b"") -> bytes:
    """A npy file, of an array or of any header."""
    stream = io.BytesIO()
    if header is None:
        np.save(stream, array, allow_pickle=True)
        return stream.getvalue()
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def archive(tmp_path, members, **options):
    path = tmp_path / "data.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as file:
        for name, content in members:
            file.writestr(name, content)
    return path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_as_they_were(tmp_path, save, rng):
    arrays = {
        "x": rng.normal(size=(4, 3)), "f": np.asfortranarray(rng.normal(size=(3, 4))),
        "t": np.array(["a", "bc"]), "n": np.array(3), "e": np.empty((0, 3)), "b": np.array([True]),
    }  # fmt: skip
    save(tmp_path / "data.npz", **arrays)
    found = read_npz(tmp_path / "data.npz")
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype
        assert found[name].flags.writeable


def test_npz_that_is_something_else(tmp_path):
    def write(content, name):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    np.savez_compressed(tmp_path / "good.npz", x=np.random.default_rng(0).normal(size=500))
    good = (tmp_path / "good.npz").read_bytes()
    np.save(tmp_path / "one.npy", np.ones(3))
    damaged = good[:300] + bytes(20) + good[320:]
    for content in (b"", b"hello", good[: len(good) // 2], good[:-30], damaged):
        with pytest.raises(ValueError, match=r"data\.npz: not an npz file of arrays, or damaged"):
            read_npz(write(content, "data.npz"))
    with pytest.raises(ValueError, match="it is a single npy array"):
        read_npz(write((tmp_path / "one.npy").read_bytes(), "data.npz"))
    with pytest.raises(FileNotFoundError):
        read_npz(tmp_path / "none.npz")


def test_npz_with_objects_is_never_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    np.savez(tmp_path / "data.npz", x=np.array([Trap()], dtype=object))
    with pytest.raises(ValueError, match="it holds Python objects"):
        read_npz(tmp_path / "data.npz")
    assert not (tmp_path / "sprung").exists()


def test_a_bomb_is_not_unpacked(tmp_path):
    zeros = npy(header=str({"descr": "<f8", "fortran_order": False, "shape": (2**25 + 1,)}),
                data=bytes(2**28 + 8))  # fmt: skip
    path = archive(tmp_path, [("x.npy", zeros)], compresslevel=1)
    assert path.stat().st_size < 2_000_000
    with pytest.raises(ValueError, match="would unpack to 268 MB; up to 268 MB are read"):
        read_npz(path)


HEADERS = [
    ({"descr": "<f8", "fortran_order": False, "shape": (5 * 10**12,)}, "40,000,000,000,000 bytes"),
    ({"descr": "<f8", "fortran_order": False, "shape": (-1, 2)}, "damaged: 'x'"),
    ({"descr": "<f8", "fortran_order": False, "shape": (2**62, 2**62)}, "damaged: 'x'"),
    ({"descr": "|V0", "fortran_order": False, "shape": (9,)}, "damaged: 'x'"),
    ({"descr": "nonsense", "fortran_order": False, "shape": (1,)}, "damaged: 'x'"),
    ({"descr": "|O", "fortran_order": False, "shape": (1,)}, "it holds Python objects"),
    ({"descr": "<f8"}, "damaged: 'x'"),
    ("[" * 3000, "damaged: 'x'"),
    ("__import__('os')", "damaged: 'x'"),
    ("", "damaged: 'x'"),
]


@pytest.mark.parametrize(("header", "message"), HEADERS, ids=range(len(HEADERS)))
def test_headers_that_lie(tmp_path, header, message):
    path = archive(tmp_path, [("x.npy", npy(header=str(header), data=bytes(8)))])
    with pytest.raises(ValueError, match=f"data.npz: not an npz file of arrays, .*{message}"):
        read_npz(path)


def test_a_name_twice_is_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate"):
        path = archive(tmp_path, [("x.npy", npy(np.ones(2))), ("x.npy", npy(np.zeros(2)))])
    with pytest.raises(ValueError, match="it has 'x.npy' twice"):
        read_npz(path)


@pytest.mark.parametrize(
    ("offset", "value", "message"),
    [
        (8, 1, "'x' is encrypted"),
        (10, 99, "or damaged"),
        (24, 0xFF, "is cut off"),
        (16, 1, "or dam"),
    ],
    ids=["encrypted", "method", "size", "checksum"],
)
def test_damaged_flags(tmp_path, offset, value, message):
    path = archive(tmp_path, [("x.npy", npy(np.ones(20)))])
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + offset] ^= value
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"not an npz file of arrays, .*{message}"):
        read_npz(path)


def test_any_changed_byte_is_a_value_error_or_nothing(tmp_path, rng):
    path = archive(tmp_path, [("x.npy", npy(np.arange(30.0))), ("t.npy", npy(np.arange(30)))])
    good = path.read_bytes()
    for _ in range(300):
        content = bytearray(good)
        for _ in range(rng.integers(1, 4)):
            content[rng.integers(len(content))] = rng.integers(256)
        path.write_bytes(content[: rng.integers(1, len(content) + 1)] if rng.random() < 0.2
                         else content)  # fmt: skip
        try:
            read_npz(path)
        except ValueError as error:
            assert "\n" not in str(error)  # noqa: PT017


def test_sizes_in_words():
    assert [in_words(n) for n in (0, 999, 1500, 2_900_000, 3_000_000_000)] == [
        "0 bytes", "999 bytes", "1.5 kB", "2.9 MB", "3.0 GB",
    ]  # fmt: skip
