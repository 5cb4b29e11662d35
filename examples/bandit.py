"""A contextual bandit: which of four offers will this visitor take? Only the answer to the one that
was made is seen; the policy learns from each at once.

Source: Williams, "Simple statistical gradient-following algorithms for connectionist reinforcement
learning", 1992; the baseline is a second network, of the reward that is to be expected.
"""

import numpy as np

import handgrad as hg

OFFERS, FEATURES, VISITORS = 4, 6, 8_000
rng = np.random.default_rng(0)
taste = rng.normal(size=(FEATURES, OFFERS))  # which nobody knows

policy = hg.online(
    hg.Sequential(hg.Affine(32), hg.ReLU(), hg.Affine(OFFERS)), hg.PolicyGradient(), hg.Adam(0.003)
)
expected = hg.online(
    hg.Sequential(hg.Affine(32), hg.ReLU(), hg.Affine(1)), hg.MeanSquaredError(), hg.Adam(0.003)
)
taken, best = np.zeros(VISITORS), np.zeros(VISITORS)
for visitor in range(VISITORS):
    x = rng.normal(size=FEATURES).astype(np.float32)
    chances = 1 / (1 + np.exp(-2 * x @ taste))
    offer = int(hg.Categorical(policy.predict(x)).sample(rng))
    taken[visitor], best[visitor] = rng.random() < chances[offer], chances.max()
    advantage = taken[visitor] - expected.predict(x)[0]
    policy.update(x, offer, advantage)
    expected.update(x, taken[visitor])

for name, part in (("first", slice(500)), ("last", slice(-2000, None))):
    print(f"of the {name} visitors {taken[part].mean():.0%} took the offer, "
          f"{taken[part].mean() / best[part].mean():.0%} of what is possible")  # fmt: skip
