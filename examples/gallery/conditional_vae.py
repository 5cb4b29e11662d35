"""A conditional variational autoencoder: digits of any class asked for, in any style."""

import numpy as np
from frame import curves, done, images, judge, of, panels

import handgrad as hg
from handgrad.datasets import digits

x, t = digits()
CODE, rng = 4, np.random.default_rng(0)


class VAE(hg.Network):
    """μ, s from x and its class; z = μ + e^(s/2) · ε; x again from z and the class."""

    def __init__(self):
        self.read = hg.Sequential(hg.Affine(128), hg.ReLU(), hg.Affine(2 * CODE))
        self.write = hg.Sequential(hg.Affine(128), hg.ReLU(), hg.Affine(64))
        self.beside, self.halves, self.kl = hg.Concat(1), hg.Split(2, 1), hg.GaussianKL()
        self.error = hg.SigmoidCrossEntropy()

    def __call__(self, x, labels, eps):
        mu, s = self.halves(self.read(np.concatenate([x, labels], axis=1)))
        z = mu + np.exp(s * 0.5) * eps
        again = self.write(self.beside(hg.Tensor(labels, requires_grad=False), z))
        return 64 * self.error(again, x) + self.kl(mu, s)


hot = np.eye(10, dtype=np.float32)
network, rule, losses = VAE(), hg.Adam(0.002), []
x = x.astype(np.float32)
network.build(x[:2], hot[t[:2]], np.zeros((2, CODE), np.float32))
for _ in range(of(2000, 100)):
    i = rng.integers(0, len(x), 64)
    eps = rng.standard_normal((64, CODE)).astype(np.float32)
    loss = network(hg.Tensor(x[i], requires_grad=False).data, hot[t[i]], hg.Tensor(eps))
    losses.append(loss.item())
    loss.backward()
    rule.step(network)


def written(labels, z):
    return 1 / (1 + np.exp(-network.write.predict(np.concatenate([hot[labels], z], axis=1))))


labels = np.tile(np.arange(10), 50)
made = written(labels, rng.standard_normal((500, CODE)).astype(np.float32))
p = judge()(made.reshape(-1, 1, 8, 8))
style = np.linspace(-2, 2, 8)[:, None] * np.eye(CODE)[0]
shown = [written(np.arange(10), np.tile(z, (10, 1)).astype(np.float32)) for z in style]
figure, axes = panels(2, width=3.4)
curves(axes[0], "loss", "50 updates", loss=np.reshape(losses, (-1, 50)).mean(axis=1))
images(axes[1], "classes →, one number of the style ↓", np.reshape(shown, (-1, 8, 8)), 10)
right = np.mean(p.argmax(axis=1) == labels)
said = f"loss {np.mean(losses[-200:]):.1f} nats; {right:.0%} of what it writes is what was asked"
done(__file__, figure, said)
