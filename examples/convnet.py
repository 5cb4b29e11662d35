"""A small convolutional network on handwritten digits; with `mnist` as argument, on MNIST."""

import sys

from networks import simple_convnet

from handgrad import Adam, accuracy, fit
from handgrad.train import digits, mnist, split

if "mnist" in sys.argv:
    (x, t), (x_test, t_test) = mnist(images=True)
    epochs, batch = 2, 100
else:
    x, t, x_test, t_test = split(*digits(images=True))
    epochs, batch = 8, 32

network = simple_convnet()
print(network.summary(x[:1]))
fit(network, x, t, optimizer=Adam(0.001), epochs=epochs, batch=batch)
print(f"test accuracy {network.evaluate(x_test, t_test, metrics=[accuracy])['accuracy']:.2%}")
