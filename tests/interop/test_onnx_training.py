"""Training graphs: written, read, and gone on with, step by step as here."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.interop.onnx.export.builder import Builder, value
from handgrad.interop.onnx.messages import Message
from handgrad.interop.onnx.operators.registry import TRAINING
from handgrad.interop.onnx.wire import write
from handgrad.onnx import load, load_training, prepare, save, save_training

OPTIMIZERS = (
    hg.SGD(0.1), hg.SGD(0.1, l2=0.01), hg.Momentum(0.1), hg.Nesterov(0.1), hg.AdaGrad(0.1),
    hg.Adam(0.01),
)  # fmt: skip


def learner(loss):
    """A network, a batch, and one update by hand."""
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(8, 4)).astype(np.float32), rng.integers(0, 3, 8)
    network = hg.Sequential(hg.Affine(6, inputs=4), hg.Tanh(), hg.Affine(3))
    network.build(x)
    if not isinstance(loss, hg.SoftmaxCrossEntropy):
        t = rng.normal(size=(8, 3)).astype(np.float32)

    def step(optimizer):
        value = loss.forward(network.forward(x), t)
        network.backward(loss.backward()[0])
        optimizer.step(network)
        return float(value)

    return network, x, t, step


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: f"{type(o).__name__}-{o.l2}")
def test_a_file_goes_on_as_training_here_does(optimizer, tmp_path):
    loss = hg.SoftmaxCrossEntropy()
    network, x, t, step = learner(loss)
    for _ in range(2):
        step(optimizer)
    path = save_training(network, tmp_path / "a.onnx", loss=loss, optimizer=optimizer,
                         example=(x, t))  # fmt: skip
    np.testing.assert_allclose(load(path).predict(x), network.predict(x), rtol=1e-5, atol=1e-6)
    training = load_training(path)
    for _ in range(3):
        assert training.step(x, t) == pytest.approx(step(optimizer), rel=2e-5)
    again = load_training(training.save(tmp_path / "b.onnx"))
    assert again.step(x, t) == pytest.approx(step(optimizer), rel=2e-5)
    np.testing.assert_allclose(again.network().parameters, network.parameters, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("loss", [hg.MeanSquaredError(), hg.Huber(0.5)], ids=str)
def test_other_losses(loss, tmp_path):
    network, x, t, step = learner(loss)
    path = save_training(network, tmp_path / "a.onnx", loss=loss, optimizer=hg.SGD(0.1),
                         example=(x, t))  # fmt: skip
    training = load_training(path)
    optimizer = hg.SGD(0.1)
    for _ in range(3):
        assert training.step(x, t) == pytest.approx(step(optimizer), rel=2e-5)


def test_the_onnx_package_finds_the_file_right(tmp_path):
    onnx = pytest.importorskip("onnx", reason="the onnx package checks the file")
    loss = hg.SoftmaxCrossEntropy()
    network, x, t, _ = learner(loss)
    path = save_training(network, tmp_path / "a.onnx", loss=loss, optimizer=hg.Adam(),
                         example=(x, t))  # fmt: skip
    model = onnx.load(path)
    onnx.checker.check_model(model)
    algorithm = model.training_info[0].algorithm
    assert {n.op_type for n in algorithm.node if n.domain} == {"Gradient", "Adam"}
    assert model.training_info[0].update_binding[0].key == "0.W"


def test_the_gradient_of_a_gradient():
    """z = x³: dz/dx = 3 x², and the derivative of its sum 6 x."""
    b = Builder(17, np.float32)
    z = b.node("Mul", [b.node("Mul", ["x", "x"]), "x"])
    first = b.node("Gradient", ["x"], domain=TRAINING, xs=["x"], y=z)
    b.nodes.append(Message("Node", op_type="Gradient", domain=TRAINING, input=["x"], output=["y"],
                           attribute=[*gradient_of(first)]))  # fmt: skip
    model = b.model([value("x", np.float32, (3,))], [value("y", np.float32, (3,))], "g", {})
    x = np.array([1, -2, 3], np.float32)
    (y,) = prepare(b"".join(bytes(p) for p in write(model))).run(x)
    np.testing.assert_allclose(y, 6 * x)


def gradient_of(name):
    from handgrad.interop.onnx.export.builder import attribute

    return attribute("xs", ["x"]), attribute("y", name)


def test_bad_input_names_everything_at_once(tmp_path):
    loss = hg.SoftmaxCrossEntropy()
    network, x, t, _ = learner(loss)
    path = tmp_path / "a.onnx"
    rule = hg.Lion(lambda step: 0.1, weight_decay=0.1)
    with pytest.raises(ValueError, match="Lion .*; a schedule as learning rate; weight_decay=0.1"):
        save_training(network, path, loss=loss, optimizer=rule, example=(x, t))
    with pytest.raises(ValueError, match="example must be"):
        save_training(network, path, loss=loss, optimizer=hg.SGD(), example=x)
    assert not path.exists()
    plain = save(network, path)
    with pytest.raises(ValueError, match="has no training graph"):
        load_training(plain)
    training = load_training(save_training(network, path, loss=loss, optimizer=hg.SGD(),
                                           example=(x, t)))  # fmt: skip
    with pytest.raises(ValueError, match="step takes x, t, got 1"):
        training.step(x)


def test_batch_norm_learns_by_the_batch_and_its_statistics_follow(tmp_path):
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(6, 2, 4, 4)).astype(np.float32), rng.integers(0, 3, 6)
    network = hg.Sequential(hg.Convolution(3, 3), hg.BatchNorm(), hg.ReLU(), hg.BatchNorm(),
                            hg.Flatten(), hg.Affine(3)).build(x)  # fmt: skip
    loss, optimizer = hg.SoftmaxCrossEntropy(), hg.SGD(0.1)
    path = save_training(network, tmp_path / "a.onnx", loss=loss, optimizer=optimizer,
                         example=(x, t))  # fmt: skip
    np.testing.assert_allclose(load(path).predict(x), network.predict(x), rtol=1e-5, atol=1e-6)
    training = load_training(path)
    for _ in range(3):
        expected = loss.forward(network.forward(x), t)
        network.backward(loss.backward()[0])
        optimizer.step(network)
        assert training.step(x, t) == pytest.approx(float(expected), rel=2e-5)
    assert not np.array_equal(network.layers[1].running_mean, network.layers[3].running_mean)
    again = training.network()
    np.testing.assert_allclose(again.predict(x), network.predict(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("drop", [hg.Dropout(0.4), hg.Dropout(0.4, scaled=True)], ids=str)
def test_dropout_draws_new_masks_that_gradients_see(drop, tmp_path):
    x = np.ones((20, 4), np.float32)
    network = hg.Sequential(hg.Affine(30, inputs=4), drop, hg.Affine(1, bias=False)).build(x)
    path = save_training(network, tmp_path / "a.onnx", loss=hg.MeanSquaredError(),
                         optimizer=hg.SGD(0.005), example=(x, x[:, :1]))  # fmt: skip
    training = load_training(path)
    mask = next(n.outputs[0] for n in training.interpreter.model.graph.nodes
                if n.op == ("Mul" if not drop.scaled else "Sub") and "1/" in n.name)  # fmt: skip
    gradient = next(n for n in training.interpreter.model.graph.nodes if n.op == "Gradient")
    assert mask in gradient.attributes["zs"]
    losses = [training.step(x, x[:, :1]) for _ in range(60)]
    assert len(set(losses[:5])) == 5
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:10])
    same = load_training(path)
    assert [same.step(x, x[:, :1]) for _ in range(3)] == losses[:3]


def test_batch_norm_in_training_mode_has_its_gradient():
    """The expression on tensors is the operator's, whose statistics are those of the batch."""
    b = Builder(15, np.float32)
    arrays = [np.array(v, np.float32) for v in ([2.0, 0.5], [1.0, -1.0], [0.0, 0.0], [1.0, 1.0])]
    given = [b.weight(a, f"p{k}") for k, a in enumerate(arrays)]
    b.node("BatchNormalization", ["x", *given], outputs=3, training_mode=1)
    b.nodes[-1].output[0] = "y"
    model = b.model([value("x", np.float32, ("N", 2))], [value("y", np.float32, ("N", 2))], "g", {})
    data = b"".join(bytes(p) for p in write(model))
    x = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
    network = load(data)
    np.testing.assert_allclose(network.forward(x), prepare(data).run(x)[0], rtol=1e-5, atol=1e-6)
    assert np.abs(network.backward(np.ones((5, 2), np.float32))).max() < 1e-5
