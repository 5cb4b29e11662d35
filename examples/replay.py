"""Q-learning from replayed experience: a network learns to balance a pole, one step at a time.

Sources: Mnih et al., "Human-level control through deep reinforcement learning", Nature 2015; van
Hasselt, Guez & Silver, "Deep reinforcement learning with double Q-learning", AAAI 2016.
"""

import numpy as np
from cart_pole import CartPoles, lengths

import handgrad as hg
from handgrad.optim import CosineDecay

STEPS, MEMORY, BATCH, DISCOUNT, FOLLOW = 5_000, 10_000, 64, 0.98, 0.01


def make():
    return hg.Sequential(hg.Affine(64), hg.Tanh(), hg.Affine(64), hg.Tanh(), hg.Affine(2))


rng, carts = np.random.default_rng(0), CartPoles(1)
learner = hg.online(make(), hg.Huber(), hg.Adam(CosineDecay(0.003, steps=STEPS)))
older = hg.online(make())  # what the targets are computed with: a mean of its weights
states, nexts = np.zeros((2, MEMORY, 4), np.float32)
pushes, fallen = np.zeros(MEMORY, int), np.zeros(MEMORY, bool)
every = np.arange(BATCH)

for network in (learner.network, older.network):
    network.build(carts.state)  # with the same weights

for step in range(STEPS):
    at, state = step % MEMORY, carts.state[0].astype(np.float32)
    curious = rng.random() < max(0.02, 1 - step / 3000)
    push = rng.integers(2) if curious else learner.predict(state).argmax()
    after, fell, _ = carts.push(np.array([push]))
    states[at], nexts[at], pushes[at], fallen[at] = state, after[0], push, fell[0]
    if step < 500:
        continue
    weights = older.network.parameters  # which follow the learner's slowly
    weights += FOLLOW * (learner.network.parameters - weights)
    i = rng.integers(0, min(step + 1, MEMORY), BATCH)
    best = learner.predict(nexts[i]).argmax(axis=1)
    target = learner.predict(states[i])  # of the push that was not made: as it is
    value = older.predict(nexts[i])[every, best]
    target[every, pushes[i]] = np.where(fallen[i], -1, DISCOUNT * value)
    learner.update(states[i], target)

stood = lengths(lambda now: learner.predict(now).argmax(axis=1))
print(f"after {STEPS:,} steps a pole stands for {stood.mean():.0f} of 500 steps")
