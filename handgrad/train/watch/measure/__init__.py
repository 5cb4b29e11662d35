"""Measurements of a training: the network, its updates, the data, and the curves."""
