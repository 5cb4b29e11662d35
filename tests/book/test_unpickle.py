"""The reader of pickles: arrays come through, everything else is refused and does nothing."""

from __future__ import annotations

import io
import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest

from handgrad.book import unpickle

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


class Hostile:
    """Its pickle creates a file when it is loaded the usual way."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64", ">i4", "bool"])
def test_arrays_come_back_as_they_were(protocol, dtype, rng):
    array = (10 * rng.standard_normal((3, 4))).astype(dtype)
    found = unpickle.loads(pickle.dumps([array, np.asfortranarray(array)], protocol))
    for got in found:
        assert got.dtype == array.dtype
        assert np.array_equal(got, array)
        got[0, 0] = 1  # it is ours to change


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_values_come_back_as_they_were(protocol):
    value = {"a": [1, 2.5, None, True], 3: ("text", b"bytes"), "empty": {}, "n": np.float32(0.5)}
    assert unpickle.loads(pickle.dumps(value, protocol)) == value


def test_one_array_in_two_places_stays_one():
    array = np.arange(3.0)
    first, second = unpickle.loads(pickle.dumps([array, array]))
    assert first is second


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_hostile_file_is_refused_and_does_nothing(protocol, tmp_path):
    path = tmp_path / "made-by-the-pickle"
    data = pickle.dumps({"W1": np.ones(3), "b1": Hostile(path)}, protocol)
    with pytest.raises(pickle.UnpicklingError, match="refused: the file asks for .*mkdir"):
        unpickle.load(io.BytesIO(data))
    assert not path.exists()
    pickle.loads(data)
    assert path.exists(), "the pickle of this test is not hostile"


@pytest.mark.parametrize(
    "value",
    [OrderedDict(a=1), {1, 2}, np.array(["text"]), np.array([None]), np.zeros(2, [("a", "f8")]),
     np.dtype("f8"), np.float64, np.ma.array([1.0])],
    ids=["OrderedDict", "set", "text", "objects", "structure", "dtype", "class", "masked"],
)  # fmt: skip
def test_other_things_are_refused(value):
    with pytest.raises(pickle.UnpicklingError, match="refused"):
        unpickle.loads(pickle.dumps(value))


def test_an_array_larger_than_its_bytes_is_refused():
    data = pickle.dumps(np.zeros(5), 2).replace(b"K\x05\x85", b"K\x7f\x85")
    with pytest.raises(pickle.UnpicklingError, match="its bytes do not fill"):
        unpickle.loads(data)


def test_fields_told_later_do_not_change_the_type():
    """An instruction to read beyond the elements, hidden in the state of a dtype."""

    class Code:
        def __reduce__(self):
            state = (3, "<", None, ("a",), {"a": (np.dtype("f8"), 1000)}, 8, 8, 0)
            return np.dtype, ("f8", False, True), state

    class Lie:
        def __reduce__(self):
            _, arguments, (version, shape, _, order, data) = np.zeros(2).__reduce__()
            rebuild = np.zeros(2).__reduce__()[0]
            return rebuild, arguments, (version, shape, Code(), order, data)

    found = unpickle.loads(pickle.dumps(Lie()))
    assert found.dtype.fields is None
    assert found.tolist() == [0, 0]
