"""Gradients that travel as halves: rounding, feedback, the same bits on any number of ranks."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from click.testing import CliRunner

import handgrad as hg
from handgrad.cli import costing, main
from handgrad.parallel import HALVES, Alone, Feedback, Shards
from handgrad.parallel.cost import Cost
from handgrad.report import Record, replay
from handgrad.report.run import read_run
from handgrad.train import Callback, DivergenceError, SaveModel, load_checkpoint
from tests.parallel.jobs import code, job, needs_mpi
from tests.parallel.simulated import run
from tests.parallel.test_agreement import WholeBatches, interrupted
from tests.parallel.test_sharded import (
    CASES,
    LABELS,
    RULES,
    X,
    all_of,
    assert_same,
    plain,
    trainer_of,
)

KINDS = list(HALVES)
BITS = np.arange(2**16, dtype=np.uint16)


# -- the formats ------------------------------------------------------------------------------


def float16_of(numbers):
    return numbers.astype(np.float16).astype(np.float32)


def bfloat16_of(numbers):
    """The nearer neighbour, of two as near the one whose last bit is 0."""
    below = numbers.view(np.uint32) & 0xFFFF0000
    above = below + 0x10000
    down, up = (n.view(np.float32).astype(float) for n in (below, above))
    near = np.abs(up - numbers) - np.abs(numbers - down)
    return np.where((near > 0) | ((near == 0) & (below >> 16 & 1 == 0)), down, up).astype("f4")


@pytest.mark.parametrize(("kind", "wanted"), [*zip(KINDS, (float16_of, bfloat16_of))])
def test_numbers_are_rounded_to_the_nearest_ties_to_even(kind, wanted, rng):
    half = HALVES[kind]
    every = half.numbers(BITS)
    every = np.sort(every[np.isfinite(every)])
    ties = (every[1:].astype(float) + every[:-1]) / 2
    some = rng.normal(size=50_000) * 10.0 ** rng.integers(-12, 4, 50_000)
    numbers = np.concatenate([every, ties, some]).astype(np.float32)
    assert half.rounded(numbers).tobytes() == wanted(numbers).tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_bits_and_numbers_are_each_others_inverse(kind):
    half = HALVES[kind]
    numbers = half.numbers(BITS)
    finite = np.isfinite(numbers)
    assert numbers[finite].max() == half.largest
    assert (half.bits(numbers[finite]) == BITS[finite]).all()
    assert np.isnan(half.numbers(half.bits(np.array([np.nan, -np.nan], np.float32)))).all()
    if kind == "float16":
        assert numbers[finite].tobytes() == BITS.view(np.float16)[finite].astype("f4").tobytes()


# -- the feedback -----------------------------------------------------------------------------


def summed(feedback, parts):
    tree = feedback.begin()
    for i, part in enumerate(parts):
        tree.add(feedback.leaf(part, i), i)
    return feedback.root(tree, parts[0].size, parts[0].dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_that_rounding_takes_is_lost(kind, dtype, rng):
    """Sums of roots and what waits are those of the shards; each root is the rounded sum."""
    size = 10.0 ** rng.integers(-9, 3, 40_000)
    feedback, total, wanted = Feedback(kind, Shards(8), Alone()), 0.0, 0.0
    for _ in range(20):
        parts = [(size * (1 + rng.random(40_000))).astype(dtype) for _ in range(8)]
        root = summed(feedback, parts)
        assert root.dtype == dtype
        assert (HALVES[kind].rounded(root.astype(np.float32)) == root).all()
        total, wanted = total + root.astype(float), wanted + np.sum(parts, axis=0, dtype=float)
    waits = np.sum(feedback.whole(), axis=0, dtype=float)
    np.testing.assert_allclose(total + waits, wanted, rtol=1e-6 if dtype is np.float32 else 1e-13)
    one = np.sum(parts, axis=0, dtype=float)
    lost = 20 * np.abs(summed(Feedback(kind, Shards(8), Alone()), parts) - one)
    assert np.median(lost / one) > 2 * np.median(np.abs(waits) / one)


def test_numbers_below_the_smallest_half_arrive_in_time():
    feedback, part = Feedback("float16", Shards(2), Alone()), np.full(3, 1e-8, np.float32)
    roots = [summed(feedback, [part, part])[0] for _ in range(60)]
    assert roots[0] == 0
    assert sum(roots) == pytest.approx(60 * 2e-8, rel=0.1)


# -- trainings --------------------------------------------------------------------------------


def everything(trainer):
    """All that must be the same on all ranks, and on rank 0 what waits."""
    waits = trainer.state_dict()["residuals"] if trainer.agreement.leads else ()
    return all_of(trainer), np.array(waits)


@pytest.mark.parametrize(("case", "rule", "options", "sizes"), [
    ("plain", "Adam", {"gradients": "float16"}, (2, 3, 4, 8)),
    ("plain", "SGD", {"gradients": "bfloat16", "engine": "auto"}, (2, 3, 4, 8)),
    ("dropout", "Adam", {"gradients": "float16", "engine": "auto"}, (3,)),
    ("batch norm", "SGD", {"gradients": "bfloat16", "engine": "auto"}, (3,)),
    ("lstm", "Adam", {"gradients": "bfloat16", "engine": "auto"}, (2,)),
    ("plain", "SGD", {"gradients": "float16", "accumulate": 2, "batch": 7}, (5,)),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore:shards:UserWarning")
def test_the_number_of_ranks_changes_no_bit(case, rule, options, sizes):
    make, x, t = CASES[case]

    def train(ranks):
        trainer = trainer_of(make(), x, t, ranks, optimizer=RULES[rule](), **options)
        trainer.run()
        assert f"8 shards, gradients in {options['gradients']}" in trainer.engine
        return everything(trainer)

    (alone, waits) = train(None)
    assert np.abs(waits).max() > 0
    for size in sizes:
        (first, others), *rest = run(size, train)
        assert_same(first, alone)
        assert others.tobytes() == waits.tobytes()
        for there, nothing in rest:
            assert_same(there, alone)
            assert nothing.size == 0


@pytest.mark.parametrize("engine", ["numpy", "auto"])
@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_close_to_those_without(kind, engine):
    found = []
    for gradients in (None, kind):
        trainer = trainer_of(plain(), X, LABELS, optimizer=hg.SGD(0.1), epochs=5, engine=engine,
                             gradients=gradients)  # fmt: skip
        trainer.run()
        found.append(trainer.network.parameters)
    assert 0 < np.abs(found[1] - found[0]).max() < {"float16": 1e-4, "bfloat16": 1e-3}[kind]


def test_half_the_bytes_travel():
    def train(ranks):
        trainer_of(plain(), X, LABELS, ranks, epochs=1, gradients=kind).run()
        return ranks.sent

    count, sent = plain().build(X[:2]).parameters.size, {}
    for kind in (None, *KINDS):
        sent[kind] = run(3, train)
    for rank, before in enumerate(sent[None]):
        rows = len(Shards(8).blocks(*Shards(8).share(rank, 3)))
        others = [n for n in before if n != 4 * count * rows]
        assert len(others) < len(before)
        halves = [2 * count * rows if n == 4 * count * rows else n for n in before]
        assert sent["float16"][rank] == sent["bfloat16"][rank] == halves


# -- going on ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "at", "sizes", "engine"), [
    ("float16", 4, (3, 2), "numpy"), ("bfloat16", 5, (1, 4), "auto"),
    ("bfloat16", 1, (4, 1), "numpy"),
])  # fmt: skip
def test_another_number_of_ranks_goes_on_to_the_same_bits(kind, at, sizes, engine, tmp_path):
    options = {"epochs": 3, "gradients": kind, "engine": engine}

    def straight(ranks):
        trainer = trainer_of(plain(), X, LABELS, ranks, optimizer=hg.Adam(0.01), **options)
        trainer.run()
        return everything(trainer)

    def first(ranks):
        trainer = interrupted(plain, X, LABELS, ranks, at, optimizer=hg.Adam(0.01), **options)
        if ranks.rank == 0:
            SaveModel(tmp_path / "m").write(trainer)
        else:
            with pytest.raises(ValueError, match="each rank has a part of what rounding left out"):
                trainer.state_dict()

    def second(ranks):
        saved = load_checkpoint(tmp_path / "m")
        trainer = trainer_of(saved.network, X, LABELS, ranks, optimizer=hg.Adam(0.01), **options)
        trainer.load_state_dict(saved.training)
        trainer.run()
        return everything(trainer)

    run(sizes[0], first)
    wanted, (found, *_) = straight(None), run(sizes[1], second)
    assert_same(found[0], wanted[0])
    assert found[1].tobytes() == wanted[1].tobytes()


def test_rank_0_has_all_for_a_file_after_an_epoch(tmp_path):
    """As in a training that is killed later; a callback that saves nothing costs nothing."""

    class Keep(Callback):
        only_looks = True

        def saves(self, trainer):
            return trainer.epoch == 2

        def on_epoch(self, trainer):
            kept[trainer.epoch] = trainer.state.whole and trainer.state_dict()
            weights[trainer.epoch] = trainer.network.parameters.copy()

    kept, weights = {}, {}
    options = {"gradients": "float16", "epochs": 3}
    run(3, lambda ranks: trainer_of(plain(), X, LABELS, ranks, callbacks=[Keep()], **options).run())
    assert not kept[1]
    network = plain().build(X)
    network.parameters[...] = weights[2]
    trainer = trainer_of(network, X, LABELS, **options)
    trainer.load_state_dict(kept[2])
    trainer.run()
    assert network.parameters.tobytes() == weights[3].tobytes()
    saved = SaveModel(tmp_path / "m")
    run(2, lambda ranks: trainer_of(plain(), X, LABELS, ranks, callbacks=[saved], **options).run())
    assert load_checkpoint(tmp_path / "m").training["step"] == 9


@pytest.mark.parametrize(("change", "said"), [
    ({"gradients": None}, "gradients: the training to continue had 'float16', this one None; with"),
    ({"gradients": "bfloat16"}, "gradients: the training to continue had 'float16', this one 'bf"),
    ({"residuals": [np.zeros(3, np.float32)]}, "training.residuals must be 15 arrays of 103 fin"),
    ({"residuals": [np.full(103, np.nan, np.float32)] * 15}, "training.residuals must be 15"),
    ({"residuals": 5}, "training.residuals must be a list, got 5"),
])  # fmt: skip
def test_another_format_or_damaged_residuals_cannot_go_on(change, said):
    state = interrupted(plain, X, LABELS, None, 2, gradients="float16").state_dict()
    gradients = change.pop("gradients", "float16")
    trainer = trainer_of(plain().build(X), X, LABELS, gradients=gradients)
    with pytest.raises(ValueError, match=said):
        trainer.load_state_dict(state | change)


# -- what does not fit ------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:the targets:UserWarning")
@pytest.mark.parametrize("engine", ["numpy", "auto"])
def test_a_sum_beyond_float16_is_said_on_all_ranks_and_not_written_into_the_weights(engine):
    x, t = X, np.where(np.arange(len(X)) < 40, 0, 1e5).astype(np.float32)[:, None]

    def train(ranks, kind="float16"):
        network = hg.Sequential(hg.Affine(1))
        trainer = trainer_of(network, x, t, ranks, gradients=kind, shuffle=False, engine=engine,
                             optimizer=hg.SGD(1e-6), loss=hg.MeanSquaredError())  # fmt: skip
        with pytest.raises(DivergenceError) as caught:
            trainer.run()
        return [*all_of(trainer)[:-2], str(caught.value)]

    alone = train(None)
    assert alone[-1].startswith("a gradient, added up over samples, reached ")
    assert "and float16 ends at 65504 (gradients='bfloat16' would not) at step 2" in alone[-1]
    assert np.isfinite(alone[0]).all()
    for there in run(3, train):
        assert_same(there, alone)
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        train(None, "bfloat16")


@pytest.mark.parametrize("kind", KINDS)
def test_divergence_is_said_as_before(kind):
    def train(ranks):
        trainer = trainer_of(plain(), X, LABELS, ranks, gradients=kind, optimizer=hg.SGD(1e38))
        with pytest.raises(DivergenceError, match="finite|the loss became"):
            trainer.run()
        return all_of(trainer)[0]

    alone = train(None)
    assert np.isfinite(alone).all()
    assert all(there.tobytes() == alone.tobytes() for there in run(2, train))


def test_what_is_not_finite_travels_as_nan_and_leaves_nothing_behind():
    feedback = Feedback("float16", Shards(2), Alone())
    part = np.array([np.inf, 1, -1e6, 3e-9], np.float32)
    root = summed(feedback, [part, np.ones(4, np.float32)])
    np.testing.assert_array_equal(root, [np.nan, 2, np.nan, 1])
    assert feedback.beyond == 1e6
    assert all(np.isfinite(waits).all() for waits in feedback.whole())


# -- options ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("options", "said"), [
    ({"gradients": "half", "shards": 4}, "gradients: one of 'float16', 'bfloat16', got 'half'"),
    ({"gradients": "float16"}, "gradients: 'float16' says how the sums of shards travel, and"),
    ({"gradients": "float16", "shards": 4, "optimizer": hg.LBFGS()}, "LBFGS: it compares"),
])  # fmt: skip
def test_bad_options(options, said):
    with pytest.raises(ValueError, match=said):
        hg.Trainer(plain(), X, LABELS, **options).run()


class Sharded(WholeBatches):
    """An engine that knows of shards, and not of halves."""

    sharded = True


def test_an_engine_of_ones_own_must_say_that_it_rounds():
    trainer = trainer_of(plain(), X, LABELS, engine=Sharded(), gradients="float16")
    with pytest.raises(ValueError, match="gradients: Sharded says rounds = False"):
        trainer.run()


def test_ranks_that_are_given_other_formats_are_told_so():
    def train(ranks):
        kind = "bfloat16" if ranks.rank == 2 else "float16"
        trainer_of(plain(), X, LABELS, ranks, gradients=kind).run()

    with pytest.raises(ValueError, match="gradients is 'bfloat16' on rank 2 and 'float16' on ra"):
        run(3, train)


def test_the_record_of_a_training_says_it(tmp_path):
    record = Record(tmp_path, keep=True)
    hg.fit(plain(), X, LABELS, epochs=1, shards=4, gradients="bfloat16", callbacks=[record])
    assert read_run(tmp_path / "run.json")["training"]["gradients"] == "bfloat16"
    assert replay(tmp_path).same


def test_the_commands_take_it(tmp_path, monkeypatch):
    monkeypatch.setattr(costing, "SECONDS", 0.0)
    options = "train", "--net", "64-9-10", "--no-proof", "--epochs", "1", "--out", str(tmp_path)
    halves = "--shards", "4", "--gradients", "float16"
    result = CliRunner().invoke(main, [*options, *halves])
    assert result.exit_code == 0, result.output
    assert "4 shards, gradients in float16" in result.output
    assert load_checkpoint(tmp_path / "model.safetensors").training["gradients"] == "float16"
    result = CliRunner().invoke(main, [*options, *halves[:2], "--resume"])
    assert "gradients: the training to continue had 'float16'" in result.output
    result = CliRunner().invoke(main, [*options, *halves[2:]])
    assert "give shards=16" in result.output
    cost = "cost", "6-4-2", "--batch", "64", "--latency", "20", "--bandwidth", "1", "--most", "8"
    result = CliRunner().invoke(main, [*cost, *halves[2:]])
    assert "gradients travel in float16, half the bytes; to round them takes" in result.output


def test_the_model_of_cost_knows_bytes_and_roundings():
    full = Cost(batch=1600, size=1e6, fixed=1e-3, each=1e-5, latency=0, bandwidth=1e9)
    half = Cost(**{**vars(full), "size": 5e5})
    assert half.exchange(4) == full.exchange(4) / 2
    rounding = Cost(**{**vars(half), "rounding": 1e-3})
    assert rounding.update(1) == half.update(1)
    for ranks, nodes in ((4, 7 + 3 / 4), (16, 1 + 15 / 16), (3, 10 + 6 / 3)):
        assert rounding.exchange(ranks) == pytest.approx(half.exchange(ranks) + 1e-3 * nodes)


# -- processes --------------------------------------------------------------------------------


TRAVELS = (None, "numpy"), ("float16", "numpy"), ("bfloat16", "auto")


def trained(ranks, kind, engine):
    trainer = trainer_of(hg.Sequential(hg.Affine(300), hg.ReLU(), hg.Affine(90), hg.ReLU(),
                                       hg.Affine(4)), X, LABELS, ranks, shards=16, epochs=None,
                         steps=4, gradients=kind, engine=engine)  # fmt: skip
    trainer.run()
    return trainer.network.parameters


@needs_mpi
@pytest.mark.filterwarnings("ignore:shards:UserWarning")
@pytest.mark.parametrize(("processes", "way"), [(3, "off"), (2, "on")])
def test_processes_send_halves_and_get_the_same_bits(processes, way):
    text = """
import hashlib, json
from tests.parallel.test_halves import TRAVELS, trained

class Counts:
    def __init__(self, comm):
        self.comm, self.sent = comm, []

    def __getattr__(self, name):
        return getattr(self.comm, name)

    def Ialltoallv(self, sent, got):
        self.sent.append(("all to all", sent[0].nbytes))
        return self.comm.Ialltoallv(sent, got)

    def Iallgatherv(self, sent, got):
        self.sent.append(("gather", sent[0].nbytes))
        return self.comm.Iallgatherv(sent, got)

if ranks.way == "messages":
    ranks._way._comm = Counts(ranks._way._comm)
found = {}
for kind, engine in TRAVELS:
    weights = trained(ranks, kind, engine)
    digest, sent = hashlib.sha256(weights.tobytes()).hexdigest(), []
    if ranks.way == "messages":
        sent, ranks._way._comm.sent = ranks._way._comm.sent, sent
    found[str(kind)] = digest, weights.size, sent
if ranks.rank == 0:
    print(json.dumps(found))
"""
    ended = job(processes, *code(text), HANDGRAD_MPI_SHARED=way)
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    for kind, engine in TRAVELS:
        digest, count, sent = found[str(kind)]
        assert digest == hashlib.sha256(trained(None, kind, engine).tobytes()).hexdigest()
        if way == "off":
            size = 2 if kind else 4
            assert [n for name, n in sent if name == "all to all"] == 4 * [2 * size * count]
            assert sent.count(["gather", count // 3 * size]) == 4
