"""Pictures: each returns axes whose artists hold the right numbers, and says what is not finite."""

from __future__ import annotations

import builtins
import warnings

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="pictures need matplotlib")

from matplotlib.axes import Axes

from handgrad import SGD, Affine, Convolution, Flatten, Momentum, ReLU, Sequential, Sigmoid, plots
from handgrad.attribution import grad_cam, integrated_gradients, occlusion, saliency
from handgrad.plots import images
from handgrad.train import History

NAN = float("nan")


@pytest.fixture(scope="module")
def network():
    rng = np.random.default_rng(5)
    made = Sequential(Convolution(4, 3, pad=1), ReLU(), Flatten(), Affine(3), dtype=np.float64)
    made.build(rng.normal(size=(1, 1, 6, 6)))
    made.parameters[...] = rng.normal(size=made.parameters.size)
    return made


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(6).random((3, 1, 6, 6))


def words(axes):
    """All that stands in axes."""
    each = np.ravel(axes)
    assert all(isinstance(one, Axes) for one in each)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        each[0].figure.savefig("/dev/null", format="png", dpi=40)  # it can be drawn
    return " ".join(t.get_text() for one in each for t in (*one.texts, one.title, one._left_title))


def image_of(axes):
    return np.ma.filled(axes.get_images()[0].get_array(), np.nan)


# -- curves ----------------------------------------------------------------------------------------


def test_a_learning_curve_has_both_lines():
    history = History({"loss": [3, 2, 1.5], "val_loss": [3.1, 2.2, 2], "lr": [1, 1, 1]})
    axes = plots.draw_learning_curve(history, held_out="test")
    assert words(axes).strip() == "loss"
    lines = {line.get_label(): line for line in axes.lines}
    assert lines["training"].get_ydata().tolist() == [3, 2, 1.5]
    assert lines["test"].get_ydata().tolist() == [3.1, 2.2, 2]
    assert lines["training"].get_xdata().tolist() == [1, 2, 3]
    assert {lines[k].get_linestyle() for k in lines} == {"-", "--"}  # told apart without colours
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "loss")


def test_smoothing_is_the_mean_with_fading_weights():
    assert plots.smoothed([4, 4, 4], 0.9).tolist() == pytest.approx([4, 4, 4])
    found = plots.smoothed([1, NAN, 3], 0.5)
    assert found[[0, 2]].tolist() == pytest.approx([1, (0.5 * 0.5 * 1 + 0.5 * 3) / 0.75])
    assert np.isnan(found[1])
    axes = plots.draw_learning_curve({"loss": [1, 2, 9]}, smooth=0.5)
    assert [len(line.get_ydata()) for line in axes.lines] == [3, 3]


def test_a_curve_says_where_it_is_not_finite():
    axes = plots.draw_learning_curve({"loss": [1, NAN, np.inf, 2]})
    assert "not finite: 1 NaN, 1 ∞ of 4 values" in words(axes)
    crosses = [line for line in axes.lines if line.get_marker() == "x"]
    assert crosses[0].get_xdata().tolist() == [2, 3]
    assert "not finite: 2 NaN of 2 values" in words(plots.draw_learning_curve({"loss": [NAN, NAN]}))


def test_curves_in_a_file_as_before(tmp_path):
    from handgrad.explain import draw_curves

    assert draw_curves is plots.draw_curves
    path = draw_curves(
        {"loss": [2.0, 1.0], "accuracy": [0.1, 0.5], "lr": [1, 1]}, tmp_path / "c.svg"
    )
    assert path.read_text().startswith("<?xml")
    with pytest.raises(ValueError, match="no epoch has been recorded"):
        draw_curves({}, tmp_path / "none.svg")
    assert not (tmp_path / "none.svg").exists()


def test_depth_is_in_order():
    axes = plots.draw_depth({"plain": {4: 0.9, 1: 0.8, 2: NAN}})
    assert axes.lines[0].get_xdata().tolist() == [1, 2, 4]
    assert np.ma.filled(axes.lines[0].get_ydata(), -1).tolist() == [0.8, -1, 0.9]
    assert "1 NaN of 3" in words(axes)


# -- images ----------------------------------------------------------------------------------------


def test_images_lie_row_by_row_and_bytes_are_scaled(x):
    axes = plots.draw_images((x * 255).astype(np.uint8), columns=2)
    whole = image_of(axes)
    assert whole.shape == (2 * 7 + 1, 2 * 7 + 1)
    assert np.allclose(whole[1:7, 8:14], (x[1, 0] * 255).astype(np.uint8) / 255)
    assert (whole[8:14, 8:14] == 1).all()  # no fourth picture
    words(axes)


def test_images_beyond_the_unit_range_are_scaled_together():
    whole = image_of(plots.draw_images(np.array([[[-2.0, 0]], [[2, 1]]]), columns=1))
    assert whole[1, 1:3].tolist() == [0, 0.5]
    assert whole[3, 1:3].tolist() == [1, 0.75]


def test_images_of_three_channels_keep_their_colours():
    picture = np.random.default_rng(0).random((1, 3, 2, 2))
    assert np.allclose(
        image_of(plots.draw_images(picture))[1:3, 1:3], picture[0].transpose(1, 2, 0)
    )


def test_pixels_that_are_not_finite_are_crossed(x):
    broken = x.copy()
    broken[0, 0, 2, 3] = np.inf
    axes = plots.draw_images(broken, columns=3)
    assert axes.lines[0].get_xydata().tolist() == [[1 + 3, 1 + 2]]
    assert "1 ∞" in words(axes)


def test_misclassified_are_the_surest_first():
    y = np.array([[5.0, 0], [0, 1], [3, 0], [NAN, 0]])
    axes = plots.draw_misclassified(y, np.zeros((4, 1, 2, 2)), [1, 1, 1, 1], classes=["a", "b"])
    titles = [one.get_title() for one in axes]
    assert titles == ["b → a, not finite", "b → a, 99%", "b → a, 95%"]
    right = plots.draw_misclassified(y[1:2], np.zeros((1, 4)), [1])
    assert "all 1 are right" in words(right)


# -- inside ----------------------------------------------------------------------------------------


def test_activations_are_those_of_each_layer(network, x):
    made = plots.activations(network, x)
    assert list(made) == ["0", "1", "2", "3"]
    assert np.allclose(made["3"], network.predict(x))
    assert np.array_equal(made["1"], np.maximum(made["0"], 0))


def test_activation_histograms_are_shares(network, x):
    made = plots.activations(network, x)
    axes = plots.draw_activations({"he": made, "broken": {k: v * NAN for k, v in made.items()}})
    assert axes.shape == (2, 4)
    heights, edges, _ = axes[0, 1].patches[0].get_data()
    assert heights.sum() == pytest.approx(1)
    assert heights[0] == pytest.approx(np.mean(made["1"].ravel() < edges[1]))
    assert "not finite" in words(axes[1])
    assert "not finite" not in words(axes[0])


def test_filters_are_grey_at_zero(network):
    axes = plots.draw_filters(network, columns=2)
    w = network[0].W
    assert np.allclose(image_of(axes)[1:4, 1:4], w[0, 0] / (2 * np.abs(w).max()) + 0.5)
    assert "0.W: 4 filters of 3×3" in words(axes)
    dense = Sequential(Affine(2), dtype=np.float64)
    dense.build(np.zeros((1, 6)))
    whole = image_of(plots.draw_filters(dense, shape=(2, 3)))
    first = dense[0].W[:, 0].reshape(2, 3) / (2 * np.abs(dense[0].W).max()) + 0.5
    assert np.allclose(whole[1:3, 1:4], first)


def test_feature_maps_each_have_the_full_range(network, x):
    axes = plots.draw_feature_maps(network, x[0], "1", columns=4)
    maps = plots.activations(network, x[:1])["1"][0]
    for k in range(4):
        assert np.allclose(image_of(axes)[1:7, 1 + 7 * k : 7 + 7 * k], images.scaled(maps[k]))


def test_functions_have_the_derivative_of_their_backward():
    row = plots.draw_functions({"σ": Sigmoid, "cube": lambda x: x**3}, low=-2, high=2)
    x = row[0].lines[0].get_xdata()
    s = 1 / (1 + np.exp(-x))
    assert np.allclose(row[0].lines[0].get_ydata(), s)
    assert np.allclose(row[0].lines[1].get_ydata(), s * (1 - s))
    assert np.allclose(row[1].lines[1].get_ydata(), 3 * x**2)
    assert words(row).split() == ["σ", "cube"]


# -- maps ------------------------------------------------------------------------------------------


def test_attention_is_drawn_as_it_is():
    weights = np.array([[0.2, 0.8, 0.0], [1, 0, 0]])
    axes = plots.draw_attention(weights, ["a", "b"], "xyz")
    assert np.array_equal(image_of(axes), weights)
    assert [t.get_text() for t in axes.get_yticklabels()] == ["a", "b"]
    assert axes.get_xlabel() == "key"
    words(axes)


@pytest.mark.parametrize(
    ("draw", "compute"),
    [(plots.draw_saliency, lambda n, x: saliency(n, x).max(axis=1)),
     (plots.draw_grad_cam, grad_cam),
     (plots.draw_integrated_gradients, lambda n, x: integrated_gradients(n, x).sum(axis=1)),
     (plots.draw_occlusion, occlusion)],
)  # fmt: skip
def test_attributions_are_those_computed(network, x, draw, compute):
    axes = draw(network, x)
    assert axes.shape == (2, 3)
    for below, expected in zip(axes[1], compute(network, x)):
        assert np.allclose(image_of(below), expected)
    best = network.predict(x).argmax(axis=1)
    assert [one.get_title() for one in axes[0]] == [f"score of {k}" for k in best]
    words(axes)


def test_a_map_that_is_zero_says_so(network, x):
    flat = Sequential(*network.layers[:3], Affine(2), dtype=np.float64)
    flat.build(x)
    flat[3].W[...] = 0
    assert "0 everywhere" in words(plots.draw_grad_cam(flat, x))


# -- planes ----------------------------------------------------------------------------------------


def test_the_principal_plane_keeps_distances_and_variance(rng):
    x = rng.normal(size=(30, 2)) @ np.array([[3.0, 0, 4], [0, 1, 0]])
    plane = plots.principal_plane(x)
    apart = np.linalg.norm(x[:, None] - x[None], axis=2)
    points = plane.points
    assert np.allclose(np.linalg.norm(points[:, None] - points[None], axis=2), apart)
    assert plane.shares.sum() == pytest.approx(1)
    assert np.allclose(plane.axes @ plane.axes.T, np.eye(2))
    values, vectors = np.linalg.eigh(np.cov(x.T))
    assert np.abs(vectors[:, -1] @ plane.axes[0]) == pytest.approx(1)
    assert plane.shares[0] == pytest.approx(values[-1] / values.sum())
    assert np.array_equal(plots.principal_plane(-x).axes, plane.axes)  # one side only


def test_an_embedding_leaves_out_what_is_not_finite(rng):
    x = rng.normal(size=(6, 4))
    x[2, 1] = NAN
    axes = plots.draw_embedding(x, list("abcdef"), groups=[0, 0, 0, 1, 1, 1])
    assert np.allclose(
        np.concatenate([c.get_offsets() for c in axes.collections]),
        plots.principal_plane(np.delete(x, 2, axis=0)).points,
    )
    assert [t.get_text() for t in axes.texts if len(t.get_text()) == 1] == list("abdef")
    assert "1 of 6 vectors, left out" in words(axes)


def test_the_boundary_is_where_the_scores_are_equal():
    x = np.array([[-1.0, 0], [1, 1], [2, 0]])
    axes = plots.draw_boundary(lambda p: np.stack([-p[:, 0], p[:, 0]], 1), x, np.array([0, 1, 1]))
    line = np.concatenate([p.vertices for p in axes.collections[1].get_paths()])
    assert np.abs(line[:, 0]).max() < 0.02
    assert [len(c.get_offsets()) for c in axes.collections[2:]] == [1, 2]
    broken = plots.draw_boundary(lambda p: np.full(len(p), NAN), x, np.array([0, 1, 1]))
    assert "not finite" in words(broken)


def test_paths_of_optimizers_are_theirs():
    def f(x, y):
        return x**2 / 20 + y**2

    made = {"SGD": SGD(0.5), "Momentum": Momentum(0.1)}
    axes = plots.draw_optimizer_paths(f, made, (-7, 2), steps=3)
    x, y = -7.0, 2.0
    for point in axes.lines[0].get_xydata():
        assert point.tolist() == pytest.approx([x, y])
        x, y = x - 0.5 * x / 10, y - 0.5 * 2 * y
    assert "3 updates" in words(axes)
    far = plots.draw_optimizer_paths(f, {"SGD": SGD(1e200)}, (-7, 2), steps=4)
    assert "not finite" in words(far)


# -- wrong input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda n, x: plots.draw_learning_curve({"loss": [1]}, "accuracy"), "recorded: loss"),
        (lambda n, x: plots.draw_learning_curve({"loss": [1]}, smooth=1), "below 1"),
        (lambda n, x: plots.draw_learning_curve({"loss": ["a"]}), "real numbers are needed"),
        (lambda n, x: plots.draw_depth({}), "got nothing"),
        (lambda n, x: plots.draw_images(np.zeros((2, 2, 3, 3))), "C = 1 or 3"),
        (lambda n, x: plots.draw_images(np.zeros((0, 1, 3, 3))), "C = 1 or 3"),
        (lambda n, x: plots.draw_images(x, columns=0), "columns must be an integer ≥ 1, got 0"),
        (lambda n, x: plots.draw_misclassified(np.zeros((2, 2)), x, [0, 1]), "for 3 pictures"),
        (lambda n, x: plots.draw_activations({"a": [], "b": []}), "one or more"),
        (lambda n, x: plots.draw_activations({"a": [[]]}), "nothing to draw"),
        (lambda n, x: plots.draw_filters(Sequential(Affine(2))), "use the network once"),
        (lambda n, x: plots.draw_feature_maps(n, x[0], "3"), "those that do: 0, 1"),
        (lambda n, x: plots.draw_functions([3]), "a layer or a function is needed"),
        (lambda n, x: plots.draw_functions([Flatten()]), "not elementwise"),
        (lambda n, x: plots.draw_attention(np.zeros((1, 2, 2))), "weights .T, S."),
        (lambda n, x: plots.draw_attention(np.zeros((2, 2)), ["a"]), "2 names are needed, got 1"),
        (lambda n, x: plots.draw_saliency(n, np.zeros((7, 1, 6, 6))), "at most 6 pictures"),
        (lambda n, x: plots.draw_grad_cam(n, x[:, 0]), "pictures .N, C, H, W."),
        (lambda n, x: plots.principal_plane(np.full((3, 2), NAN)), "3 of 3 vectors"),
        (lambda n, x: plots.draw_embedding(np.full((3, 2), NAN)), "two finite vectors"),
        (lambda n, x: plots.draw_boundary(n, np.zeros((2, 3)), [0, 1]), "x .N, 2."),
        (lambda n, x: plots.optimizer_paths(lambda x, y: x, {}, 3), "two numbers"),
    ],
)  # fmt: skip
def test_wrong_input_is_one_line(network, x, call, said):
    with pytest.raises(ValueError, match=said) as error:
        call(network, x)
    assert "\n" not in str(error.value)


def test_without_matplotlib_there_is_one_clear_line(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.split(".")[0] == "matplotlib":
            raise ModuleNotFoundError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'handgrad\[plot\]'"):
        plots.draw_images(np.zeros((1, 2, 2)))
