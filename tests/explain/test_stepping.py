"""The page that steps through a network: its numbers are Python's, and every control works."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import handgrad as hg
from handgrad.explain.stepping import step_page
from handgrad.explain.stepping.arithmetic import script
from handgrad.layers.samples import SAMPLES
from handgrad.optim import SGD, Adam, Momentum
from tests.explain import book_layers
from tests.explain.browser import ask

# Everything that a page knows, as nested lists.
ALL = """
const m = stepping.m, lists = as => as.map(a => a === null ? "unknown" : a ? a.d : null);
const numbers = () => ({values: lists(m.values), gradients: lists(m.gradients)});
"""
TEXT = 'const words = () => document.querySelector(".words").textContent;'


def small():
    rng = np.random.default_rng(0)
    network = hg.Sequential(hg.Affine(4), hg.Tanh(), hg.Affine(3), dtype=np.float64)
    return network, rng.normal(size=(5, 2)), np.array([0, 2, 1, 1, 0])


def picture():
    rng = np.random.default_rng(1)
    network = hg.Sequential(
        hg.Convolution(3, 3, pad=1), hg.BatchNorm(), hg.ReLU(), hg.MaxPooling(2), hg.Dropout(0.3),
        hg.Flatten(), hg.Affine(2),
    )  # fmt: skip
    return network, rng.normal(size=(4, 1, 6, 6)), np.array([0, 1, 1, 0])


class Own:
    """A layer of somebody's own, with a function that the page does not have."""

    def forward(self, x):
        self.x, self.y = x, np.hypot(x, 1)
        return self.y

    def backward(self, dy):
        return dy * self.x / self.y


def own():
    rng = np.random.default_rng(2)
    network = hg.Sequential(hg.Affine(3), Own(), hg.Affine(2))
    return network, rng.normal(size=(4, 2)), rng.normal(size=(4, 2))


class Twice(hg.Network):
    def __init__(self):
        self.layer, self.out = hg.Affine(3), hg.Affine(1)

    def __call__(self, x):
        h = np.tanh(self.layer(x))
        return self.out(h * h + np.tanh(self.layer(h)))


def twice():
    rng = np.random.default_rng(3)
    return Twice(), rng.normal(size=(4, 3)), rng.integers(0, 2, 4)


def book():
    rng = np.random.default_rng(4)
    network = hg.Sequential(
        book_layers.Affine(rng.normal(size=(3, 4)), np.zeros(4)), book_layers.Relu(),
        book_layers.Scale(1.5), book_layers.Sigmoid(), book_layers.Leaky(),
        book_layers.Affine(rng.normal(size=(4, 3)), np.ones(3)),
    )  # fmt: skip
    return network, rng.normal(size=(5, 3)), rng.integers(0, 3, 5)


PAGES = {"small": small, "picture": picture, "own": own, "twice": twice, "book": book}
LOSSES = {"book": book_layers.SoftmaxWithLoss()}

EDIT = """
stepping.go(0);
const input = [...document.querySelectorAll("input.number")].find(i => i.ariaLabel === "0.W[1, 2]");
input.value = "0.75";
input.dispatchEvent(new Event("change"));
await pause();
result.edited = numbers();
result.summary = document.querySelector("header p").textContent;
document.getElementById("reset").click();
result.reset = numbers();
"""
TRAIN = """
result.trained = {};
for (const rule of ["SGD", "Momentum", "Adam"]) {
  document.getElementById("reset").click();
  stepping.rule.value = rule;
  stepping.rule.dispatchEvent(new Event("change"));
  document.getElementById("one").click();
  document.getElementById("one").click();
  result.trained[rule] = {...numbers(), losses: m.losses};
}
document.getElementById("ten").click();
result.curve = document.querySelectorAll(".curve polyline").length;
document.getElementById("reset").click();
"""
WALK = """
result.steps = [];
for (let i = 0; i < stepping.steps.length; i++) {
  stepping.go(i);
  result.steps.push({phase: stepping.step.phase, words: words(),
    check: document.querySelector(".check").className,
    line: document.querySelector(".line.here")?.textContent,
    cards: document.querySelectorAll(".card").length, wide: document.documentElement.scrollWidth});
}
"""
CONTROLS = """
const press = key => document.body.dispatchEvent(
  new KeyboardEvent("keydown", {key, bubbles: true}));
const where = [], named = name => document.querySelector(`.bar [aria-label="${name}"]`).click();
press("End"); where.push(stepping.at);
press("Home"); where.push(stepping.at);
press("ArrowRight"); press("ArrowRight"); where.push(stepping.at);
press("ArrowLeft"); where.push(stepping.at);
press(" "); where.push(Boolean(stepping.timer)); press(" "); where.push(Boolean(stepping.timer));
named("Last step"); where.push(stepping.at);
named("First step"); where.push(stepping.at);
named("Next step"); named("Next step"); named("Step back"); where.push(stepping.at);
named("Play"); where.push(Boolean(stepping.timer));
named("Pause"); where.push(Boolean(stepping.timer));
document.querySelectorAll(".nodes button")[2].click(); where.push(stepping.at);
press(","); where.push(document.querySelector(".note").textContent);
result.where = where;
let clicks = 0;
for (let i = 0; i < stepping.steps.length; i++) {
  stepping.go(i);
  for (let b = 0; b < document.querySelectorAll("main button").length; b++) {
    const button = document.querySelectorAll("main button")[b];
    if (!button || button.closest(".nodes")) continue;
    button.click();
    clicks++;
  }
  for (const canvas of document.querySelectorAll("canvas"))
    canvas.dispatchEvent(new MouseEvent("click", {clientX: 5, clientY: 5}));
}
stepping.stop();
result.clicks = clicks;
result.nameless = [...document.querySelectorAll("button, input, select, canvas")].filter(
  e => !(e.getAttribute("aria-label") || e.textContent.trim())).length;
stepping.go(0);
const field = document.querySelector("input.number");
field.value = "three";
field.dispatchEvent(new Event("change"));
await pause();
result.refused = words();
m.reset();
"""
STRANGE = """
m.edit(0, 0, NaN);
m.edit(0, 1, Infinity);
stepping.draw();
result.strange = document.querySelector("figcaption").textContent;
stepping.go(stepping.steps.length - 2);
result.said = words();
"""


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """The answers of all pages from one browser, and the pages."""
    pages = {name: _page(name) for name in PAGES}
    begin = f"{ALL}{TEXT}const result = {{start: numbers()}};"
    codes = dict.fromkeys(PAGES, WALK) | dict.fromkeys(("own", "book"), WALK + EDIT)
    codes["small"] = WALK + EDIT + TRAIN + CONTROLS + STRANGE
    width = {"small": 320, "picture": 320}
    questions = {
        name: (page.html, width.get(name, 1280), f"{begin}{codes[name]}return result;")
        for name, page in pages.items()
    }
    samples = [_sample(i) for i in range(len(SAMPLES))]
    questions["samples"] = (_machines(samples), 400, COMPUTED)
    return ask(tmp_path_factory.mktemp("browser"), questions), pages, samples


def _page(name):
    network, x, t = PAGES[name]()
    return step_page(network, x, t=t, loss=LOSSES.get(name))


def _sample(number):
    rng = np.random.default_rng(number)
    layer, inputs = SAMPLES[number].make(), SAMPLES[number].inputs(rng, 3)
    y = SAMPLES[number].make()(*inputs)
    dy = [rng.normal(size=np.shape(v)) for v in (y if isinstance(y, tuple) else (y,))]
    return step_page(layer, *inputs, dy=tuple(dy) if len(dy) > 1 else dy[0])


def _machines(pages):
    data = json.dumps([page.data for page in pages]).replace("<", "\\u003c")
    return (
        f'<head></head><body><script type="application/json" id="data">{data}</script>'
        f"<script>{script()}</script>"
    )


COMPUTED = """
const lists = as => as.map(a => a === null ? "unknown" : a ? a.d : null);
return JSON.parse(document.getElementById("data").textContent).map(data => {
  const m = new Machine(data);
  return {values: lists(m.values), gradients: lists(m.gradients), differing: m.differing.length};
});
"""


def agree(found, tape):
    """Every value and every gradient to 1e-6, those that only one of them knows apart."""
    for value, array, gradient in zip(tape.values, found["values"], found["gradients"]):
        array = np.array(array, np.float64)  # what is not finite came as a word
        np.testing.assert_allclose(array, np.ravel(value.array), rtol=1e-6, atol=1e-9)
        if value.gradient is not None:
            assert gradient is not None, value.name
            np.testing.assert_allclose(gradient, np.ravel(value.gradient), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", PAGES)
def test_forward_and_gradients_are_pythons(asked, name):
    answers, pages, _ = asked
    assert answers[name]["errors"] == []
    agree(answers[name]["answer"]["start"], pages[name].tape)


def test_after_an_edit_all_that_follows_is_pythons(asked):
    answer = asked[0]["small"]["answer"]
    network, x, t = small()
    network.build(x)
    network[0].W[1, 2] = 0.75
    agree(answer["edited"], step_page(network, x, t=t).tape)
    assert answer["summary"].endswith("(edited)")
    agree(answer["reset"], asked[1]["small"].tape)


@pytest.mark.parametrize("optimizer", [SGD(0.1), Momentum(0.1), Adam(0.1)])
def test_after_training_steps_all_is_pythons(asked, optimizer):
    network, x, t = small()
    for _ in range(2):
        network.build(x)
        loss = hg.SoftmaxCrossEntropy()
        loss.forward(network.forward(x), t)
        network.backward(loss.backward()[0])
        optimizer.step(network)
    found = asked[0]["small"]["answer"]["trained"][type(optimizer).__name__]
    agree(found, step_page(network, x, t=t).tape)
    assert found["losses"][0] > found["losses"][2]


def test_every_step_says_its_chain_rule_and_shows_its_line(asked):
    steps = asked[0]["small"]["answer"]["steps"]
    assert [s["phase"] for s in steps] == (
        ["forward"] * 4 + ["seed"] + ["backward"] * 4 + ["update"]
    )
    assert all(s["words"] and s["cards"] for s in steps)
    for step in steps[5:9]:
        assert "Chain rule: d" in step["words"]
        assert step["check"] == "check good"
    lines = [re.sub(r"\d+", "", s["line"]).strip() for s in steps[:2]]
    assert lines == ["return y", "return self.y"]
    assert max(s["wide"] for s in steps) <= 320


def test_a_fan_out_is_a_sum(asked):
    words = [s["words"] for s in asked[0]["twice"]["answer"]["steps"] if s["phase"] == "backward"]
    assert any("is used 3 times: its gradient is the sum" in text for text in words)
    checks = [s["check"] for s in asked[0]["twice"]["answer"]["steps"] if s["phase"] == "backward"]
    assert set(checks) == {"check good"}


def test_what_the_page_cannot_compute_is_said_and_never_wrong(asked):
    answers, pages, _ = asked
    assert pages["own"].uncomputed == ["Own"]
    answer = answers["own"]["answer"]
    assert any("as Python computed it" in step["words"] for step in answer["steps"])
    names = [value.name for value in pages["own"].tape.values]
    known = [i for i, v in enumerate(answer["edited"]["values"]) if v != "unknown"]
    assert {names[i] for i in known} == {"x", "0.W", "0.b", "y", "2.W", "2.b", "t"}
    assert sum(v == "unknown" for v in answer["edited"]["values"]) == 3
    agree(answer["reset"], pages["own"].tape)


def test_the_page_runs_the_code_of_layers_of_ones_own(asked):
    answers, pages, _ = asked
    assert pages["book"].uncomputed == []
    network, x, t = book()
    network[0].W[1, 2] = 0.75
    loss = LOSSES["book"]
    agree(answers["book"]["answer"]["edited"], step_page(network, x, t=t, loss=loss).tape)
    checks = [s["check"] for s in answers["book"]["answer"]["steps"] if s["phase"] == "backward"]
    assert set(checks) == {"check good"}


def test_every_control_works(asked):
    answer = asked[0]["small"]["answer"]
    assert answer["where"] == [
        9, 0, 2, 1, True, False, 9, 0, 1, True, False, 2, answer["where"][-1]
    ]  # fmt: skip
    assert answer["where"][-1].startswith("Line ")
    assert answer["clicks"] > 40
    assert answer["nameless"] == 0
    assert answer["curve"] == 1
    assert answer["refused"] == "three is no number."


def test_what_is_not_finite_is_said(asked):
    answer = asked[0]["small"]["answer"]
    assert "2 not finite" in answer["strange"]
    assert "NaN" in answer["said"]


# Layers that the page cannot compute in some use, and why.
UNCOMPUTED = {
    **dict.fromkeys(("DotProductAttention", "AdditiveAttention", "MultiHeadAttention"), "a mask"),
    **dict.fromkeys(("RNN", "LSTM"), "a mask or a state that is given"),
    **dict.fromkeys(("RNNCell", "LSTMCell", "GRUCell", "GRU", "ConvLSTM"), "it writes into views"),
    **dict.fromkeys(("Bidirectional", "Stacked", "SpectralNorm", "CosineEmbedding"),
                    "it runs layers inside"),
    **dict.fromkeys(("Gather", "ScatterAdd", "CategoricalLogProb", "PolicyGradient"),
                    "indices decide"),
    **dict.fromkeys(("Einsum", "CosineSimilarity", "GaussianLikelihood", "Quantile", "Dice",
                     "Wasserstein"), "functions that the page has not"),
    "NegativeSampling": "it draws anew",
}  # fmt: skip


def test_all_other_layers_are_computed(asked):
    answers, _, samples = asked
    assert answers["samples"]["errors"] == []
    left = set()
    for page, found, sample in zip(samples, answers["samples"]["answer"], SAMPLES):
        assert found["differing"] == 0, str(sample)
        left |= {sample.cls.__name__} if page.uncomputed else set()
        agree(found, page.tape)
    assert left == set(UNCOMPUTED)
