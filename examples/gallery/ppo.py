"""Proximal policy optimization, continuous actions: a puck learns to glide to a point and stop."""

import numpy as np
from frame import curves, done, of, panels

import handgrad as hg

PUCKS, HORIZON, EPOCHS, BATCH, CLIP = 32, 40, 5, 256, 0.2
DISCOUNT, SMOOTHING, STILL = 0.97, 0.95, np.array([1, 1, 0, 0], np.float32)
rng = np.random.default_rng(0)


def push(state, force):
    """One step: a force, friction, and the cost of being away, of speed and of force."""
    force = np.clip(force, -1, 1)
    speed = 0.9 * state[:, 2:] + 0.1 * force
    after = np.concatenate([state[:, :2] + speed, speed], axis=1).astype(np.float32)
    cost = np.linalg.norm(after[:, :2], axis=1) + 0.1 * np.linalg.norm(speed, axis=1)
    return after, -cost


def mlp(outputs):
    return hg.Sequential(hg.Affine(64), hg.Tanh(), hg.Affine(outputs), seed=1)


class Policy(hg.Network):
    """ln p of forces a in states x: normal around what the network says, σ the same everywhere."""

    def __init__(self):
        self.mean, self.s = mlp(2), hg.Parameter(np.full((1, 2), -0.7, np.float32))

    def __call__(self, x, a):
        return hg.Normal(self.mean(x), self.s + np.zeros_like(a)).log_prob(a).sum(axis=1)


policy, value, mean_square = Policy(), mlp(1), hg.MeanSquaredError()
rules, score = (hg.Adam(0.002), hg.Adam(0.003)), []
for _ in range(of(60, 4)):
    states = np.zeros((HORIZON + 1, PUCKS, 4), np.float32)
    forces, rewards = np.zeros((HORIZON, PUCKS, 2), np.float32), np.zeros((HORIZON, PUCKS))
    states[0] = rng.uniform(-1, 1, (PUCKS, 4)) * STILL
    for step in range(HORIZON):
        noise = np.exp(policy.s.data) * rng.standard_normal((PUCKS, 2))
        forces[step] = policy.mean.predict(states[step]) + noise
        states[step + 1], rewards[step] = push(states[step], forces[step])
    values = value.predict(states.reshape(-1, 4)).reshape(HORIZON + 1, PUCKS)
    advantage, later = np.zeros_like(rewards), 0
    for step in reversed(range(HORIZON)):
        surprise = rewards[step] + DISCOUNT * values[step + 1] - values[step]
        later = surprise + DISCOUNT * SMOOTHING * later
        advantage[step] = later
    x, a = states[:-1].reshape(-1, 4), forces.reshape(-1, 2)
    returns = (advantage + values[:-1]).reshape(-1, 1).astype(np.float32)
    A = ((advantage - advantage.mean()) / advantage.std()).reshape(-1).astype(np.float32)
    with hg.no_grad():
        before = policy(hg.Tensor(x), a).data
    for _ in range(EPOCHS):
        for i in np.split(rng.permutation(len(x)), len(x) // BATCH):
            ratio = np.exp(policy(hg.Tensor(x[i]), a[i]) - before[i])
            gain = np.minimum(ratio * A[i], np.clip(ratio, 1 - CLIP, 1 + CLIP) * A[i]).mean()
            (-gain).backward()
            rules[0].step(policy)
            mean_square(value(hg.Tensor(x[i])), returns[i]).backward()
            rules[1].step(value)
    score.append(rewards.sum(axis=0).mean())

state, path = rng.uniform(-1, 1, (200, 4)).astype(np.float32) * STILL, []
for _ in range(HORIZON):
    path.append(state[:, :2])
    state, _ = push(state, policy.mean.predict(state))
away = np.linalg.norm(state[:, :2], axis=1)
figure, axes = panels(2, width=3)
curves(axes[0], "reward of a round", "update", reward=score)
axes[1].plot(*np.transpose(np.array(path)[:, :12], (2, 0, 1)), lw=0.8)
axes[1].set(title="twelve paths, without noise", xlim=(-1.2, 1.2), ylim=(-1.2, 1.2))
done(
    __file__, figure,
    f"reward {score[0]:.1f} → {score[-1]:.1f}; at the end a puck is {np.median(away):.3f} away "
    "from the point (median of 200)",
)  # fmt: skip
