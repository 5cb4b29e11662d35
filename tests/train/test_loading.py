"""load_data: from a name or a file to a Dataset."""

import numpy as np
import pytest

from handgrad.train.loading import Dataset, load_data


@pytest.mark.parametrize("name", ["digits", "spiral", "moons", "circles", "sine"])
def test_names(name):
    data = load_data(name)
    assert isinstance(data, Dataset)
    assert data.name == name
    size = int(np.prod(data.shape))
    n = len(data.x_train) + len(data.x_test)
    assert data.x_train.shape == (n - round(n / 5), size)
    assert data.x_test.shape == (round(n / 5), size)
    assert len(data.t_train) == len(data.x_train)
    assert data.task == ("regression" if name == "sine" else "classification")
    again, other = load_data(name), load_data(name, seed=1)
    assert data.x_test.tobytes() == again.x_test.tobytes() != other.x_test.tobytes()


def test_digits():
    data = load_data("digits")
    assert data.shape == (1, 8, 8)
    assert data.classes == tuple("0123456789")
    assert (np.abs(np.bincount(data.t_test) - 35.94) < 2).all()


def test_csv(tmp_path):
    path = tmp_path / "pets.CSV"
    path.write_text("kind,size,age\n" + "cat,1,2\ndog,5,6\n" * 10)
    data = load_data(str(path), target="kind")
    assert (data.name, data.classes, data.shape) == ("pets", ("cat", "dog"), (2,))
    assert (data.x_train.shape, data.x_test.shape) == ((16, 2), (4, 2))
    np.testing.assert_array_equal(data.t_train, data.x_train[:, 0] > 0)
    path.write_text("".join(f"{i},{i / 7}\n" for i in range(1, 11)))
    data = load_data(path, fraction=0.5)
    assert (data.classes, data.task, data.t_test.shape) == (None, "regression", (5, 1))


LABELS = [
    np.array([3, 5, 5, 3] * 5),
    np.array(["3", "5", "5", "3"] * 5),
    np.eye(2)[[0, 1, 1, 0] * 5],
]


@pytest.mark.parametrize("labels", LABELS, ids=["integers", "text", "one-hot"])
def test_npz_labels(tmp_path, labels):
    x = np.array([0.0, 1.0, 1.0, 0.0] * 5)[:, None]
    np.savez(tmp_path / "a.npz", x=x, y=labels)
    data = load_data(tmp_path / "a.npz")
    assert data.classes == (("0", "1") if labels.ndim == 2 else ("3", "5"))
    np.testing.assert_array_equal(data.t_train, data.x_train[:, 0])
    np.testing.assert_array_equal(data.t_test, data.x_test[:, 0])


def test_npz_with_a_test_part_and_pictures_of_bytes(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, size=(6, 4, 5), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", x_train=x, y_train=[0, 1, 0, 1, 0, 0], x_test=x[:2], y_test=[2, 0])
    data = load_data(tmp_path / "a.npz")
    assert data.shape == (4, 5)
    assert data.classes == ("0", "1", "2")
    assert data.t_test.tolist() == [2, 0]
    np.testing.assert_array_equal(data.x_train, (x / 255).reshape(6, 20).astype(np.float32))


def test_npz_values(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(20).reshape(10, 2), t=np.arange(10) / 3)
    data = load_data(tmp_path / "a.npz")
    assert (data.task, data.t_train.shape, data.x_train.dtype) == ("regression", (8, 1), np.float64)


BAD = [
    ({"x": np.ones((5, 2)), "t": np.zeros(4, int)}, "a.npz: t must have the 5 samples of x, got 4"),
    ({"x": np.array([[1.0], [np.nan]]), "t": [0, 1]}, "a.npz: x must be finite, but row 1, col"),
    ({"x": np.array([["a"], ["b"]]), "t": [0, 1]}, "a.npz: x must hold numbers, but row 0, col"),
    ({"x": np.empty((0, 2)), "t": np.empty(0)}, "x is empty"),
    ({"x": np.ones(5), "t": [0, 1, 0, 1, 0]}, r"samples have shape \(\)"),
    ({"x": np.ones((2, 2)), "t": [0, 1]}, "leaves one part empty"),
    (
        {"x_train": np.ones((2, 2)), "t_train": [0, 1], "x_test": np.ones((1, 3)), "t_test": [0]},
        r"samples have shape \(2,\), in the test part \(3,\)",
    ),
]


@pytest.mark.parametrize(("arrays", "message"), BAD, ids=[m[:30] for _, m in BAD])
def test_bad_npz(tmp_path, arrays, message):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        load_data(tmp_path / "a.npz")


def test_unknown_names_and_missing_files(tmp_path):
    with pytest.raises(ValueError, match=r"data must be digits, .* or a .csv or .npz file; got 'c"):
        load_data("cifar")
    for name in ("none.csv", "none.npz"):
        with pytest.raises(FileNotFoundError):
            load_data(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="mnist lacks"):
        load_data("mnist", tmp_path)
    with pytest.raises(FileNotFoundError, match="fashion-mnist lacks"):
        load_data("fashion", tmp_path)
