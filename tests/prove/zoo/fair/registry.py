"""Where right layers in an unusual style are signed in."""

from copy import deepcopy

import numpy as np

from ..specimen import Specimen

FAIR: list[Specimen] = []


def fair(*arguments, on):
    """Signs in the class below; `on` makes its inputs from a generator."""

    def sign_in(cls):
        inputs = on(np.random.default_rng(0))
        name = f"{cls.__module__.rpartition('.')[2]}.{cls.__name__}"
        FAIR.append(Specimen(name, lambda: cls(*deepcopy(arguments)), inputs))
        return cls

    return sign_in


def rows(r):
    """x (3, 4)."""
    return (r.normal(size=(3, 4)),)


def pair(r):
    """x (3, 4), y (3, 4)."""
    return r.normal(size=(3, 4)), r.normal(size=(3, 4))


def labels(r):
    """x (3, 4), t (3,)."""
    return r.normal(size=(3, 4)), np.array([1, 0, 3])


WEIGHTS = np.random.default_rng(5).normal(size=(4, 2))
BIAS = np.random.default_rng(6).normal(size=2)
