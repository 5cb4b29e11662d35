"""WGAN-GP: a critic whose gradient has length 1, by second derivatives; clusters on a ring."""

import numpy as np
from frame import curves, done, of, panels

import handgrad as hg

rng, BATCH = np.random.default_rng(0), 128
angles = 2 * np.pi * np.arange(5) / 5
centres = 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def real(n):
    points = centres[rng.integers(0, 5, n)] + 0.2 * rng.standard_normal((n, 2))
    return points.astype(np.float32)


def mlp(outputs, seed):
    parts = [part for _ in range(2) for part in (hg.Affine(64), hg.LeakyReLU(0.2))]
    return hg.Sequential(*parts, hg.Affine(outputs), seed=seed)


make, critic, wasserstein = mlp(2, 1), mlp(1, 2), hg.Wasserstein()
rules = hg.Adam(0.002, beta1=0.5, beta2=0.9), hg.Adam(0.003, beta1=0.5, beta2=0.9)
signs = np.repeat([[1.0], [-1.0]], BATCH, axis=0).astype(np.float32)
distances, penalties = [], []
for _ in range(of(900, 10)):
    for _ in range(2):
        x, made = real(BATCH), make.predict(rng.standard_normal((BATCH, 8)).astype(np.float32))
        u = rng.random((BATCH, 1), dtype=np.float32)
        penalty = hg.gradient_penalty(critic, u * x + (1 - u) * made)
        far = wasserstein(critic(hg.Tensor(np.concatenate([x, made]))), signs) * 2
        (far + penalty * 0.1).backward()
        rules[1].step(critic)
    distances.append(-far.item())
    penalties.append(penalty.item())
    made = make(hg.Tensor(rng.standard_normal((BATCH, 8)).astype(np.float32)))
    wasserstein(critic(made), signs[:BATCH]).backward()
    rules[0].step(make)

made = make.predict(rng.standard_normal((2000, 8)).astype(np.float32))
near = np.linalg.norm(made[:, None] - centres, axis=2)
good = near.min(axis=1) < 0.6
found = np.bincount(near.argmin(axis=1)[good], minlength=5) / len(made)
figure, axes = panels(3)
curves(axes[0], "critic", "round", distance=distances, penalty=penalties)
points = real(500)
axes[1].plot(*points.T, ".", ms=2, label="real")
axes[1].plot(*made[:500].T, ".", ms=2, label="made")
axes[1].legend(frameon=False)
grid = np.stack(np.meshgrid(np.linspace(-3, 3, 60), np.linspace(-3, 3, 60)), axis=-1)
scores = critic.predict(grid.reshape(-1, 2).astype(np.float32)).reshape(60, 60)
axes[2].imshow(scores, extent=(-3, 3, -3, 3), origin="lower")
axes[2].set_title("the critic's scores")
done(
    __file__, figure,
    f"{good.mean():.0%} of the points lie at a cluster, {np.sum(found > 0.05)} of 5 clusters are "
    f"found; distance {np.mean(distances[:5]):.2f} → {np.mean(distances[-50:]):.2f}",
)  # fmt: skip
