"""A pole on a cart, by its equations; and how long it stands when it is pushed at random.

Source: Barto, Sutton & Anderson, "Neuronlike adaptive elements that can solve difficult learning
control problems", 1983, appendix; theirs are the constants and what counts as a failure.
"""

import numpy as np

GRAVITY, CART, POLE, HALF = 9.8, 1.0, 0.1, 0.5  # m/s², kg, kg, half the pole's length in m
CART_FRICTION, POLE_FRICTION, FORCE, TAU = 0.0005, 0.000002, 10.0, 0.02  # N, s
FAR, TILTED = 2.4, np.deg2rad(12)


class CartPoles:
    """So many carts at once: `state` (N, 4) is x, its velocity, the angle, and its velocity."""

    def __init__(self, count, seed=0):
        self.rng = np.random.default_rng(seed)
        self.state = self.start(count)
        self.age = np.zeros(count, int)

    def start(self, count):
        return self.rng.uniform(-0.05, 0.05, (count, 4))

    def push(self, right, limit=500):
        """A push to the right (1) or the left (0), for one step of τ by Euler's method.

        Returns the states after it, which poles fell, and which were as old as the limit; those of
        both kinds then start anew.
        """
        _, v, angle, turn = self.state.T
        force = np.where(right, FORCE, -FORCE) - CART_FRICTION * np.sign(v)
        mass, sin, cos = CART + POLE, np.sin(angle), np.cos(angle)
        swing = (force + POLE * HALF * turn**2 * sin) / mass
        inertia = HALF * (4 / 3 - POLE * cos**2 / mass)
        turning = (GRAVITY * sin - cos * swing - POLE_FRICTION * turn / (POLE * HALF)) / inertia
        moving = swing - POLE * HALF * turning * cos / mass
        after = self.state + TAU * np.stack([v, moving, turn, turning], axis=1)
        self.age += 1
        fell = (np.abs(after[:, 0]) > FAR) | (np.abs(after[:, 2]) > TILTED)
        old = ~fell & (self.age >= limit)
        self.state = after.copy()
        if (ends := fell | old).any():
            self.state[ends] = self.start(ends.sum())
            self.age[ends] = 0
        return after, fell, old


def lengths(choose, poles=20, limit=500, seed=1000):
    """For how many steps each of some poles stands when `choose(states)` pushes them."""
    carts, stood, done = CartPoles(poles, seed), np.zeros(poles, int), np.zeros(poles, bool)
    while not done.all():
        _, fell, old = carts.push(choose(carts.state), limit)
        stood += ~done
        done |= fell | old
    return stood


if __name__ == "__main__":
    rng = np.random.default_rng(0)
    stood = lengths(lambda states: rng.integers(0, 2, len(states)))
    print(f"pushed at random, a pole stands for {stood.mean():.0f} steps of {TAU} s")
