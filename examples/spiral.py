"""A spiral that no straight line divides, learned by a network that is proved first."""

from handgrad import Adam, Affine, ReLU, Sequential, check, fit
from handgrad.train import spiral

x, t = spiral(100)
network = Sequential(Affine(32), ReLU(), Affine(3))
print(check(network, x[:5]))
history = fit(network, x, t, optimizer=Adam(0.01), epochs=100)
print(history)
