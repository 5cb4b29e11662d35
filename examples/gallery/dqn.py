"""Deep Q-learning: a paddle learns to catch balls that drift and fall, by replayed experience."""

import numpy as np
from frame import done, of, panels

import handgrad as hg

SIZE, GAMES, DISCOUNT, MEMORY, BATCH = 8, 32, 0.97, 20_000, 128
rng, every = np.random.default_rng(0), np.arange(BATCH)


def new(n):
    """Of each game: the ball's row and column, its drift, and where the paddle is."""
    columns = [np.zeros(n, int), rng.integers(0, SIZE, n), rng.integers(-1, 2, n)]
    return np.stack([*columns, rng.integers(0, SIZE, n)], axis=1)


def seen(games):
    row, column, drift, paddle = games.T
    parts = np.eye(SIZE)[row], np.eye(SIZE)[column], np.eye(3)[drift + 1], np.eye(SIZE)[paddle]
    return np.concatenate(parts, axis=1).astype(np.float32)


def step_of(games, action):
    """The games after an action (left, stay, right), the rewards, and which are over."""
    row, column, drift, paddle = games.T
    paddle = np.clip(paddle + action - 1, 0, SIZE - 1)
    drift = np.where((column + drift < 0) | (column + drift >= SIZE), -drift, drift)
    games = np.stack([row + 1, column + drift, drift, paddle], axis=1)
    over = games[:, 0] == SIZE - 1
    return games, np.where(over, np.where(games[:, 1] == paddle, 1.0, -1.0), 0.0), over


def caught(network, n=500):
    games = new(n)
    for _ in range(SIZE - 1):
        games, reward, _ = step_of(games, network.predict(seen(games)).argmax(axis=1))
    return np.mean(reward > 0)


def make():
    return hg.Sequential(hg.Affine(64), hg.ReLU(), hg.Affine(64), hg.ReLU(), hg.Affine(3), seed=1)


learner, frozen, games = hg.online(make(), hg.Huber(), hg.Adam(0.001)), make(), new(GAMES)
states, nexts = np.zeros((2, MEMORY, 27), np.float32)
actions, rewards, ends = np.zeros(MEMORY, int), np.zeros(MEMORY), np.zeros(MEMORY, bool)
frozen.build(seen(games))
learner.predict(seen(games))
progress, steps = [], of(2500, 120)
for step in range(steps):
    if step % 100 == 0:
        frozen.parameters[...] = learner.network.parameters  # what the targets are computed with
        progress.append(caught(learner.network))
    at = np.arange(step * GAMES, (step + 1) * GAMES) % MEMORY
    states[at] = seen(games)
    curious = rng.random(GAMES) < max(0.05, 1 - 2 * step / steps)
    best = learner.predict(states[at]).argmax(axis=1)
    actions[at] = np.where(curious, rng.integers(0, 3, GAMES), best)
    games, rewards[at], ends[at] = step_of(games, actions[at])
    nexts[at] = seen(games)
    games[ends[at]] = new(ends[at].sum())

    i = rng.integers(0, min((step + 1) * GAMES, MEMORY), BATCH)
    target = learner.predict(states[i])  # of the actions that were not taken: as it is
    later = np.where(ends[i], 0, frozen.predict(nexts[i]).max(axis=1))
    target[every, actions[i]] = rewards[i] + DISCOUNT * later
    learner.update(states[i], target)
progress.append(caught(learner.network))
figure, (panel,) = panels(1, width=3.5)
panel.plot(progress)
panel.set(title="balls caught", xlabel="100 steps", ylim=(0, 1.05))
done(
    __file__, figure,
    f"{progress[0]:.0%} → {progress[-1]:.0%} of 500 balls caught, after {steps} steps of {GAMES} "
    "games",
)  # fmt: skip
