"""What a picture says: the numbers, the sums, the states; of tensors, layers, networks, traces."""

from __future__ import annotations

import re
from inspect import cleandoc

import numpy as np
import pytest

import handgrad as hg
from handgrad import Tensor, draw
from handgrad.compile import compile_prediction, compile_training, why_not
from handgrad.compile.trace import trace
from handgrad.explain.formula import gradients_of
from handgrad.explain.record import MOST
from handgrad.layers.samples import SAMPLES
from tests.random_networks.draw import draw as random_training


def fruit():
    """Saito, "Deep Learning from Scratch", figure 5-17: apples and oranges with a tax."""
    numbers = {"apple": 100.0, "apples": 2.0, "orange": 150.0, "oranges": 3.0, "tax": 1.1}
    leaves = {name: Tensor(value, name=name) for name, value in numbers.items()}
    apple, apples, orange, oranges, tax = leaves.values()
    return leaves, (apple * apples + orange * oranges) * tax


def between(picture, source, target):
    """The edges between nodes of these titles, as (value, gradient) in text."""
    graph = picture.graph
    return [
        (e.value.brief, e.gradient and e.gradient.brief)
        for e in graph.edges
        if (graph.nodes[e.source].title, graph.nodes[e.target].title) == (source, target)
    ]


def test_two_apples_in_text():
    apple, count, tax = (Tensor(v, name=n) for v, n in ((100.0, "apple"), (2.0, "apples"),
                                                         (1.1, "tax")))  # fmt: skip
    price = apple * count * tax
    price.backward()
    assert draw(price).text == cleandoc("""
        Tensor: values above, gradients below

              apple    apples
                 │       │
                100      2
                2.2     110
                 │        │
        ┌────────┴────────┴───────┐
        │ Mul                     │
        │ da = dy · b = 1.1 · 2   │
        │ db = dy · a = 1.1 · 100 │
        └────────────────┬────────┘  tax
                         │        ┌───┘
                        200      1.1
                        1.1      200
                          │       │
                  ┌───────┴───────┴───────┐
                  │ Mul                   │
                  │ da = dy · b = 1 · 1.1 │
                  │ db = dy · a = 1 · 200 │
                  └──────────┬────────────┘
                             │
                            220
                             1
                             │
                           output
    """)


def test_the_fruit_stall_has_the_books_numbers():
    leaves, price = fruit()
    price.backward()
    picture = draw(price)
    found = {name: between(picture, name, "Mul") for name in leaves}
    assert found == {
        "apple": [("100", "2.2")], "apples": [("2", "110")], "orange": [("150", "3.3")],
        "oranges": [("3", "165")], "tax": [("1.1", "650")],
    }  # fmt: skip
    assert between(picture, "Add", "Mul") == [("650", "1.1")]
    assert between(picture, "Mul", "output") == [("715", "1")]
    lines = [line for node in picture.graph.nodes for line in node.lines]
    assert "db = dy · a = 1 · 650" in lines
    for number in ("715", "650", "110", "165", "3.3", "2.2"):
        assert re.search(rf">{number}<", picture.svg)
        assert re.search(rf"[↓↑] {number}[\\\"]", picture.dot)


def test_not_computed_is_not_zero():
    x = Tensor(3.0, name="x")
    y = x * 0.0
    assert between(draw(y), "x", "Mul") == [("3", "not computed")]
    assert "no backward() has come here" in draw(y).text
    y.backward()
    assert between(draw(y), "x", "Mul") == [("3", "0")]
    assert "not computed" not in draw(y).text


def test_a_gradient_of_another_graph_is_not_shown():
    x = Tensor(3.0, name="x")
    (x * 5.0).backward()
    assert between(draw(x * 2.0), "x", "Mul") == [("3", "not computed")]


@pytest.mark.parametrize("retain", [False, True])
def test_fan_out_is_a_node_that_sums(retain):
    x = Tensor(3.0, name="x")
    y = x * x + x
    y.backward(retain=retain)
    picture = draw(y)
    assert between(picture, "x", "fan-out ×3") == [("3", "7")]
    assert between(picture, "fan-out ×3", "Mul") == [("3", "3"), ("3", "3")]
    assert between(picture, "fan-out ×3", "Add") == [("3", "1")]
    assert "dx = Σ dyᵢ = 3 + 3 + 1" in picture.text


def test_what_backward_freed_is_said_and_small_arrays_are_kept():
    x = Tensor(np.ones((10, 10)), name="x")
    y = (x * 2.0).sum()
    y.backward()
    text = draw(y).text
    assert "freed" in text
    assert "backward(retain=True)" in text
    assert between(draw(y), "x", "Mul") == [("all 1 |10|", "freed")]
    assert between(draw(y), "constant", "Broadcast((10, 10))") == [("2", None)]


def affine():
    layer = hg.Affine(2, inputs=2)
    layer.W, layer.b = np.array([[1.0, 0.0], [2.0, -1.0]]), np.array([0.5, -0.5])
    return (
        layer,
        np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]),
        np.array([[1.0, 0], [0, 1], [1, 1]]),
    )


def test_why_db_is_a_sum_over_the_batch():
    layer, x, dy = affine()
    closed, opened = draw(layer, x, dy=dy), draw(layer, x, dy=dy, open="Affine")
    assert between(closed, "b", "Affine(2, inputs=2)") == [("[0.5 -0.5]", "[2 2]")]
    assert between(opened, "b", "Broadcast((3, 2))") == [("[0.5 -0.5]", "[2 2]")]
    assert "dx = Σ dy over the copied axes = [1 0] + [0 1] + [1 1]" in opened.dot
    assert [n.title for n in opened.graph.nodes if n.kind == "layer"] == [
        "MatMul", "Broadcast((3, 2))", "Add"]  # fmt: skip
    assert {n.path for n in opened.graph.nodes if n.kind == "layer"} == {"in Affine"}
    assert layer.__dict__.keys() & {"dW", "db", "x"} == set()  # the layer was left alone


def test_shapes_in_letters_and_numbers():
    layer, x, dy = affine()
    (node,) = [n for n in draw(layer, x).graph.nodes if n.kind == "layer"]
    assert node.shapes == "x(…,D) W(D,M) b(M) y(…,M): D=2, M=2"
    assert ">3×2<" in draw(layer, x, dy=dy).svg


def network():
    return hg.Sequential(
        hg.Affine(4), hg.ReLU(), hg.Residual(hg.Affine(4), hg.Tanh()), hg.Affine(3)
    )


def test_a_network_with_targets_has_the_gradients_of_training(rng):
    net, x, t = network(), rng.normal(size=(5, 3)), rng.integers(0, 3, 5)
    net.build(x)
    before = net.parameters.copy()
    picture = draw(net, x, t=t)
    np.testing.assert_array_equal(net.parameters, before)
    assert not net.gradients.any()
    loss = hg.SoftmaxCrossEntropy()
    loss.forward(net.forward(x), t)
    net.backward(loss.backward()[0])
    for name, gradient in net.named_gradients().items():
        number = [n.title for n in picture.graph.nodes].index(name)
        (edge,) = [e for e in picture.graph.edges if e.source == number]
        assert edge.gradient.norm == pytest.approx(np.linalg.norm(gradient), rel=1e-5)
    assert [n.path for n in picture.graph.nodes if n.title == "Tanh"] == ["2.body.1"]


def test_opened_by_path_by_class_and_by_level(rng):
    net, x = network(), rng.normal(size=(5, 3))
    layers = [sum(n.kind == "layer" for n in draw(net, x, open=o).graph.nodes)
              for o in (0, "0", ["0", "3"], "Affine", 1)]  # fmt: skip
    assert layers[:4] == [6, 8, 10, 12]
    assert layers[4] >= 12
    inside = draw(net, x, dy=np.ones((5, 3)), open="2.body.0")
    assert "in 2.body.0 Affine" in inside.dot
    assert "not computed" not in inside.text


def test_a_parameter_that_is_shared_is_drawn_once(rng):
    shared = hg.Affine(3, inputs=3)
    net = hg.Sequential(shared, hg.Tanh(), shared, dtype=np.float64)
    x, dy = rng.normal(size=(2, 3)), rng.normal(size=(2, 3))
    picture = draw(net, x, dy=dy)
    assert [n.title for n in picture.graph.nodes if n.kind == "parameter"] == ["0.W", "0.b"]
    net.forward(x)
    net.backward(dy)
    (edge,) = [e for e in picture.graph.edges if picture.graph.nodes[e.source].title == "0.W"]
    assert edge.gradient.norm == pytest.approx(np.linalg.norm(shared.dW))


def test_tied_weights_are_one_parameter(rng):
    net, x = (
        hg.Sequential(hg.Affine(3, inputs=3), hg.Tanh(), hg.Affine(3, inputs=3)),
        rng.normal(size=(2, 3)),
    )
    net.build(x).tie("0.W", "2.W")
    assert [n.title for n in draw(net, x).graph.nodes if n.kind == "parameter"] == [
        "0.W",
        "0.b",
        "2.b",
    ]


class Loop(hg.Network):
    """A loop, a branch and a Parameter of its own."""

    def __init__(self):
        self.inner, self.tanh = hg.Affine(3), hg.Tanh()
        self.gate = hg.Parameter(np.array([0.5, 1.0, 1.5]))

    def __call__(self, x):
        for _ in range(3):
            x = self.tanh(self.inner(x)) * self.gate
        return x if x.shape[0] > 1 else x + x


def test_loops_branches_and_parameters_of_ones_own(rng):
    net = Loop()
    picture = draw(net, rng.normal(size=(1, 3)), dy=np.ones((1, 3)))
    titles = [n.title for n in picture.graph.nodes]
    assert titles.count("gate") == 1
    assert titles.count("inner.W") == 1
    assert titles.count("Tanh") == 3
    assert "Broadcast((1, 3))" in titles
    assert net.gate.grad is None  # as it was


def test_modes_streams_and_statistics_are_left_alone(rng):
    net = hg.Sequential(hg.Affine(4), hg.BatchNorm(), hg.Dropout(0.5), hg.Affine(2))
    x = rng.normal(size=(6, 3))
    net.build(x)
    mean, step = net[1].running_mean.copy(), net[2].stream.step
    first, second = draw(net, x, dy=np.ones((6, 2))), draw(net, x, dy=np.ones((6, 2)))
    assert first.svg == second.svg
    np.testing.assert_array_equal(net[1].running_mean, mean)
    assert net[2].stream.step == step
    assert net.training


@pytest.mark.parametrize("seed", range(25))
def test_random_networks_are_drawn(seed):
    training = random_training(seed)
    net, x, t = training.network, training.x[:4], training.t[:4]
    loss = training.options.get("loss")
    try:
        picture = draw(net, x, t=t, loss=loss)
    except ValueError:  # targets of a loss that needs more than four samples
        picture = draw(net, x)
    assert picture.text
    assert picture.dot.count("->") == len(picture.graph.edges)
    assert all(len(line) <= 100 for line in picture.text.splitlines())


@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_every_layer_is_drawn_closed_and_opened(sample, rng):
    inputs = sample.inputs(rng)
    picture = draw(sample.make(), *inputs, open=1) if inputs else None
    assert picture is None or "output" in picture.text


NUMERIC = re.compile(r"= ([-−()\d.e· +/^²√]+)$")


@pytest.mark.parametrize("name", ["Mul", "Add", "Sub", "Div", "Neg", "Sigmoid", "Tanh", "Log",
                                  "Arctan", "Softplus", "ReLU", "Exp", "Sqrt", "Cos", "SiLU",
                                  "LeakyReLU", "HardSwish", "Log1p", "Arcsin", "Tan", "GELU",
                                  "Pow", "Maximum", "Softsign"])  # fmt: skip
def test_the_numbers_in_a_formula_give_the_gradient(name):
    layer = getattr(hg, name)()
    count = 2 if name in ("Mul", "Add", "Sub", "Div", "Pow", "Maximum") else 1
    values = [np.array(v) for v in (0.7, 1.9)[:count]]
    picture = draw(layer, *values, dy=1.3)
    node = next(n for n in picture.graph.nodes if n.kind == "layer")
    layer.forward(*values)
    wanted = layer.backward(np.array(1.3))
    for line, gradient in zip(node.lines, wanted if count == 2 else [wanted], strict=True):
        right = line.split(" = ")[-1].split(", ")[0].split(" where")[0]
        for sign, python in (("−", "-"), ("·", "*"), ("²", "**2"), ("√", "np.sqrt"),
                             ("sin", "np.sin"), ("^", "**"), ("ln", "np.log")):  # fmt: skip
            right = right.replace(sign, python)
        right = re.sub(r"np\.(sin|log) ([\d.]+)", r"np.\1(\2)", right)
        right = re.sub(r"\|(.*?)\|", r"abs(\1)", right)
        assert eval(right, {"np": np}) == pytest.approx(float(gradient), rel=2e-3), line


def test_gradients_are_read_from_docstrings():
    assert gradients_of(hg.Affine) == (
        ("dx", "dx = dy @ Wᵀ"), ("dW", "dW = xᵀ @ dy"),
        ("db", "db = Σ dy over all axes but the last"),
    )  # fmt: skip


class Cube:
    """A learner's layer: no base class, no formula, and a backward that spoils what it is given."""

    def forward(self, x):
        self.x = x
        return x**3

    def backward(self, dout):
        dout *= 3 * self.x**2
        return dout


def test_the_words_of_a_gradient_without_an_equation(rng):
    assert "dy is added to dx where the maximum stood" in draw(
        hg.MaxPooling(2), rng.normal(size=(2, 1, 4, 4))).dot  # fmt: skip


def test_letters_stand_for_axes_before_and_behind(rng):
    shapes = [n.shapes for n in draw(hg.BatchNorm(), rng.normal(size=(5, 3))).graph.nodes]
    assert "y(N,C): N=5, C=3" in " ".join(shapes)
    shapes = [n.shapes for n in draw(hg.GlobalAveragePooling(), np.ones((2, 3, 4, 4))).graph.nodes]
    assert "x(N,C,…) y(N,C): N=2, C=3" in shapes


def test_a_layer_without_a_formula_shows_its_derivative():
    x = Tensor(2.0, name="x")
    y = hg.layer.apply(Cube(), x)
    assert "dx = dy · 12" in draw(y).text


def test_numbers_that_are_not_finite_are_stated():
    x = np.full((3, 4), np.inf)
    x[0, 0], x[1, 1] = np.nan, 2.0
    picture = draw(hg.ReLU(), x)
    assert "11 not finite" in picture.text
    assert 'class="cross"' in picture.svg
    assert "nan" not in picture.svg.lower().replace("dominant", "")
    small = draw(Tensor(np.nan, name="x") * Tensor(np.inf))
    assert between(small, "x", "Mul")[0][0] == "NaN"
    assert draw(hg.ReLU(), np.full((3, 3), np.nan)).text.count("9 not finite")


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 4)])
def test_empty_arrays(shape):
    picture = draw(hg.ReLU(), np.zeros(shape), dy=np.zeros(shape))
    assert "empty" in picture.text
    assert "empty" in picture.svg


def test_a_huge_array_is_a_small_heat_map():
    picture = draw(hg.ReLU(), np.random.default_rng(0).normal(size=(300, 4000)))
    assert len(picture.svg) < 30_000
    value = picture.graph.edges[0].value
    assert (len(value.cells), len(value.cells[0])) == (8, 12)


@pytest.mark.skipif(bool(why_not()), reason="there is no native library")
def test_a_program_is_drawn_as_the_trace_that_it_was_made_from(rng):
    x, t = rng.normal(size=(6, 3)).astype(np.float32), rng.integers(0, 3, 6)
    traced = draw(trace(network(), x)).text
    prediction = compile_prediction(network(), x, batch=2)
    training = compile_training(network(), hg.SoftmaxCrossEntropy(), hg.SGD(0.1), x, t, batch=4)
    assert draw(prediction).text == draw(training).text == traced


def test_a_traced_network_has_its_shapes_alone(rng):
    x = rng.normal(size=(5, 3)).astype(np.float32)
    picture = draw(trace(network(), x))
    assert ">N×3<" in picture.svg
    assert "fan-out ×2" in picture.text
    assert picture.text.endswith("traced: only the shape is known")
    assert "W(D,M)" in picture.text


def test_without_a_past_and_without_gradients():
    assert between(draw(Tensor(2.0, name="x")), "x", "output") == [("2", "not computed")]
    x = Tensor(2.0, name="x")
    with hg.no_grad():
        y = x * 3.0
    assert between(draw(y), "constant", "output") == [("6", None)]
    assert between(draw(x * Tensor(3.0, requires_grad=False)), "constant", "Mul") == [("3", None)]


def test_a_graph_that_is_too_large_is_folded_with_a_word():
    y = Tensor(1.0)
    for _ in range(MOST + 500):
        y = y + 1.0
    picture = draw(y)
    assert len(picture.graph.nodes) < 300
    assert f"{MOST + 400:,} of {MOST + 500:,} calls are folded into one" in picture.text
    assert f"{MOST + 501}" in picture.text


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((3,), {}, "with its inputs, a trace or a program is needed, got int"),
        ((hg.ReLU,), {}, "is needed, got ReLU"),
        ((hg.ReLU(),), {}, "ReLU is drawn with its inputs"),
        ((network(),), {}, "Sequential is drawn with its inputs"),
        ((Tensor(1.0), 2.0), {}, "inputs is for layers and networks; a tensor is drawn as it is"),
        ((Tensor(1.0),), {"dy": 1.0}, "dy is for layers and networks"),
        ((hg.ReLU(), 1.0), {"open": "Affine"}, "open='Affine' names no layer here; there are ReLU"),
        ((hg.ReLU(), 1.0), {"open": 1.5}, "open is names of layers or a number of levels"),
        ((hg.ReLU(), 1.0), {"t": 1.0, "dy": 1.0}, "either t or dy"),
        ((hg.Add(), 1.0, 2.0), {"open": "Add"}, "Add cannot be opened"),
        ((hg.ReLU(), np.ones(3)), {"dy": np.ones(2)}, "dy must have shape"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_one_line(arguments, options, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        draw(*arguments, **options)
    assert "\n" not in str(caught.value)


def test_the_derivative_of_one_number_in_several_axes_is_shown():
    network = hg.Sequential(hg.Affine(1, bias=False), hg.GELU(), dtype=np.float64)
    network.build(np.ones((1, 1)))
    network[0].W[...] = 0.5
    text = draw(network, np.array([[3.0]]), t=np.array([[1.0]])).text
    assert "dx = dy · (Φ + x · Φ′)" in text
    assert "= 0.7996 · 1.127" in text
