"""L-BFGS and Levenberg-Marquardt: the minima of SciPy, on both engines, and going on."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.optim import LBFGS, LevenbergMarquardt
from handgrad.optim.full_batch import Point
from handgrad.optim.lbfgs import C1, C2, line_search
from handgrad.train import Trainer, accuracy, roc_auc

scipy = pytest.importorskip("scipy.optimize", reason="SciPy, the peer, is not installed")


def classes(n=120):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 4))
    return x, rng.integers(0, 3, n) * (x[:, 0] > -0.5), rng.uniform(0.2, 3, n)


def curve(n=60):
    rng = np.random.default_rng(1)
    x = rng.uniform(-2, 2, (n, 1))
    t = np.concatenate([np.sin(2 * x), x**2], axis=1) + 0.1 * rng.normal(size=(n, 2))
    return x, t, rng.uniform(0.2, 3, n)


def small(dtype=np.float64):
    return hg.Sequential(hg.Affine(3), hg.Tanh(), hg.Affine(2), seed=3, dtype=dtype)


def objective(network, loss, x, t, w, l2):
    """The loss with its penalty as a function of the parameters, for SciPy."""
    network.build(x)
    decays = np.concatenate([np.full(j - i, len(s) > 1) for _, i, j, s in network.layout])

    def at(p):
        network.parameters[...] = p
        value = float(loss.forward(network.forward(x), t, w))
        network.backward(loss.backward()[0])
        penalty = l2 / 2 * (p[decays] ** 2).sum()
        return value + penalty, network.gradients.astype(float) + l2 * p * decays

    return at


class Function:
    """A problem without a network."""

    def __init__(self, function, x):
        self.function, self.count, self.now = function, 0, None
        self.now = self.at(np.array(x, float))

    def start(self):
        return self.now

    def at(self, x):
        self.count += 1
        return Point(x, *self.function(x))

    def accept(self, point):
        self.now = point


def minimized(function, x, **options):
    problem, rule = Function(function, x), LBFGS(**options)
    while not rule.finished and rule.steps < 500:
        rule.improve(problem)
    return problem, rule


def test_functions_without_a_network_as_scipy():
    rng = np.random.default_rng(0)
    A = rng.normal(size=(30, 30))
    A, b = A @ A.T + np.diag(np.logspace(-1, 3, 30)), rng.normal(size=30)

    def quadratic(x):
        return x @ A @ x / 2 - b @ x, A @ x - b

    def rosenbrock(x):
        return scipy.rosen(x), scipy.rosen_der(x)

    for function, x, best in ((quadratic, np.zeros(30), np.linalg.solve(A, b)),
                              (rosenbrock, np.full(8, -1.2), np.ones(8))):  # fmt: skip
        problem, rule = minimized(function, x, gtol=1e-8, ftol=0.0)
        peer = scipy.minimize(function, x, jac=True, method="L-BFGS-B",
                              options={"gtol": 1e-8, "ftol": 0, "maxcor": 10})  # fmt: skip
        np.testing.assert_allclose(problem.now.x, best, rtol=1e-6, atol=1e-7)
        assert rule.steps <= 1.3 * peer.nit
        assert problem.count <= 1.5 * peer.nfev


@pytest.mark.parametrize("first", [1e-6, 0.3, 1.0, 50.0])
def test_a_step_fulfils_the_strong_wolfe_conditions(first):
    rng = np.random.default_rng(2)
    for _ in range(20):
        x = rng.normal(size=4)
        now = Point(x, float(scipy.rosen(x)), scipy.rosen_der(x))
        d = -now.gradient * rng.uniform(0.5, 2, 4)
        found = line_search(lambda a, x=x, d=d: Point(
            x + a * d, float(scipy.rosen(x + a * d)), scipy.rosen_der(x + a * d)
        ), now, d, first, 60)  # fmt: skip
        a = (found.x - x)[0] / d[0]
        assert found.value <= now.value + C1 * a * (now.gradient @ d)
        assert abs(found.gradient @ d) <= C2 * abs(now.gradient @ d)


def test_a_loss_that_is_no_number_on_the_way_is_stepped_back_from():
    def function(x):  # infinite beyond 1
        with np.errstate(all="ignore"):
            value = -np.log1p(-x[0]) - 3 * x[0]
        ok = np.isfinite(value)
        return (float(value), np.array([1 / (1 - x[0]) - 3])) if ok else (np.inf, np.zeros(1))

    problem, _ = minimized(function, [-50.0], gtol=1e-9)
    assert problem.now.x[0] == pytest.approx(2 / 3)


@pytest.mark.parametrize("l2", [0.03, 0.5])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_convex_loss_has_the_minimum_of_scipy(weighted, l2):
    x, t, w = classes()
    w = w if weighted else None
    network = hg.Sequential(hg.Affine(3), dtype=np.float64, seed=0).build(x)
    start = network.parameters.copy()
    history = hg.fit(network, x, t, optimizer=LBFGS(l2=l2, gtol=1e-8, ftol=0.0), epochs=200,
                     sample_weights=w)  # fmt: skip
    found = network.parameters.copy()
    at = objective(network, hg.SoftmaxCrossEntropy(), x, t, w, l2)
    peer = scipy.minimize(at, start, jac=True, method="L-BFGS-B",
                          options={"gtol": 1e-8, "ftol": 0})  # fmt: skip
    assert at(found)[0] == pytest.approx(peer.fun, rel=1e-12)
    W = slice(*network.layout[0][1:3])
    np.testing.assert_allclose(found[W], peer.x[W], rtol=1e-4, atol=1e-6)
    assert "no element of the gradient is larger" in history.stopped
    assert len(history) <= 1.3 * peer.nit
    assert np.all(np.diff(history["loss"]) < 0)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", [hg.MeanSquaredError(), hg.SumSquaredError()])
@pytest.mark.parametrize("l2", [0.0, 0.01])
def test_least_squares_as_scipy(weighted, loss, l2):
    x, t, w = curve(30)
    w = w if weighted else None
    network = small().build(x)
    if (
        not l2
    ):  # without a penalty, weights that fit best may have no bound: near those of a network
        t = network.predict(x) + t / 50
        network.parameters[...] *= 1.3
    start = network.parameters.copy()
    hg.fit(network, x, t, loss=loss, optimizer=LevenbergMarquardt(l2=l2), epochs=100,
           sample_weights=w)  # fmt: skip
    found, at = network.parameters.copy(), objective(network, loss, x, t, w, l2)
    u = np.ones(len(x)) if w is None else w
    scale = np.sqrt(u / 2 if loss.divisor(1, 1) == 1 and isinstance(loss, hg.SumSquaredError)
                    else u / (2 * u.sum()))[:, None]  # fmt: skip
    decays = np.concatenate([np.full(j - i, len(s) > 1) for _, i, j, s in network.layout])

    def residuals(p):
        network.parameters[...] = p
        r = scale * (network.forward(x) - t)
        return np.concatenate([r.ravel(), np.sqrt(l2 / 2) * p[decays]])

    peer = scipy.least_squares(residuals, start, method="lm", xtol=1e-12, ftol=1e-12, gtol=1e-12)
    assert at(found)[0] <= 2 * peer.cost * (1 + 1e-6)
    assert 2 * peer.cost == pytest.approx(at(peer.x)[0], rel=1e-9)  # it is the same problem
    assert np.abs(at(found)[1]).max() < 1e-5


def trainer(rule, engine="numpy", epochs=12, network=None, **options):
    x, t, w = curve()
    network = small(np.float32 if engine == "auto" else np.float64) if network is None else network
    return Trainer(network, x, t, optimizer=rule, epochs=epochs, engine=engine, sample_weights=w,
                   **options)  # fmt: skip


@pytest.mark.parametrize("make", [LBFGS, LevenbergMarquardt])
def test_both_engines_go_the_same_way(make):
    losses, weights = [], []
    for engine in ("numpy", "auto"):
        run = trainer(make(l2=1e-3), engine, 8, network=small(np.float32))
        losses.append(run.run()["loss"])
        weights.append(run.network.parameters)
        assert len(losses[-1]) == run.optimizer.steps == 8
    np.testing.assert_allclose(*losses, rtol=1e-3)
    np.testing.assert_allclose(*weights, rtol=0.05, atol=0.02)


@pytest.mark.parametrize("engine", ["numpy", "auto"])
@pytest.mark.parametrize("make", [lambda: LBFGS(memory=3), LevenbergMarquardt])
def test_going_on_gives_the_same_bits(make, engine):
    def with_statistics():
        return hg.Sequential(hg.Affine(3), hg.BatchNorm(), hg.Tanh(), hg.Affine(2), seed=3)

    whole = trainer(make(), engine, network=with_statistics())
    whole.run()
    first = trainer(make(), engine, 5, network=with_statistics())
    first.run()
    second = trainer(make(), engine, network=first.network)
    second.load_state_dict(first.state_dict())
    second.run()
    np.testing.assert_array_equal(second.network.parameters, whole.network.parameters)
    for name in ("running_mean", "running_var"):
        a, b = (getattr(run.network.layers[1], name) for run in (whole, second))
        np.testing.assert_array_equal(a, b)
    assert second.history["loss"] == whole.history["loss"]


def test_frozen_parameters_stay_and_parts_of_the_data_are_summed():
    x, t, w = curve()
    found = []
    for options in ({}, {"batch": 7, "accumulate": 9}):
        network = small().build(x).freeze("0")
        before = network.parameters[: network.layout[1][2]].copy()
        hg.fit(network, x, t, optimizer=LBFGS(l2=0.01), epochs=6, sample_weights=w, **options)
        np.testing.assert_array_equal(network.parameters[: network.layout[1][2]], before)
        found.append(network.parameters)
    np.testing.assert_allclose(*found, rtol=1e-9)


def test_metrics_and_validation_are_recorded():
    x, t, _ = classes()
    t = np.minimum(t, 1)
    network = hg.Sequential(hg.Affine(2), seed=0)
    history = hg.fit(network, x, t, optimizer=LBFGS(l2=0.01), metrics=[accuracy, roc_auc],
                     validation=(x, t))  # fmt: skip
    assert history["val_roc_auc"] == history["roc_auc"]
    assert history["val_accuracy"][:-1] == pytest.approx(history["accuracy"][1:])
    assert history["accuracy"][-1] > history["accuracy"][0]


def options(**given):
    return lambda: hg.fit(small(), *curve()[:2], **{"optimizer": LBFGS(), **given})


BAD = [
    (options(batch=10), "LBFGS: an update takes all data as they are; use batch=60"),
    (options(augment=lambda x, n: x), "LBFGS: .* use augment=None"),
    (lambda: LBFGS(memory=0), "LBFGS: memory must be an integer of at least 1, got 0"),
    (lambda: LBFGS(gtol=-1), "LBFGS: gtol must be a number"),
    (lambda: LevenbergMarquardt(damping=-1), "LevenbergMarquardt: damping must be"),
    (lambda: LBFGS().update({"W": np.ones(2)}, {"W": np.ones(2)}), "LBFGS: it has to ask for"),
    (options(optimizer=LevenbergMarquardt(), loss=hg.Huber()),
     "LevenbergMarquardt: the loss must be MeanSquaredError or SumSquaredError, got Huber"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_options(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("engine", ["numpy", "auto"])
def test_a_random_loss_is_refused(engine):
    x, t, _ = curve()
    network = hg.Sequential(hg.Affine(9), hg.Dropout(0.5), hg.Affine(2), seed=0)
    with pytest.raises(ValueError, match="function of the weights alone, and is .* leave out"):
        hg.fit(network, x, t, optimizer=LBFGS, engine=engine)


@pytest.mark.parametrize("engine", ["numpy", "auto"])
def test_a_start_that_is_not_finite_is_named(engine):
    x, t, _ = curve()
    network = small(np.float32).build(x)
    network.layers[2].W[...] = np.nan
    with pytest.raises(hg.DivergenceError, match="layer 2"):
        hg.fit(network, x, t, optimizer=LBFGS, engine=engine)
