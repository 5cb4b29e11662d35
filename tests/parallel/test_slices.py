"""Updates that ranks divide among them: the bits of one process, and what is whose afterwards."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import handgrad as hg
from handgrad.compile import slices
from handgrad.compile.binary import why_not
from handgrad.parallel import Shards
from handgrad.parallel.meeting import blocks_of, fold_halves, halves_of
from handgrad.parallel.shards import slice_of
from handgrad.train import EMA, SWA, Call, Callback, DivergenceError, SaveModel, load_checkpoint
from handgrad.train.agreement import Agreement
from handgrad.train.engine import native_engine
from tests.parallel import test_agreement
from tests.parallel.jobs import job, needs_mpi
from tests.parallel.simulated import Simulated, run
from tests.parallel.test_sharded import CASES, LABELS, RULES, X, all_of, assert_same, trainer_of

pytestmark = [
    pytest.mark.skipif(bool(why_not()), reason=why_not()),
    pytest.mark.filterwarnings("ignore:(shards|parallel):UserWarning"),
]


@pytest.fixture(autouse=True)
def _small_networks_too(monkeypatch):
    monkeypatch.setattr(slices, "WORTH", 1)


def layers():
    """427 parameters: seven slices of 64, the last of 43."""
    return hg.Sequential(hg.Affine(23), hg.Tanh(), hg.Affine(9), hg.Tanh(), hg.Affine(5), seed=2)


def native(ranks=None, make=layers, optimizer=hg.Adam, **options):
    options = {"shards": 16, "engine": "native"} | options
    return trainer_of(make(), X, LABELS, ranks, optimizer=optimizer(), **options)


def trained(ranks=None, **options):
    trainer = native(ranks, **options)
    trainer.run()
    assert ranks is None or trainer._engine.program.slices
    return [*all_of(trainer), trainer.network.gradients.copy()]


def frozen():
    network = layers().build(X[:2])
    return network.freeze("2")


def tied():
    return hg.Sequential(hg.Affine(6), twice := hg.Affine(6), hg.Tanh(), twice, hg.Affine(4))


RULES_AND_OPTIONS = {
    "sgd": {"optimizer": lambda: hg.SGD(0.1)},
    "momentum": {"optimizer": lambda: hg.Momentum(0.05, l2=0.01)},
    "nesterov": {"optimizer": lambda: hg.Nesterov(0.05, clip_value=0.01)},
    "lion": {"optimizer": lambda: hg.Lion(0.01, weight_decay=0.1)},
    "adagrad": {"optimizer": lambda: hg.AdaGrad(0.05, lr_scale={"0": 0.5, "2.b": 0.0})},
    "rmsprop": {"optimizer": lambda: hg.RMSProp(hg.optim.StepDecay(0.01, every=2))},
    "adadelta": {"optimizer": lambda: hg.AdaDelta(1.0, decay_on=["4"], l2=0.1)},
    "adamw": {"optimizer": lambda: hg.AdamW(0.01, clip_norm=0.1)},
    "amsgrad": {"optimizer": lambda: hg.AMSGrad(0.01, l2=0.02, clip_norm=0.2)},
    "nadam": {"optimizer": lambda: hg.NAdam(0.01)},
    "radam": {"optimizer": lambda: hg.RAdam(0.01)},
    "frozen": {"make": frozen},
    "tied": {"make": tied},
    "fewer parameters than ranks": {"make": lambda: hg.Sequential(hg.Affine(4, bias=False))},
    "one shard": {"shards": 1},
}  # fmt: skip


@pytest.mark.parametrize("case", RULES_AND_OPTIONS)
def test_who_updates_a_parameter_changes_no_bit(case):
    alone = trained(**RULES_AND_OPTIONS[case])
    for size in (2, 7) if case != "one shard" else (2,):
        for there in run(size, partial(trained, **RULES_AND_OPTIONS[case])):
            assert_same(there, alone)


@pytest.mark.parametrize("case", CASES)
def test_layers_whose_sums_go_on_after_the_exchange(case):
    make, x, t = CASES[case]

    def train(ranks=None):
        trainer = trainer_of(make(), x, t, ranks, engine="native", optimizer=RULES["Adam"]())
        trainer.run()
        return all_of(trainer)

    alone = train()
    for there in run(5, train):
        assert_same(there, alone)


def test_ranks_without_common_memory_update_all_themselves(monkeypatch):
    alone = trained()
    monkeypatch.setattr(Simulated, "common", False)

    def train(ranks):
        trainer = native(ranks)
        trainer.run()
        assert trainer._engine.program.slices is None
        return [*all_of(trainer), trainer.network.gradients.copy()]

    for there in run(3, train):
        assert_same(there, alone)


@pytest.mark.parametrize("average", [None, EMA(0.9), EMA(0.9, every=2), SWA(0.3)])
def test_averages_see_all_slices(average):
    def train(ranks=None):
        seen = []
        look = Call(lambda trainer: seen.append(trainer.network.parameters.copy()))
        made = type(average)(**vars_of(average)) if average else None
        found = trained(ranks, average=made, callbacks=[look], validation=0.2, epochs=3)
        return [*found, *seen] if ranks is None or ranks.rank == 0 else found

    alone = train()
    one, *others = run(3, train)
    assert_same(one, alone)
    for other in others:
        assert_same(other, alone[: len(other)])


def vars_of(average):
    return {k: v for k, v in vars(average).items() if k in ("decay", "start", "every") and v}


@pytest.mark.parametrize("test", [
    test_agreement.test_early_stopping_stops_all_and_brings_back_the_best_weights_everywhere,
    test_agreement.test_a_plateau_lowers_the_learning_rate_of_all_at_the_same_update,
    test_agreement.test_what_callbacks_of_rank_0_change_reaches_all_at_the_same_update,
    partial(test_agreement.test_ctrl_c_on_any_rank_ends_all_at_the_same_update, 2),
])  # fmt: skip
def test_rank_0_decides_as_elsewhere(test, monkeypatch):
    monkeypatch.setattr(test_agreement, "trainer_of", partial(trainer_of, engine="native"))
    test()


@pytest.mark.parametrize("sizes", [(3, 2), (2, 1), (1, 4)])
def test_checkpoints_hold_the_slices_of_all(sizes, tmp_path, monkeypatch):
    monkeypatch.setattr(test_agreement, "trainer_of", partial(trainer_of, engine="native"))
    goes_on = test_agreement.test_another_number_of_ranks_goes_on_to_the_same_bits
    goes_on("dropout", "Adam", 4, sizes, tmp_path)

    def train(ranks=None):
        path = tmp_path / f"{ranks is None}.safetensors"
        trained(ranks, optimizer=hg.AMSGrad, callbacks=[SaveModel(path)], epochs=3)

    train()
    run(3, train)
    files = [load_checkpoint(tmp_path / f"{alone}.safetensors") for alone in (True, False)]
    one, other = (f.training["optimizer"] for f in files)
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(other[name], value)
    assert files[0].network.parameters.tobytes() == files[1].network.parameters.tobytes()


def test_another_optimizer_state_reaches_the_running_program():
    class Puts(Callback):
        def on_step(self, trainer):
            assert "native" in trainer.engine  # asked for on rank 0 alone
            if trainer.step == 2:
                state = trainer.optimizer.state_dict()
                trainer.optimizer.load_state_dict(state | {"m": state["m"] * 2})
                trainer.network.parameters[::3] = 0.5

    one, *others = run(3, partial(trained, callbacks=[Puts()]))
    for other in others:
        assert_same(other, one)
    assert not np.array_equal(one[0], trained()[0])


def test_pauses_between_slices_change_nothing(monkeypatch):
    """A program looks at the clock after about 1 ms of work: here whenever it does, it is time."""
    x = np.random.default_rng(1).normal(size=(640, 400)).astype(np.float32)
    pauses = []
    collect = native_engine.NativeEngine._collect

    def collected(engine, found):
        pauses.append((found, engine.program.updating))
        return collect(engine, found)

    def train(ranks=None):
        network = hg.Sequential(hg.Affine(1000), hg.ReLU(), hg.Affine(4), seed=1)
        trainer = hg.Trainer(network, x, np.arange(640) % 4, parallel=ranks, shards=16, batch=40,
                             epochs=1, engine="native", threads=1, progress=False)  # fmt: skip
        trainer.run()
        return all_of(trainer)

    alone = train()
    monkeypatch.setattr(native_engine, "SLICE", 1e-9)
    monkeypatch.setattr(Agreement, "made", lambda self, count, seconds: vars(self).update(_pace=8))
    monkeypatch.setattr(native_engine.NativeEngine, "_collect", collected)
    for there in run(2, train):
        assert_same(there, alone)
    assert {(1, True), (1, False), (0, False)} <= set(pauses)


@pytest.mark.filterwarnings("ignore:column 5 of x:UserWarning")
@pytest.mark.parametrize("at", [0, 2])
@pytest.mark.parametrize("options", [{}, {"clip_norm": 1.0}], ids=["slices", "the norm"])
def test_a_gradient_that_is_not_finite_in_one_slice_stops_all(at, options):
    """The weights of x₅ are 0, so that the loss stays finite; only their gradients become large,
    and they lie in one slice."""
    x = X[:48].copy()
    x[:, 5] = 0
    x[20 * at : 20 * at + 8, 5] = 3e38

    def train(ranks=None):
        network = layers().build(x[:2])
        network.members[0].W[5] = 0
        network.members[-1].W *= 20
        trainer = hg.Trainer(
            network, x, LABELS[:48], parallel=ranks, batch=20, epochs=3, engine="native",
            shards=16, progress=False, shuffle=False, optimizer=hg.Adam(0.01, **options),
        )  # fmt: skip
        with pytest.raises(DivergenceError) as caught:
            trainer.run()
        state = trainer.optimizer.state.values()
        assert not any(np.shares_memory(a, b) for a in state for b in state if a is not b)
        good, weights = trainer.state.good
        return [network.parameters.copy(), str(caught.value), trainer.step, good, weights]

    alone = train()
    assert alone[2] == at
    assert np.isfinite(alone[0]).all()
    for there in run(4, train):
        assert_same(there, alone)


def test_afterwards_each_rank_has_its_own_arrays():
    def train(ranks):
        trainer = native(ranks)
        trainer.run()
        ranks.barrier()
        if ranks.rank == 0:  # what a rank does alone after a training is its own affair
            for array in (trainer.network.parameters, *trainer.optimizer.state.values()):
                array[:] = 0
        ranks.barrier()
        return all_of(trainer)

    zero, one = run(2, train)
    assert not zero[0].any()
    assert_same(one, trained()[:-1])


def test_numpy_goes_on_with_the_slices_of_all():
    def train(ranks=None):
        trainer = native(ranks, epochs=4)
        trainer.total_steps //= 2
        trainer.run()
        trainer.engine_choice, trainer.total_steps = "numpy", 2 * trainer.total_steps
        trainer.run()
        return all_of(trainer)

    alone = train()
    for there in run(3, train):
        assert_same(there, alone)


@pytest.mark.parametrize("count", [1, 2, 16])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 16, 20])
def test_halves_are_those_of_the_tree(count, size):
    shards, rng = Shards(count), np.random.default_rng(count)
    parts = rng.normal(size=(count, 40)).astype(np.float32)
    nodes = blocks_of(shards, size)
    rows = [[shards.sum([*np.zeros((first, 40), np.float32), *parts[first : first + n],
                         *np.zeros((count - first - n, 40), np.float32)]) for first, n in of]
            for of in nodes]  # fmt: skip
    fold_halves([node for of in nodes for node in of], [row for of in rows for row in of])
    halves = [rows[rank][block] for rank, block in halves_of(shards, size)]
    assert len(halves) == (1 if max(n for of in nodes for _, n in of) == count else 2)
    np.testing.assert_array_equal(sum(halves[1:], start=halves[0]), shards.sum(parts))


@pytest.mark.parametrize("length", [0, 1, 64, 427, 1000])
def test_slices_make_up_all(length):
    for size in (1, 2, 3, 9):
        parts = [slice_of(rank, size, length) for rank in range(size)]
        assert [i for part in parts for i in range(length)[part]] == [*range(length)]


@needs_mpi
@pytest.mark.parametrize("memory", [True, False])
def test_trainings_one_after_the_other_leave_nothing_behind(memory):
    text = f"""
import gc, os
import numpy as np
import handgrad as hg
from handgrad.parallel.mpi import world

def none(name):
    raise OSError("none")

def train(parallel, width, network=None):
    network = network or hg.Sequential(hg.Affine(width), hg.ReLU(), hg.Affine(4), seed=1)
    trainer = hg.Trainer(network, x, t, parallel=parallel, shards=16, batch=30, epochs=2,
                         progress=False, threads=1)
    trainer.run()
    assert bool(trainer._engine.program.slices) == ({memory} and parallel is not None)
    return network

def held():
    gc.collect()
    files = os.listdir("/proc/self/fd")
    return len(files) + open("/proc/self/maps").read().count("memfd:handgrad")

if not {memory}:
    os.memfd_create = none
ranks, digests, counts = world(), [], []
x, t = np.random.default_rng(1).normal(size=(90, 1000)).astype(np.float32), np.arange(90) % 4
for parallel in ranks, None:
    network = train(parallel, 80)
    train(parallel, 80, network)
    for width in 80, 70, 90:
        other = train(parallel, width)
        counts.append(held())
    digests.append([n.parameters.tobytes() for n in (network, other)])
assert digests[0] == digests[1], "bits"
assert max(counts[1:]) <= counts[0], counts
"""
    ended = job(2, "-c", text, HANDGRAD_MPI_SHARED="on")
    assert ended.code == 0, ended.err
