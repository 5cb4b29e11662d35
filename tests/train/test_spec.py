"""What a model takes and gives: data are brought into it, or one line says why not."""

import numpy as np
import pytest

from handgrad import Affine, Convolution, Flatten, Sequential
from handgrad.arrays import ShapeError
from handgrad.train import InputSpec, OutputSpec, load_checkpoint, save
from handgrad.train.inputs import read_inputs


def test_rows_are_brought_into_the_shape_of_a_sample(rng):
    x = rng.normal(size=(5, 12))
    takes = InputSpec((1, 3, 4))
    for shape in ((5, 12), (5, 3, 4), (5, 1, 3, 4), (5, 3, 4, 1)):
        np.testing.assert_array_equal(takes.prepare(x.reshape(shape)), x.reshape(5, 1, 3, 4))
    np.testing.assert_array_equal(InputSpec((12,)).prepare(x.reshape(5, 3, 4)), x)
    for shape in ((5, 4, 3), (5, 2, 6)):
        with pytest.raises(ShapeError, match=r"samples of shape \(1, 3, 4\), or of 12 columns"):
            takes.prepare(x.reshape(shape))
    with pytest.raises(ShapeError, match=r"got shape \(11,\)"):
        takes.prepare(x[:, 1:])
    with pytest.raises(ValueError, match="row 0, column 0 is nan"):
        takes.prepare(np.full((1, 12), np.nan))


def test_bytes_are_scaled_as_in_training(rng):
    takes = InputSpec((4,), "uint8", scale=255.0)
    x = rng.integers(0, 256, size=(5, 4)).astype(np.uint8)
    scaled = x.astype(np.float32) / np.float32(255)
    for given in (x, x.astype(int), x.astype(float), x.reshape(5, 2, 2), scaled):
        np.testing.assert_array_equal(takes.prepare(given), scaled)
    for wrong in (x + 0.5, x.astype(int) - 1000, np.full((1, 4), 256)):
        with pytest.raises(ValueError, match=r"bytes from 0 to 255, or values scaled to \[0, 1\]"):
            takes.prepare(wrong)


def test_integers_stay_integers_and_numbers_are_scaled():
    ids = InputSpec((2,), "int64").prepare([[1.0, 2.0]])
    assert (ids.dtype, ids.tolist()) == (np.int64, [[1, 2]])
    with pytest.raises(ValueError, match="the model takes int8, integers from -128 to 127"):
        InputSpec((2,), "int8").prepare([[1, 200]])
    with pytest.raises(ValueError, match="the model takes int64"):
        InputSpec((2,), "int64").prepare([[1, 2.5]])
    assert InputSpec((2,), mean=1.0, scale=2.0).prepare([[1, 3]]).tolist() == [[0, 1]]


BAD = [
    (lambda: InputSpec((0,)), r"InputSpec.shape\[0\] must be an integer from 1"),
    (lambda: InputSpec(4), "InputSpec: shape must be a sequence, got 4"),
    (lambda: InputSpec((2,), "float99"), "InputSpec.dtype must be one of 'bool'"),
    (lambda: InputSpec((2,), columns=("a",)), "columns must be 2 different names"),
    (lambda: InputSpec((2,), columns=("a", "a")), "columns must be 2 different names"),
    (lambda: InputSpec((2,), scale=0.0), "scale positive, got 0.0 and 0.0"),
    (lambda: InputSpec((2,), mean=np.nan), "mean must be finite"),
    (lambda: InputSpec((2**30, 2**30)), "fewer than 2"),
    (lambda: OutputSpec("logits"), "OutputSpec.kind must be one of 'regression', 'scores'"),
    (lambda: OutputSpec("scores", ("a", "a")), "OutputSpec: classes must be different names"),
    (lambda: OutputSpec("scores", ("a", 1)), r"OutputSpec.classes\[1\] must be text, got 1"),
    (lambda: OutputSpec(classes=("a", "b")), "a regression has no classes"),
]


@pytest.mark.parametrize(("make", "message"), BAD, ids=range(len(BAD)))
def test_bad_specifications(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_tables_of_predictions():
    y = np.log([[0.25, 0.75], [0.5, 0.5]])
    said = list(OutputSpec("scores", ("cat", "dog")).rows(y))
    assert said == [("row", "class", "probability"), (0, "dog", "0.7500"), (1, "cat", "0.5000")]
    assert list(OutputSpec("probabilities").rows(np.exp(y)))[1] == (0, "1", "0.7500")
    one = OutputSpec("scores", ("no", "yes")).rows(np.log([[3.0]]))
    assert list(one)[1] == (0, "yes", "0.7500")
    assert list(OutputSpec("probabilities", ("no", "yes")).rows(np.array([[0.25]])))[1][1] == "no"
    assert list(OutputSpec().rows(np.array([1.5]))) == [("row", "value"), (0, "1.5")]
    assert next(OutputSpec().rows(np.ones((1, 2)))) == ("row", "value0", "value1")
    assert next(OutputSpec(columns=("price",)).rows(np.ones((1, 1)))) == ("row", "price")
    with pytest.raises(ShapeError, match="the output has 3 columns, .* but 2 names"):
        list(OutputSpec("scores", ("a", "b")).rows(np.ones((1, 3))))


@pytest.fixture
def model(tmp_path):
    network = Sequential(Affine(1))
    network.build(np.ones((1, 2)))
    network[0].W[...] = [[1], [10]]
    takes = InputSpec((2,), columns=("2019", "b"), target="t")
    return load_checkpoint(save(network, tmp_path / "m", input=takes))


@pytest.mark.parametrize(
    "text",
    ["2019,b\n1,2\n", "b,2019\n2,1\n", "t,b,x,2019\nred,2,9,1\n", "1,2\n", "1,2,9\n", "1,2,red\n"],
)
def test_columns_are_found_by_their_names_or_in_order(model, text, tmp_path):
    path = tmp_path / "d.csv"
    path.write_text(text)
    assert model.network.predict(read_inputs(path, model)).tolist() == [[21]]


@pytest.mark.parametrize(
    ("text", "message"),
    [("a,b\n1,2\n", "missing columns: 2019; it has a, b"), ("1,2,3,4\n", "2 columns are needed"),
     ("2019,b,b\n1,2,3\n", "the column 'b' is there twice"),
     ("2019,b\n1,x\n", "column 'b' holds 'x' in line 2")],
)  # fmt: skip
def test_columns_that_do_not_fit(model, text, message, tmp_path):
    path = tmp_path / "d.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"d.csv: {message}"):
        read_inputs(path, model)


def test_a_table_for_a_convolutional_model(rng, tmp_path):
    network, x = Sequential(Convolution(3, 3), Flatten(), Affine(2)), rng.normal(size=(4, 1, 5, 6))
    network.forward(x)
    saved = load_checkpoint(save(network, tmp_path / "m", input=x, output=["a", "b"]))
    rows = [",".join(map(repr, row.tolist())) for row in x.reshape(4, -1)]
    for end in ("", ",label"):
        (tmp_path / "d.csv").write_text("\n".join(row + end for row in rows))
        y = saved.network.predict(read_inputs(tmp_path / "d.csv", saved, header=False))
        np.testing.assert_allclose(y, network.predict(x), rtol=1e-5)
    np.savez(tmp_path / "d.npz", x=x[:, 0])
    np.testing.assert_array_equal(saved.network.predict(read_inputs(tmp_path / "d.npz", saved)), y)
    np.savez(tmp_path / "d.npz", a=x, b=x)
    with pytest.raises(ValueError, match="needs an array x, has a, b"):
        read_inputs(tmp_path / "d.npz", saved)
