"""Learners in files, and learners that grow."""

from __future__ import annotations

import numpy as np
import pytest

import handgrad as hg
from handgrad.optim import Plateau, WarmUp
from handgrad.stream import Learner
from handgrad.train import load_checkpoint

RULES = {
    "adam": lambda: hg.Adam(WarmUp(0.01, steps=100)),
    "sgd": lambda: hg.SGD(Plateau(0.1)),
    "adadelta": lambda: hg.AdaDelta(),
}


def learn(learner, x, t):
    for row, label in zip(x, t):
        learner.update(row, int(label))
    return learner


@pytest.mark.parametrize("rule", RULES)
def test_going_on_gives_the_same_bits(engine, data, network, rule, tmp_path):
    x, t = data
    loss = hg.SoftmaxCrossEntropy()
    whole = learn(hg.online(network(hg.Dropout(0.3)), loss, RULES[rule](), engine=engine,
                            window=64), x, t)  # fmt: skip
    first = hg.online(network(hg.Dropout(0.3)), loss, RULES[rule](), engine=engine, window=64)
    path = learn(first, x[:100], t[:100]).save(tmp_path / "half.safetensors")
    second = learn(Learner.load(path, loss, RULES[rule]()), x[100:], t[100:])
    np.testing.assert_array_equal(whole.network.parameters, second.network.parameters)
    np.testing.assert_array_equal(whole.predict(x), second.predict(x))
    assert whole.metrics() == second.metrics()
    assert whole.metrics(recent=True) == second.metrics(recent=True)
    assert second.updates == len(x)
    assert load_checkpoint(path).network.predict(x).shape == (len(x), 3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.pop("running"), "holds no state of a learner"),
        (lambda s: s.update(rule="SGD"), "had SGD, this is Adam"),
        (lambda s: s["running"].update(window=0), "window must be an integer"),
        (lambda s: s["running"]["last"].update(loss=np.zeros((2, 3))), "last.loss must be"),
        (lambda s: s["running"].update(sums=[]), "sums must be a dict"),
        (lambda s: s["optimizer"].pop("m"), "lacks 'm'"),
        (lambda s: s["optimizer"].update(m=np.zeros(3, np.float32)), "numbers are needed, got 3"),
        (lambda s: s.update(more=1), "unknown entry"),
    ],
)
def test_a_state_that_is_wrong_is_refused(data, network, change, said, tmp_path):
    learner = learn(hg.online(network(), optimizer=hg.Adam(0.01)), data[0][:5], data[1][:5])
    state = learner.state_dict()
    change(state)
    path = hg.save(learner.network, tmp_path / "wrong.safetensors", training=state)
    with pytest.raises(ValueError, match=f"wrong.safetensors: .*{said}"):
        Learner.load(path, optimizer=hg.Adam(0.01))


def test_the_model_of_a_training_is_refused_in_one_line(data, network, tmp_path):
    made = network()
    trainer = hg.Trainer(made, *data, epochs=1, progress=False)
    trainer.run()
    path = hg.save(made, tmp_path / "fit.safetensors", training=trainer.state_dict())
    with pytest.raises(ValueError, match="holds no state of a learner"):
        Learner.load(path)


@pytest.mark.parametrize("standardize", [False, True])
def test_new_inputs_change_nothing_until_they_are_learned(engine, data, network, standardize):
    x, t = data
    made = network()
    if standardize:
        made = hg.Sequential(hg.Standardize.of(x), *made.layers)
    learner = learn(hg.online(made, optimizer=hg.Adam(0.01), engine=engine), x, t)
    before, wide = learner.predict(x), np.random.default_rng(1).normal(size=(len(x), 7))
    wide[:, :5] = x
    learner.grow(inputs=7)
    np.testing.assert_allclose(learner.predict(wide), before, rtol=1e-5, atol=1e-6)
    labels = (wide[:, 5] > 0).astype(int)  # what only a new column tells
    for _ in range(4):
        learn(learner, wide, labels)
    assert learner.metrics(recent=True)["accuracy"] > 0.75
    assert (learner.predict(wide).argmax(1) == labels).mean() > 0.9
    with pytest.raises(ValueError, match=r"a sample of shape \(7,\)"):
        learner.update(x[0], 0)


def test_new_classes_leave_the_scores_of_the_others(engine, data, network):
    x, t = data
    learner = learn(hg.online(network(), optimizer=hg.Adam(0.01), engine=engine), x, t)
    before = learner.predict(x)
    learner.grow(classes=5)
    after = learner.predict(x)
    np.testing.assert_allclose(after[:, :3], before, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(after[:, 3:], learner.network[2].b.min())
    labels = np.where(x[:, 3] > 0, 4, t)
    for _ in range(4):
        learn(learner, x, labels)
    assert (learner.predict(x).argmax(1) == labels).mean() > 0.8


@pytest.mark.parametrize("rule", ["Adam", "AdaGrad", "Momentum"])
def test_what_the_optimizer_remembers_grows_too(data, network, rule):
    learner = learn(hg.online(network(), optimizer=getattr(hg, rule)(0.01)), *data)
    before = {name: a.copy() for name, a in learner.optimizer.state.items()}
    layout = {path: (start, stop, shape) for path, start, stop, shape in learner.network.layout}
    learner.grow(inputs=6, classes=4)
    for path, start, stop, shape in learner.network.layout:
        old_start, old_stop, old = layout[path]
        for name, array in learner.optimizer.state.items():
            now = array[start:stop].reshape(shape)
            corner = tuple(slice(n) for n in old)
            kept = before[name][old_start:old_stop].reshape(old)
            np.testing.assert_array_equal(now[corner], kept)
            assert np.count_nonzero(now) == np.count_nonzero(kept)


def test_a_grown_learner_is_saved_and_frozen_as_before(engine, data, network, tmp_path):
    x, t = data
    learner = learn(hg.online(network(), optimizer=hg.Adam(0.01), engine=engine), x[:20], t[:20])
    learner.network.freeze("0.b")
    learner.grow(inputs=6, classes=4)
    assert learner.network.frozen == {"0.b"}
    wide = np.pad(x, ((0, 0), (0, 1)))
    again = Learner.load(learner.save(tmp_path / "grown"), optimizer=hg.Adam(0.01))
    learn(learner, wide, t)
    learn(again, wide, t)
    np.testing.assert_array_equal(learner.network.parameters, again.network.parameters)


@pytest.mark.parametrize(
    ("layers", "sizes", "said"),
    [
        ([hg.Affine(4), hg.ReLU(), hg.Affine(3)], {"inputs": 4}, "at least the present 5, got 4"),
        ([hg.Affine(4), hg.ReLU(), hg.Affine(3)], {"classes": 2.5}, "an integer of at least"),
        ([hg.Affine(3), hg.Softmax()], {"classes": 4}, "an Affine last, got Softmax"),
        ([hg.Dropout(0.1), hg.Affine(3)], {"inputs": 6}, "an Affine first.*got Dropout"),
        ([hg.Residual(hg.Affine(5))], {"inputs": 6}, "got Residual"),
    ],
)
def test_what_cannot_grow_is_refused_and_stays(layers, sizes, said):
    learner = hg.online(hg.Sequential(*layers, seed=1), engine="numpy")
    x = np.arange(5.0)
    before = learner.predict(x)
    with pytest.raises(ValueError, match=f"grow: .*{said}"):
        learner.grow(**sizes)
    np.testing.assert_array_equal(learner.predict(x), before)


def test_a_parameter_that_is_not_there_cannot_be_replaced(network):
    made = network()
    made.build(np.zeros((1, 5)))
    with pytest.raises(ValueError, match="replace: no parameter is called '9.W'; there are 0.W"):
        made.replace({"9.W": np.zeros((2, 2))})
    made.replace({"2.W": np.zeros((16, 4)), "2.b": np.ones(4)})
    assert made.parameters.size == 5 * 16 + 16 + 16 * 4 + 4
    np.testing.assert_array_equal(made.predict(np.zeros(5)[None], engine="numpy"), 1)


def test_tied_parameters_keep_their_shape():
    made = hg.Sequential(hg.Affine(5), hg.Affine(5), seed=1)
    made.build(np.zeros((1, 5)))
    made.tie("0.W", "1.W")
    learner = hg.online(made, engine="numpy")
    learner.predict(np.zeros(5))
    with pytest.raises(ValueError, match="0.W is tied"):
        learner.grow(inputs=6)
