"""check_optimizer: its score on rules that are right and wrong, and what it says."""

import json
import random

import numpy as np
import pytest

import handgrad as hg
from handgrad import check_optimizer
from handgrad.optimcheck.causes import ADVICE
from handgrad.optimcheck.fit import EXACT, Fit, fine, predicted
from handgrad.optimcheck.formulas import VARIANTS, settings_of
from tests.optimcheck.score import judged, load

pytest.importorskip("torch", reason="torch, the peer, is not installed")

WRONG, RIGHT = load()
RULES = {s.name.rpartition(".")[2]: s.rule for s in WRONG + RIGHT}


class Descent:
    def __init__(self, lr=0.1):
        self.lr = lr

    def update(self, params, grads):
        for k in params:
            params[k] -= self.lr * grads[k]


@pytest.mark.slow
def test_mistakes_are_found_and_named():
    assert len(WRONG) >= 120
    found = [(s, *judged(s)) for s in WRONG]
    missed = [s.name for s, report, _ in found if report.verdict != "wrong"]
    assert len(missed) <= 0.02 * len(WRONG), missed
    wrong = [(s.name, r.cause) for s, r, named in found if r.cause and not named]
    assert wrong == []
    assert {r.cause for _, r, _ in found if r.cause} == set(ADVICE)


def test_a_part_of_the_rules_is_judged_right():
    """One in eight; `make slow` looks at all."""
    assert [s.name for s in WRONG[3::8] if judged(s)[0].verdict != "wrong"] == []
    assert [str(report) for report, agrees in map(judged, RIGHT[::8]) if not agrees] == []


@pytest.mark.slow
def test_right_rules_are_not_called_wrong():
    assert len(RIGHT) >= 75
    assert [str(report) for report, agrees in map(judged, RIGHT) if not agrees] == []


def test_specimens_have_names_of_their_own():
    names = [s.name for s in (*WRONG, *RIGHT)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: f"{v.rule} {v.how}".strip())
def test_the_settings_of_a_formula_are_found(variant):
    values = {"beta1": 0.9, "beta2": 0.993, "eps": 3e-8, "rho": 0.93, "mu": 0.9, "tau": 0.3,
              "start": 0.1}  # fmt: skip
    settings = {name: values[name] for name in settings_of(variant)}
    g = np.random.default_rng(0).normal(size=(60, 12)) * np.logspace(0, -7, 12)
    steps = 0.01 * predicted(Fit(variant, settings, 0.01, 0.0, 0.0), g)
    found = fine(variant, g, steps, list(settings.values()))
    assert found.error < EXACT
    assert found.lr == pytest.approx(0.01)
    assert found.settings == pytest.approx(settings)


def test_the_first_step_of_adam_is_compared_in_numbers():
    said = check_optimizer(RULES["AdamUncorrected"]).paragraph
    assert "moves by 0.0031622" in said
    assert "should by 0.001." in said
    assert "1 - beta1^t" in said


def test_a_name_decides_nothing():
    class Adam(Descent):
        pass

    assert check_optimizer(Adam)
    assert check_optimizer(Adam).rule == "sgd"
    assert "its name suggests adam" in str(check_optimizer(Adam))
    assert check_optimizer(Adam, against="adam").cause == "wrong_formula"
    assert check_optimizer(Adam, against="SGD")


def test_settings_are_measured():
    report = check_optimizer(hg.Adam(0.02, beta1=0.83, eps=1e-5))
    assert report.rule == "adam"
    expected = {"lr": 0.02, "beta1": 0.83, "beta2": 0.999, "eps": 1e-5}
    assert report.settings == pytest.approx(expected)


def test_the_report_is_plain_and_always_the_same():
    report = check_optimizer(RULES["AdamIterations"], seed=3)
    assert json.loads(json.dumps(report.to_dict())) == report.to_dict()
    assert str(check_optimizer(RULES["AdamIterations"], seed=3)) == str(report) == repr(report)
    assert not report


def test_what_is_given_stays_as_it_is(capsys):
    rule = hg.Momentum(0.1)
    states = np.random.get_state()[1].copy(), random.getstate()
    assert check_optimizer(rule)
    assert rule.steps == 0
    assert rule.state["v"].size == 0
    assert (np.random.get_state()[1] == states[0]).all()
    assert random.getstate() == states[1]
    assert "it printed" in str(check_optimizer(RULES["Prints"]))
    assert capsys.readouterr().out == ""


def _exits(self, params, grads):
    raise SystemExit(1)


def _later(self, params, grads):
    raise NotImplementedError("later")


def _random(self, params, grads):
    for k in params:
        params[k] -= 0.1 * grads[k] + 0.01 * np.random.normal(size=params[k].shape)


@pytest.mark.parametrize(
    ("update", "sentence"),
    [(_exits, "calls exit()"), (_later, "NotImplementedError: later"),
     (_random, "Its steps are random")],
)  # fmt: skip
def test_what_cannot_be_told(update, sentence):
    report = check_optimizer(type("Rule", (), {"update": update}))
    assert report.verdict == "cannot tell"
    assert sentence in report.paragraph


def test_a_rule_that_hangs_is_given_up(hang):
    class Rule:
        def update(self, params, grads):
            hang(spins=True)

    report = check_optimizer(Rule, timeout=2.5)
    assert report.verdict == "cannot tell"
    assert "did not return within 2.5 s" in report.paragraph


@pytest.mark.parametrize("thing", [3, None, object(), object, hg.Affine(3)])
def test_what_is_no_optimizer(thing):
    report = check_optimizer(thing)
    assert report.verdict == "cannot tell"
    assert "give a function that makes it" in report.paragraph


def test_a_rule_may_refuse_a_shape():
    class Matrices(Descent):
        def update(self, params, grads):
            if any(p.ndim != 2 for p in params.values()):
                raise ValueError("matrices only")
            super().update(params, grads)

    report = check_optimizer(Matrices)
    assert report
    assert "matrices only" in str(report)


def test_results_of_other_shapes():
    class Flat:
        def update(self, params, grads):
            return [(p - 0.1 * g).ravel() for p, g in zip(params, grads)]

    assert check_optimizer(Flat).cause == "shape"


def test_what_depends_on_other_entries():
    clipped = hg.Adam(clip_norm=0.1)
    assert "elementwise=False" in str(check_optimizer(clipped))
    assert "elementwise" not in str(check_optimizer(clipped, elementwise=False))
    assert check_optimizer(clipped, elementwise=True).cause == "shared_state"


@pytest.mark.parametrize(
    ("options", "said"),
    [({"against": "adamm"}, "against must be a rule or one of sgd"),
     ({"decay": "l2"}, "decay must be one of coupled, decoupled, none; got 'l2'")],
)  # fmt: skip
def test_options_are_checked(options, said):
    with pytest.raises(ValueError, match=said):
        check_optimizer("adam", **options)


def test_an_unknown_name():
    with pytest.raises(ValueError, match="one of sgd, momentum"):
        check_optimizer("adamm")
