"""Proximal policy optimization: a policy and a value learn to balance eight poles at once.

Sources: Schulman et al., "Proximal policy optimization algorithms", 2017; the advantages are those
of "High-dimensional continuous control using generalized advantage estimation", ICLR 2016.
"""

import numpy as np
from cart_pole import CartPoles, lengths

import handgrad as hg

POLES, HORIZON, ROUNDS, EPOCHS, BATCH = 8, 128, 20, 6, 256
DISCOUNT, SMOOTHING, CLIP = 0.98, 0.95, 0.2


def make(outputs):
    return hg.Sequential(hg.Affine(64), hg.Tanh(), hg.Affine(outputs), seed=outputs)


rng, carts = np.random.default_rng(0), CartPoles(POLES)
policy = hg.online(make(2), hg.PolicyGradient(), hg.Adam(0.003, clip_norm=0.5))
value = hg.online(make(1), hg.MeanSquaredError(), hg.Adam(0.005))

for _ in range(ROUNDS):
    states, nexts = np.zeros((2, HORIZON, POLES, 4), np.float32)
    pushes, logs = np.zeros((HORIZON, POLES), int), np.zeros((HORIZON, POLES), np.float32)
    fallen, ended = np.zeros((2, HORIZON, POLES), bool)
    for step in range(HORIZON):
        states[step] = carts.state
        chance = hg.Categorical(policy.predict(states[step]))
        pushes[step] = chance.sample(rng)
        logs[step] = chance.log_prob(pushes[step])
        nexts[step], fallen[step], old = carts.push(pushes[step])
        ended[step] = fallen[step] | old

    now, then = (value.predict(s.reshape(-1, 4)).reshape(HORIZON, POLES) for s in (states, nexts))
    surprise = 1 + DISCOUNT * np.where(fallen, 0, then) - now
    advantage, later = np.zeros_like(now), np.zeros(POLES)
    for step in reversed(range(HORIZON)):
        later = surprise[step] + DISCOUNT * SMOOTHING * np.where(ended[step], 0, later)
        advantage[step] = later
    x, a, before = states.reshape(-1, 4), pushes.reshape(-1), logs.reshape(-1)
    returns, A = (advantage + now).reshape(-1, 1), advantage.reshape(-1)
    A = (A - A.mean()) / A.std()

    for _ in range(EPOCHS):
        order = rng.permutation(len(x))
        for i in np.split(order, len(x) // BATCH):
            ratio = np.exp(hg.Categorical(policy.predict(x[i])).log_prob(a[i]) - before[i])
            far = np.where(A[i] > 0, ratio > 1 + CLIP, ratio < 1 - CLIP)
            policy.update(x[i], a[i], np.where(far, 0, A[i] * ratio))
            value.update(x[i], returns[i])

stood = lengths(lambda now: policy.predict(now).argmax(axis=1))
print(f"after {ROUNDS * HORIZON * POLES:,} steps a pole stands for {stood.mean():.0f} of 500 steps")
