"""What ranks decide together: rank 0's callbacks, ends, Ctrl-C, errors, and going on elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

import handgrad as hg
from handgrad.optim import Plateau, StepDecay
from handgrad.parallel import Alone
from handgrad.report import Record, replay
from handgrad.train import (
    EMA,
    SWA,
    Call,
    Callback,
    DivergenceError,
    EarlyStopping,
    SaveModel,
    Watch,
    load_checkpoint,
)
from handgrad.train.engine import Engine, Updates
from tests.parallel.simulated import run
from tests.parallel.test_sharded import (
    CASES,
    LABELS,
    RULES,
    X,
    all_of,
    assert_alike_on_all,
    assert_same,
    plain,
    trainer_of,
)


def trained(ranks, **options):
    trainer = trainer_of(plain(), X, LABELS, ranks, **options)
    trainer.run()
    return all_of(trainer)


def test_early_stopping_stops_all_and_brings_back_the_best_weights_everywhere():
    def train(ranks):
        stop = EarlyStopping(2, monitor="loss", min_delta=0.02)
        return trained(ranks, epochs=50, callbacks=[stop], optimizer=hg.Adam(0.03))

    *_, stopped, _ = assert_alike_on_all(train, [3])
    assert "has not improved" in stopped


def test_a_plateau_lowers_the_learning_rate_of_all_at_the_same_update():
    def train(ranks):
        rule = hg.SGD(Plateau(0.5, patience=0, factor=0.5))
        return trained(ranks, optimizer=rule, validation=(X[:9], LABELS[:9]), epochs=6)

    columns = assert_alike_on_all(train, [2])[-4]
    assert len(set(columns["lr"])) > 1


@pytest.mark.parametrize("average", [EMA(0.9), SWA(0.3, every=2)], ids=["EMA", "SWA"])
def test_averages_of_the_weights_are_kept_on_all(average):
    assert_alike_on_all(lambda ranks: trained(ranks, average=type(average)(), epochs=4), [2])


def test_the_doctor_and_the_record_look_on_rank_0_and_change_nothing(tmp_path):
    def train(ranks, **options):
        return trained(ranks, epochs=4, **options)

    def watched(ranks):
        watch = Watch(show=False)
        seen = train(ranks, callbacks=[Record(tmp_path, keep=True)], watch=watch)
        return seen, hasattr(watch, "seconds")

    alone = train(None)
    looked = run(3, watched)
    assert [looked for _, looked in looked] == [True, False, False]
    for seen, _ in looked:
        assert_same(seen, alone)
    assert replay(tmp_path, progress=False).same  # by one process


def test_a_schedule_that_a_callback_puts_in_cannot_reach_the_other_ranks():
    def meddle(trainer):
        trainer.optimizer.lr = Plateau(0.1)

    with pytest.raises(ValueError, match="on rank 0 a callback put a Plateau in the place of a St"):
        run(2, lambda ranks: trained(ranks, callbacks=[Call(meddle)],
                                     optimizer=hg.SGD(StepDecay(0.1, every=3))))  # fmt: skip


class Meddles(Callback):
    """Changes weights, the learning rate and the state of the optimizer, and stops at an update."""

    def on_step(self, trainer):
        if trainer.step == 2:
            trainer.network.parameters[:5] = 0
            trainer.optimizer.lr = 0.2
            trainer.optimizer.state["m"][:] *= 0.5
        if trainer.step == 5:
            trainer.stop("enough")


def test_what_callbacks_of_rank_0_change_reaches_all_at_the_same_update():
    def train(ranks):
        return trained(ranks, callbacks=[Meddles()], optimizer=hg.Adam(0.01), epochs=4)

    *_, step, stopped, _ = assert_alike_on_all(train, [3])
    assert (step, stopped) == (5, "enough")
    assert not np.array_equal(train(None)[0], trained(None, optimizer=hg.Adam(0.01), steps=5,
                                                      epochs=None)[0])  # fmt: skip


def test_rank_0_alone_validates_calls_back_writes_and_shows(tmp_path, capsys):
    told = []

    def metric(y, t):
        told.append("metric")
        return 0.5

    metric.whole = True

    def train(ranks):
        callbacks = [Call(lambda trainer: told.append(trainer.epoch)), SaveModel(tmp_path / "m")]
        return trained(ranks, callbacks=callbacks, metrics=[metric], progress=ranks.rank == 0,
                       validation=0.2)  # fmt: skip

    alike = run(4, train)
    assert told == ["metric", "metric", 1, "metric", "metric", 2]
    assert alike[3][-4]["metric"] == [0.5, 0.5]
    assert capsys.readouterr().err.count("running: NumPy, 8 shards, 4 ranks") == 1
    assert load_checkpoint(tmp_path / "m").training["shards"] == 8


@pytest.mark.parametrize("rank", [0, 2])
def test_ctrl_c_on_any_rank_ends_all_at_the_same_update(rank):
    def train(ranks):
        trainer = trainer_of(plain(), X, LABELS, ranks, epochs=2000)
        if ranks.rank == rank:
            trainer.state.optimizer.observe = lambda value: trainer._interrupt()  # mid-training
        with pytest.raises(KeyboardInterrupt):
            trainer.run()
        return all_of(trainer)

    one, *others = run(3, train)
    assert one[-2] == "interrupted"
    for other in others:
        assert_same(other, one)


def interrupted(make, x, t, ranks, at, **options):
    """A training that a Ctrl-C ended at an update."""

    class At(Callback):
        def on_step(self, trainer):
            if trainer.step == at:
                trainer._interrupt()

    trainer = trainer_of(make(), x, t, ranks, callbacks=[At()], **options)
    with pytest.raises(KeyboardInterrupt):
        trainer.run()
    assert trainer.step == at
    return trainer


@pytest.mark.parametrize(("case", "rule", "at", "sizes"), [
    ("plain", "SGD", 1, (1, 8)), ("plain", "Adam", 4, (4, 3)), ("dropout", "Adam", 5, (2, 1)),
    ("both", "Adam", 4, (3, 2)), ("batch norm", "SGD", 5, (2, 3)), ("lstm", "Adam", 1, (1, 4)),
])  # fmt: skip
def test_another_number_of_ranks_goes_on_to_the_same_bits(case, rule, at, sizes, tmp_path):
    make, x, t = CASES[case]

    def train(ranks):
        trainer = trainer_of(make(), x, t, ranks, optimizer=RULES[rule](), epochs=3)
        trainer.run()
        return all_of(trainer)

    def first(ranks):
        trainer = interrupted(make, x, t, ranks, at, optimizer=RULES[rule](), epochs=3)
        if ranks.rank == 0:
            SaveModel(tmp_path / "m").write(trainer)

    def second(ranks):
        saved = load_checkpoint(tmp_path / "m")
        trainer = trainer_of(saved.network, x, t, ranks, optimizer=RULES[rule](), epochs=3,
                             callbacks=[Callback()])  # fmt: skip
        trainer.load_state_dict(saved.training)
        trainer.run()
        return all_of(trainer)

    whole = train(None)
    run(sizes[0], first)
    for there in run(sizes[1], second):
        assert_same(there, whole)


@pytest.mark.parametrize(("options", "said"), [
    ({"shards": 16}, "shards: the training to continue had 8, this one 16; with shards=8"),
    ({"shards": None}, "shards: the training to continue had 8, this one None"),
    ({"batch_norm": "shard"}, "batch_norm: the training to continue had 'global', this one 's"),
])  # fmt: skip
def test_other_shards_cannot_go_on(options, said):
    state = interrupted(plain, X, LABELS, None, 2).state_dict()
    with pytest.raises(ValueError, match=said):
        trainer_of(plain().build(X), X, LABELS, **options).load_state_dict(state)


def test_checkpoints_from_before_shards_go_on_without():
    state = interrupted(plain, X, LABELS, None, 2, shards=None).state_dict()
    assert not {"shards", "batch_norm"} & state.keys()
    trainer_of(plain().build(X), X, LABELS, shards=None).load_state_dict(state)
    with pytest.raises(ValueError, match="shards: the training to continue had None, this one 8"):
        trainer_of(plain().build(X), X, LABELS).load_state_dict(state)


def test_divergence_is_met_by_all_ranks_and_leaves_the_same_good_weights():
    def train(ranks):
        trainer = trainer_of(plain(), X, LABELS, ranks, epochs=200, optimizer=hg.SGD(0.1),
                             shards=2)  # fmt: skip
        trainer.state.optimizer.lr = lambda step: 0.1 if step < 60 else 1e38
        with pytest.raises(DivergenceError) as caught:
            trainer.run()
        return [*all_of(trainer)[:-2], str(caught.value)]

    alone = assert_alike_on_all(train, [2])
    assert "it began in" in alone[-1]
    assert np.isfinite(alone[0]).all()


def test_lbfgs_sees_sharded_gradients_and_levenberg_marquardt_is_refused():
    def train(ranks):
        return trained(ranks, optimizer=hg.LBFGS(), batch=53, epochs=5)

    assert_alike_on_all(train, [3])
    with pytest.raises(ValueError, match=r"LevenbergMarquardt: its Jacobian .* use shards=None"):
        trained(None, optimizer=hg.LevenbergMarquardt(), batch=53, epochs=2,
                loss=hg.MeanSquaredError())  # fmt: skip


class OwnLoss:
    """A mean over samples, without a base class or a denominator."""

    def forward(self, y, t):
        self.y, self.t = y, t
        return ((y[:, 0] - t) ** 2).mean()

    def backward(self):
        dy = np.zeros_like(self.y)
        dy[:, 0] = 2 * (self.y[:, 0] - self.t) / len(self.y)
        return dy


class Ignoring(OwnLoss):
    """Says its denominator, which may be 0."""

    def forward(self, y, t):
        kept = t < 0.5
        self.denominator = kept.sum()
        self.dy = np.zeros_like(y)
        self.dy[kept, 0] = 2 * (y[kept, 0] - t[kept]) / self.denominator
        return ((y[kept, 0] - t[kept]) ** 2).mean() if kept.any() else np.nan

    def backward(self):
        return self.dy


class Mean(hg.layers.Loss):
    """Of the base class, and divides by the number of samples itself."""

    def forward(self, y, t):
        self.dy = np.zeros_like(y)
        self.dy[:, 0] = np.sign(y[:, 0] - t) / len(y)
        return np.abs(y[:, 0] - t).mean()

    def backward(self, dloss=1.0):
        return dloss * self.dy, None


class OwnRule:
    """Momentum."""

    def __init__(self):
        self.v, self.lr = {}, 0.05

    def update(self, params, grads):
        for name, p in params.items():
            self.v[name] = 0.9 * self.v.get(name, 0) + grads[name]
            p -= self.lr * self.v[name]


class Halves:
    """A layer without a base class."""

    def forward(self, x):
        return x / 2

    def backward(self, dy):
        return dy / 2


@pytest.mark.parametrize("loss", [OwnLoss, Ignoring, Mean])
def test_losses_layers_and_rules_of_ones_own(loss):
    def train(ranks, **options):
        network = hg.Sequential(hg.Affine(9), Halves(), hg.Tanh(), hg.Affine(1))
        trainer = trainer_of(network, X, X[:, 0], ranks, loss=loss(), optimizer=OwnRule(),
                             **options)  # fmt: skip
        trainer.run()
        return all_of(trainer)

    alone = assert_alike_on_all(train, [3])
    whole = train(None, shards=None)
    np.testing.assert_allclose(alone[0], whole[0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(alone[-4]["loss"], whole[-4]["loss"], rtol=1e-5)
    assert whole[-4]["loss"][0] > 0.1


def test_augmentation_is_numbered_by_batch_and_shard():
    seen = []

    def augment(x, number):
        seen.append((number, len(x)))
        return x + np.float32(number / 100)

    trained(None, augment=augment, shards=4, batch=23, epochs=1)
    sizes = [6, 6, 5, 6] * 2 + [1, 2, 2, 2]
    assert [n for n, _ in seen] == list(range(12))
    assert sum(size for _, size in seen) == 53 == sum(sizes)
    assert_alike_on_all(lambda ranks: trained(ranks, augment=augment), [2])


@pytest.mark.parametrize("rank", [0, 1])
def test_an_error_of_one_rank_is_waited_for_by_nobody(rank):
    def train(ranks):
        def augment(x, number):
            if ranks.rank == rank and number > 20:
                raise ZeroDivisionError("mine")
            return x

        return trained(ranks, augment=augment, average=EMA(0.9), validation=0.2)

    with pytest.raises(ZeroDivisionError, match="mine"):
        run(2, train)


def test_ranks_that_are_given_different_things_are_told_so_before_the_first_update():
    def train(ranks):
        x = X + (ranks.rank == 2)
        return trainer_of(plain(), x, LABELS, ranks).run()

    with pytest.raises(ValueError, match=r"same, but x is .* on rank 2 and .* on rank 0"):
        run(3, train)


@pytest.mark.parametrize(("options", "said"), [
    ({"shards": 12}, "shards: a power of two up to 4096, such as 8 or 16, is needed, got 12"),
    ({"batch_norm": "local"}, "batch_norm: one of 'global', 'shard', got 'local'"),
    ({"parallel": "threads"}, "parallel: 'mpi', an object of Ranks, or None is needed, got 'thr"),
])  # fmt: skip
def test_bad_options(options, said):
    with pytest.raises(ValueError, match=said):
        hg.Trainer(plain(), X, LABELS, **options)


def test_parallel_means_16_shards():
    with pytest.warns(UserWarning, match="a batch of 8 samples leaves 8 of 16 shards empty"):
        trainer = hg.Trainer(plain(), X, LABELS, parallel=Alone(), batch=8)
    assert trainer.state.shards == 16


def test_idle_ranks_are_said_once():
    def train(ranks):
        return trained(ranks, shards=4, epochs=1)

    with pytest.warns(UserWarning, match="of 6 ranks 2 have nothing to compute") as caught:
        run(6, train)
    assert len(caught) == 1
    assert "4 ranks, or shards=8, would do" in str(caught[0].message)


def test_a_stateful_layer_has_no_state_for_a_shard():
    network = hg.Sequential(hg.Embedding(9, 6), hg.LSTM(7, stateful=True), hg.Affine(9))
    with pytest.raises(ValueError, match=r"shards: layer 1 \(LSTM\) is stateful, and a shard has"):
        trainer_of(network, *CASES["lstm"][1:])


class WholeBatches(Engine):
    """An engine that knows nothing of shards."""

    def advance(self, limit):
        return Updates()

    def describe(self):
        return "whole batches"


def test_an_engine_of_ones_own_must_say_that_it_computes_shards():
    trainer = trainer_of(plain(), X, LABELS, engine=WholeBatches())
    with pytest.raises(ValueError, match="shards: WholeBatches says sharded = False"):
        trainer.run()
