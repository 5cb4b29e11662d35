"""Racing tables: which horse wins, from what is known of all in the race; and does betting pay?"""

import numpy as np
from frame import curves, done, of, panels

import handgrad as hg

rng = np.random.default_rng(0)
RUNNERS = 10


def races(n):
    """Of each runner form, weight, draw, rest, jockey; the winner; and the public's odds."""
    x = rng.standard_normal((n, RUNNERS, 5))
    form, weight, draw, rest, jockey = np.moveaxis(x, -1, 0)
    wet = rng.integers(0, 2, (n, 1))  # on wet ground weight counts more, and the inner draw is bad
    skill = 0.9 * form + 0.5 * jockey - 0.3 * weight * (1 + wet) - 0.3 * rest**2 + 0.5 * draw * wet
    fans = 0.9 * form + 0.8 * jockey - 0.3 * weight  # the public knows neither ground nor rest
    winner = np.argmax(skill + rng.gumbel(0, 1, skill.shape), axis=1)
    chances = np.exp(fans) / np.exp(fans).sum(axis=1, keepdims=True)
    ground = np.broadcast_to(wet[:, :, None], (n, RUNNERS, 1))
    return np.concatenate([x, ground], axis=2).astype(np.float32), winner, 0.8 / chances


x, winner, _ = races(of(4000, 300))
x_test, winner_test, odds = races(2000)
network = hg.Sequential(hg.Affine(32), hg.Tanh(), hg.Affine(1), hg.Flatten(), seed=1)
history = hg.fit(network, x, winner, loss=hg.SoftmaxCrossEntropy(), optimizer=hg.Adam(0.005),
                 epochs=of(30, 3), batch=64, validation=(x_test, winner_test))  # fmt: skip
p = hg.Softmax().forward(network.predict(x_test).astype(float))
every, favourite = np.arange(len(p)), odds.argmin(axis=1)
right = np.mean(p.argmax(axis=1) == winner_test), np.mean(favourite == winner_test)


def bet(choice, on):
    """Money back for each unit bet on these horses in these races."""
    return np.where(choice == winner_test, odds[every, choice], 0)[on].sum() / max(1, on.sum())


worth = p * odds  # what a unit bet is worth, by the network
best = worth.argmax(axis=1)
limits = np.linspace(0.8, 2, 25)
returns = [bet(best, worth.max(axis=1) > limit) for limit in limits]
figure, axes = panels(2, width=3.2)
curves(axes[0], "loss", "epoch", training=history["loss"], test=history["val_loss"])
axes[1].plot(limits, returns)
axes[1].axhline(1, color="gray", lw=0.5)
axes[1].set(title="money back of 1 bet", xlabel="least worth of a bet, by the network")
always = np.ones(len(p), bool)
done(
    __file__, figure,
    f"winners found: network {right[0]:.1%}, the public's favourite {right[1]:.1%}; of 1 bet comes "
    f"back {bet(favourite, always):.2f} on favourites, {bet(best, worth.max(axis=1) > 1.2):.2f} "
    "where the network sees a worth above 1.2 (in races made up by program)",
)  # fmt: skip
