"""Search: the same table alone, in processes, and after being killed; failures as rows."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import handgrad as hg
from handgrad.searching import choice, integer, log_uniform, search, uniform
from handgrad.searching.rounds import _plan
from handgrad.searching.space import drawn
from handgrad.searching.trial import Job, Trial
from handgrad.searching.workers import Workers
from tests.searching import candidates as tried
from tests.searching.candidates import OPTIONS, SPACE, data

ROOT = Path(__file__).parents[2]


def table(result):
    """All that must not depend on when and where candidates were tried."""
    return [
        (r.number, r.rung, dict(r.params), r.epochs, dict(r.scores), dict(r.curves), r.error)
        for r in result.rows
    ]


def found(make=tried.network, space=SPACE, **options):
    given = {"candidates": 6, "epochs": 3, "options": OPTIONS, "processes": 1, "show": False}
    return search(make, space, *data(), **{**given, **options})


def test_candidates_depend_on_the_seed_and_their_number_alone():
    one = [drawn(SPACE, 3, n) for n in range(5)]
    assert one == [drawn(dict(reversed(SPACE.items())), 3, n) for n in range(5)]
    assert drawn(SPACE, 4, 0) != one[0]
    assert len({p["lr"] for p in one}) == 5


def test_distributions():
    u = (np.arange(10_000) + 0.5) / 10_000
    lr = np.log10([log_uniform(1e-4, 1).at(v) for v in u])
    np.testing.assert_allclose(np.quantile(lr, [0.25, 0.5, 0.75]), [-3, -2, -1], atol=1e-3)
    assert np.mean([uniform(-1, 3).at(v) for v in u]) == pytest.approx(1)
    counts = np.bincount([integer(2, 5).at(v) for v in u])
    assert counts.tolist() == [0, 0, 2500, 2500, 2500, 2500]
    sizes = np.array([integer(1, 1000, log=True).at(v) for v in u])
    assert sizes.min() == 1
    assert sizes.max() == 1000
    assert np.mean(sizes <= 31) == pytest.approx(0.5, abs=0.02)
    assert [choice("a", None, 3).at(v) for v in (0, 0.4, 0.999)] == ["a", None, 3]
    assert choice(["a", "b"]) == choice("a", "b")


def test_the_table_is_ranked_and_the_best_network_comes_back():
    x, t = data()
    result = found(score="accuracy", validation=(x, t))
    accuracies = [row.scores["accuracy"] for row in result.rows]
    assert accuracies == sorted(accuracies, reverse=True)
    assert result.model.evaluate(x, t, metrics=[hg.accuracy])["accuracy"] == result.score
    assert result.best == result.rows[0].params
    best = tried.network(**result.best)
    hg.fit(best[0], x, t, epochs=3, **OPTIONS, **best[1])
    np.testing.assert_array_equal(best[0].parameters, result.model.parameters)
    lines = str(result).splitlines()
    assert len(lines) == 7
    assert lines[0].split() == ["rank", "lr", "units", "accuracy", "loss", "epochs", "seconds"]
    losses = [row.scores["loss"] for row in found().rows]
    assert losses == sorted(losses)


@pytest.mark.parametrize(("candidates", "epochs", "keep", "plan"), [
    (9, 9, 3, [(9, 1), (3, 3), (1, 9)]), (27, 5, 3, [(27, 1), (3, 2), (1, 5)]),
    (20, 8, 2, [(20, 1), (5, 2), (3, 4), (2, 8)]), (1, 7, 3, [(1, 7)]),
])  # fmt: skip
def test_rounds_of_halving(candidates, epochs, keep, plan):
    assert _plan(candidates, "halving", epochs, keep) == plan


def test_what_remembers_is_new_for_each_candidate():
    from handgrad.train import EMA, EarlyStopping

    def options():
        return {"optimizer": hg.Adam(0.01), "callbacks": [EarlyStopping(2)], "average": EMA(0.9)}

    def make(units):
        return tried.network(0.1, units)[0]

    given, x, t = options(), *data()
    result = found(make, {"units": [2, 5, 9]}, options=given, validation=(x, t), epochs=9)
    for row in result.rows:
        alone = make(**row.params)
        history = hg.fit(alone, x, t, validation=(x, t), epochs=9, **options())
        assert row.curves["val_loss"] == history["val_loss"]
        assert row.scores["loss"] == alone.evaluate(x, t)["loss"]
    assert given["optimizer"].steps == 0


def test_halving_keeps_the_best_of_each_round():
    result = found(method="halving", candidates=9, epochs=9)
    assert [row.rung for row in result.rows] == [2, 1, 1, 0, 0, 0, 0, 0, 0]
    assert [row.epochs for row in result.rows[:4]] == [9, 3, 3, 1]
    first = found(candidates=9, epochs=1)  # which is the first round
    assert {r.number for r in result.rows[:3]} == {r.number for r in first.rows[:3]}


def test_processes_give_the_same_table():
    alone = tried.run(None, 1, "halving", tried.failing)
    together = tried.run(None, 2, "halving", tried.failing)
    assert table(alone) == table(together)
    np.testing.assert_array_equal(alone.model.parameters, together.model.parameters)
    failed = [row for row in alone.rows if row.error]
    assert {row.error for row in failed} == {"RuntimeError: too narrow"}
    assert alone.rows[-len(failed) :] == failed


def test_a_process_that_dies_is_a_row():
    result = tried.run(None, 2, "random", tried.dying)
    died = {r.number for r in result.rows if r.error == "its process ended with exit code 7"}
    assert died == {n for n in range(9) if drawn(SPACE, 0, n)["units"] < 5}
    assert 0 < len(died) < 9


def test_a_process_that_ends_while_it_waits_is_replaced():
    job = Job(tried.network, (*data(), *data()), {"epochs": 1})
    trials = [Trial(n, {"lr": 0.1, "units": 2 + n}) for n in range(2)]
    with Workers(job, 1) as workers:
        assert [trial for trial, found in workers.run(trials[:1]) if "scores" in found]
        for process in workers.processes.values():
            process.kill()
            process.join()
        assert [trial for trial, found in workers.run(trials[1:]) if "scores" in found]


def test_what_a_process_had_not_begun_is_for_another():
    job = Job(tried.dying, (*data(), *data()), {"epochs": 1})
    trials = [Trial(n, {"lr": 0.1, "units": units}) for n, units in enumerate((2, 6, 7))]
    with Workers(job, 1) as workers:
        found = {trial.number: "error" in found for trial, found in workers.run(trials)}
    assert found == {0: True, 1: False, 2: False}


def test_a_process_uses_one_thread():
    with pytest.raises(ValueError, match="the first: RuntimeError: OMP_NUM_THREADS=1 OPENBLAS"):
        found(tried.threads, {"a": choice(1, 2)}, processes=2)


UNGUARDED = """
import numpy as np
from handgrad.searching import search
from tests.searching.candidates import OPTIONS, SPACE, network
x = np.random.default_rng(0).normal(size=(20_000, 3))  # more than a pipe holds
search(network, SPACE, x, (x[:, 0] > 0).astype(int), candidates=2, epochs=1, processes=2)
"""


@pytest.mark.parametrize("how", ["file", "stdin"])
def test_a_program_that_no_process_can_begin_from_is_told_so(how, tmp_path):
    script = tmp_path / "page.py"
    script.write_text(UNGUARDED)
    command, given = ([str(script)], None) if how == "file" else (["-"], UNGUARDED)
    done = subprocess.run(
        [sys.executable, *command], input=given, cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=600,
    )  # fmt: skip
    assert done.returncode == 1
    said = "before it began; put the program's own calls under `if __name__ == '__main__':`, or use"
    assert (said if how == "file" else "the program has no file to begin from") in done.stderr


def test_killed_and_begun_again_the_table_is_the_same(tmp_path):
    path, whole = tmp_path / "search.json", tried.run(None, 1, "halving", tried.network)
    command = [sys.executable, "-m", "tests.searching.candidates", str(path), "2", "halving"]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    while not path.exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = json.loads(path.read_text())["rows"]
    assert 0 < len(done) < 13
    again = tried.run(path, 1, "halving", tried.stuck)
    assert [r[:6] for r in table(again)] == [r[:6] for r in table(whole)]
    rows = json.loads(path.read_text())["rows"]
    assert all(row in rows for row in done)  # none was tried again
    np.testing.assert_array_equal(again.model.parameters, whole.model.parameters)


def test_a_file_that_is_whole_is_only_read(tmp_path, monkeypatch):
    path = tmp_path / "search.json"
    first = found(path=path)
    monkeypatch.setattr("handgrad.searching.workers.outcome", None)
    assert table(found(path=path)) == table(first)


def test_estimators_are_taken_by_their_shape():
    estimator = tried.Nearest()
    result = found(estimator, {"columns": integer(1, 3)}, options=None, epochs=None)
    assert result.best["columns"] == result.model.columns
    assert vars(estimator) == {"columns": 1, "rounds": 3}
    assert result.score == max(row.scores["score"] for row in result.rows)
    halved = found(estimator, {"columns": integer(1, 3)}, options=None, method="halving",
                   candidates=4, epochs=8, keep=2, resource="rounds")  # fmt: skip
    assert halved.model.rounds == 8
    assert [row.epochs for row in halved.rows] == [8, 4, 2, 2]


def test_an_estimator_may_take_text():
    class Text(tried.Nearest):
        def fit(self, x, t):
            return super().fit(x.astype(float), (t == "yes").astype(int))

        def score(self, x, t):
            return super().score(x.astype(float), (t == "yes").astype(int))

    x, t = data()
    names = np.where(t == 1, "yes", "no").astype(object)
    options = {"candidates": 3, "processes": 1, "show": False}
    results = [search(Text(), {"columns": [1, 2, 3]}, x.astype(object), labels, **options)
               for labels in (names, names.astype(str))]  # fmt: skip
    assert table(results[0]) == table(results[1])
    with pytest.raises(ValueError, match="search: x has 120 samples and t 119"):
        search(Text(), {"columns": [1, 2]}, x, names[1:], show=False)


def test_estimators_of_scikit_learn(tmp_path):
    pytest.importorskip("sklearn", reason="scikit-learn, the peer, is not installed")
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.tree import DecisionTreeClassifier

    model = make_pipeline(StandardScaler(), DecisionTreeClassifier(random_state=0))
    space = {"decisiontreeclassifier__max_depth": integer(1, 6)}
    result = found(model, space, options=None, epochs=None, path=tmp_path / "s.json")
    assert result.model[-1].max_depth == result.best["decisiontreeclassifier__max_depth"]


def test_a_function_that_no_other_process_can_have_is_tried_here(capsys):
    def make(lr, units):
        return tried.network(lr, units)

    result = found(make, processes=None, show=True)
    out, err = capsys.readouterr()
    if os.cpu_count() > 1:
        assert "search: one process, for others cannot have the function" in err
    assert out.strip() == str(result)
    with pytest.raises(ValueError, match="search: other processes cannot have the function"):
        found(make, processes=2)


def test_the_grid_of_learning_curves(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    result = found(score="accuracy")
    text = result.plot(tmp_path / "grid.svg").read_text()
    assert text.count("stroke-dasharray") >= len(result.rows)  # training is dashed
    with pytest.raises(ValueError, match="no candidate has a learning curve of 'score'"):
        found(tried.Nearest(), {"columns": [1, 2]}, options=None, epochs=None).plot("x.svg")


def both_fail(lr, units):
    raise ValueError("never")


BAD = [
    (lambda: found(space={}), "search: space must be a dict with a distribution"),
    (lambda: found(space={"lr": 0.1}), r"space\['lr'\] must be uniform, .* got 0.1"),
    (lambda: found(space={"lr": []}), "choice: at least one value is needed"),
    (lambda: uniform(2, 1), "uniform: low must be below high, got 2 and 1"),
    (lambda: uniform(0, float("inf")), "uniform: low and high must be finite numbers, got inf"),
    (lambda: log_uniform(0, 1), "log_uniform: low must be above 0, .* got 0"),
    (lambda: integer(1, 2.5), "integer: low and high must be integers, got 2.5"),
    (lambda: integer(0, 9, log=True), "integer: low must be at least 1 with log=True, got 0"),
    (lambda: found(space={"lr": [0.1], "unit": [3]}), "names 'unit', and the parameters are lr, u"),
    (lambda: found(space={"units": [3]}), "the network needs 'lr', which space does not name"),
    (lambda: found(tried.Nearest(), {"rows": [1]}), "names 'rows', and the parameters are col"),
    (lambda: found(hg.Affine(2), {"x": [1, 2]}), "a function of the parameters that returns"),
    (lambda: found(3), "a function of the parameters that returns a network, or an estimator"),
    (lambda: found(options={"epoch": 3}), "fit has no option 'epoch'; it has accumulate"),
    (lambda: found(options={"validation": 3}), "fit gets 'validation' by itself"),
    (lambda: found(both_fail), "all 6 candidates failed; the first: ValueError: never"),
    (lambda: found(lambda lr, units: 3), "all 6 .* make must return a network, .* got 3"),
    (lambda: found(score="f1"), "no candidate has a score 'f1'; there are loss, accuracy"),
    (lambda: found(candidates=0), "candidates: an integer of at least 1"),
    (lambda: found(method="grid"), "method: one of 'random', 'halving', got 'grid'"),
    (lambda: found(method="halving", epochs=None), "halving shares out epochs"),
    (lambda: found(method="halving", keep=1), "keep must be at least 2"),
    (lambda: found(validation=2.0), "validation: a fraction of 2.0"),
    (lambda: found(path="/nowhere/at/all.json"), "there is no folder /nowhere/at"),
    (lambda: found(processes=0), "processes: an integer of at least 1"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_errors(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("change", ["seed", "candidates", "epochs", "options", "score"])
def test_the_file_of_another_search_is_refused(change, tmp_path):
    path = tmp_path / "search.json"
    found(path=path)
    other = {"seed": 1, "candidates": 7, "epochs": 4, "options": {"batch": 9}, "score": "accuracy"}
    with pytest.raises(ValueError, match="is of a search with another .*; give another path"):
        found(path=path, **{change: other[change]})


@pytest.mark.parametrize("text", ["", "[]", '{"search": {}}', '{"search": {}, "rows": [3]}'])
def test_a_file_of_something_else_is_refused(text, tmp_path):
    path = tmp_path / "search.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="is not the file of a search"):
        found(path=path)
    assert path.read_text() == text
