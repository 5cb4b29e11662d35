"""House prices: a table with gaps and words, a network on logarithms, and an interval of 80%."""

import numpy as np
from frame import done, of, panels

import handgrad as hg

rng = np.random.default_rng(0)
DISTRICTS = ["centre", "harbour", "hills", "suburb", "village"]


def houses(n):
    """Area, rooms, age (missing in some), garden, district; the price has a wide right tail."""
    area, age = rng.gamma(9, 13, n), rng.uniform(0, 100, n)
    rooms, garden = (
        np.clip(np.round(area / 28 + rng.normal(0, 0.8, n)), 1, 9),
        rng.integers(0, 2, n),
    )
    where = rng.integers(0, 5, n)
    level = np.array([0.6, 0.45, 0.3, 0.0, -0.3])[where]
    old = np.where(where == 0, 0.2, -0.4) * (age / 100)  # old is dear in the centre alone
    noise = rng.normal(0, 0.08 + 0.12 * (age / 100), n)  # old houses differ more
    price = np.exp(7.2 + np.log(area) + 0.03 * rooms + 0.1 * garden + level + old + noise)
    age = np.where(rng.random(n) < 0.1, np.nan, age)
    return np.stack([area, rooms, age, garden], axis=1), where, price


def columns(numbers, where):
    """What a network can read: gaps filled and told of, words as zeros and ones, equal scales."""
    gap = np.isnan(numbers[:, 2])
    filled = np.where(np.isnan(numbers), middle, numbers)
    scaled = (filled - mean) / spread
    return np.column_stack([scaled, gap, np.eye(len(DISTRICTS))[where]]).astype(np.float32)


(numbers, where, price), (numbers_test, where_test, price_test) = (
    houses(of(6000, 600)),
    houses(1000),
)
middle = np.nanmedian(numbers, axis=0)
mean, spread = np.nanmean(numbers, axis=0), np.nanstd(numbers, axis=0)
x, x_test = columns(numbers, where), columns(numbers_test, where_test)
t, t_test = (np.log(p)[:, None].astype(np.float32) for p in (price, price_test))
level, deviation = t.mean(), t.std()
network = hg.Sequential(hg.Affine(64), hg.ReLU(), hg.Affine(64), hg.ReLU(), hg.Affine(3), seed=1)
hg.fit(network, x, np.repeat((t - level) / deviation, 3, axis=1), loss=hg.Quantile((0.1, 0.5, 0.9)),
       optimizer=hg.Adam(0.002), epochs=of(30, 3), batch=64, metrics=[])  # fmt: skip
low, said, high = np.exp(network.predict(x_test) * deviation + level).T
w = np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), t, rcond=None)[0]
linear = np.exp(np.column_stack([x_test, np.ones(len(x_test))]) @ w)[:, 0]
error, plain = (np.median(np.abs(p / price_test - 1)) for p in (said, linear))
covered = np.mean((low < price_test) & (price_test < high))
figure, axes = panels(2, width=3.2, height=2.6)
axes[0].loglog(price_test, said, ".", ms=2)
axes[0].set(title="price, and what the network says")
ages = numbers_test[:, 2]
order = np.argsort(ages)[: -np.isnan(ages).sum()]  # gaps come last
axes[1].plot(*(np.convolve(a[order], np.ones(50) / 50, "valid") for a in (ages, high / low)))
axes[1].set(title="width of the interval (high / low)", xlabel="age")
done(
    __file__, figure,
    f"median error {error:.1%}, of a linear model {plain:.1%}; {covered:.0%} of the prices lie in "
    "the interval of 80%",
)  # fmt: skip
