"""Tic-tac-toe by self-play: a network values positions, plays itself, and learns who won."""

import numpy as np
from frame import done, of, panels

import handgrad as hg

SIDES = [[0, 1, 2], [3, 4, 5], [6, 7, 8], [0, 3, 6], [1, 4, 7], [2, 5, 8], [0, 4, 8], [2, 4, 6]]
rng = np.random.default_rng(0)


def read(boards):
    """Own stones, the other's, and free squares (N, 27)."""
    return np.concatenate([boards == 1, boards == -1, boards == 0], axis=1).astype(np.float32)


def won(boards):
    return (boards[:, SIDES].sum(axis=2) == 3).any(axis=1)


def by_chance(board, noise):
    return rng.choice(np.flatnonzero(board == 0))


def by_network(board, noise):
    """The square after which the other, who then moves, stands worst."""
    free = np.flatnonzero(board == 0)
    if rng.random() < noise:
        return rng.choice(free)
    after = np.tile(board, (len(free), 1))
    after[np.arange(len(free)), free] = 1
    worth = np.where(won(after), -1, network.predict(read(-after))[:, 0])
    return free[worth.argmin()]


def game(first, second, noise=0.0):
    """The positions, as their movers saw them, and the result for the first player."""
    board, seen = np.zeros(9, int), []
    for turn in range(9):
        seen.append(board.copy())
        board[(first, second)[turn % 2](board, noise)] = 1
        if won(board[None])[0]:
            return seen, 1 if turn % 2 == 0 else -1
        board = -board
    return seen, 0


def against_chance(n):
    """Of 2 · n games, half of them begun by chance: won, drawn and lost."""
    results = [game(by_network, by_chance)[1] for _ in range(n)]
    results += [-game(by_chance, by_network)[1] for _ in range(n)]
    return [results.count(result) for result in (1, 0, -1)]


hidden = hg.Affine(128), hg.ReLU(), hg.Affine(64), hg.ReLU()
network = hg.Sequential(*hidden, hg.Affine(1), hg.Tanh(), seed=1)
network.build(read(np.zeros((1, 9))))
rule, loss, progress, x, t = hg.Adam(0.001), hg.MeanSquaredError(), [against_chance(20)], [], []
games = of(4000, 120)
for number in range(1, games + 1):
    seen, result = game(by_network, by_network, noise=0.3)
    x += seen
    t += [result * (-1) ** k for k in range(len(seen))]  # for the one whose move it was
    if number % 20 == 0:
        x, t = x[-6000:], t[-6000:]
        for i in rng.integers(0, len(x), (10, 64)):
            loss.forward(network.forward(read(np.array(x)[i])), np.array(t)[i, None])
            network.backward(loss.backward()[0])
            rule.step(network)
    if number % (games // 10) == 0:
        progress.append(against_chance(20))
figure, (panel,) = panels(1, width=3.5)
panel.stackplot(range(11), np.transpose(progress), labels=("won", "drawn", "lost"))
panel.set(title="40 games against chance", xlabel=f"{games // 10} games against itself")
panel.legend(loc="lower right")
won_, drawn, lost = against_chance(200)
said = f"of 400 games against chance {won_} won, {drawn} drawn, {lost} lost"
done(__file__, figure, said)
