"""Adversarial validation: can a network tell the test rows from the training rows, and by what?"""

import numpy as np
from frame import done, of, panels

import handgrad as hg
from handgrad.metrics import roc_auc
from handgrad.train import split

rng = np.random.default_rng(0)
NAMES = ["age", "income", "visits", "clock", "id"]


def rows(n, later):
    """Of a customer table: in the later part incomes have grown, and a counter has gone on."""
    age, visits = rng.normal(40, 12, n), rng.poisson(3, n)
    income = rng.normal(30 + 4 * later, 6, n)
    clock = rng.uniform(0, 24, n)
    return np.stack([age, income, visits, clock, rng.uniform(0, 1, n) + 0.7 * later], axis=1)


def told(train, test):
    """The area under the curve of a network that has to tell both apart, on rows held out."""
    x = np.concatenate([train, test])
    x = ((x - x.mean(axis=0)) / x.std(axis=0)).astype(np.float32)
    t = np.repeat([0, 1], [len(train), len(test)])
    x, t, x_held, t_held = split(x, t)
    network = hg.Sequential(hg.Affine(32), hg.ReLU(), hg.Affine(1), seed=1)
    hg.fit(network, x, t, optimizer=hg.Adam(0.005), epochs=of(15, 4), batch=64, metrics=[])

    def area(x):
        return roc_auc(1 / (1 + np.exp(-network.predict(x)[:, 0].astype(float))), t_held)

    whole = area(x_held)
    falls = []
    for column in range(x.shape[1]):  # how much worse it gets when one column is shuffled
        mixed = x_held.copy()
        mixed[:, column] = rng.permutation(mixed[:, column])
        falls.append(whole - area(mixed))
    return whole, falls


train, test = rows(of(3000, 500), 0), rows(of(3000, 500), 1)
figure, (panel,) = panels(1, width=3.5)
areas, left = [], list(range(5))
for step in range(3):  # take the column away that tells the most, and look again
    area, falls = told(train[:, left], test[:, left])
    areas.append(area)
    panel.bar(np.array(left) + 0.25 * step, falls, 0.25, label=f"{len(left)} columns: {area:.3f}")
    if step < 2:
        gone = left.pop(int(np.argmax(falls)))
        areas.append(NAMES[gone])
panel.set_xticks(np.arange(5) + 0.25, NAMES)
panel.set_title("area lost when a column is shuffled")
panel.legend(frameon=False)
done(
    __file__, figure,
    f"told apart with an area of {areas[0]:.3f}; without {areas[1]} {areas[2]:.3f}; without "
    f"{areas[3]} too {areas[4]:.3f} (0.5: not at all)",
)  # fmt: skip
