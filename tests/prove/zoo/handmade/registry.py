"""Where hand-written mistakes are signed in."""

from copy import deepcopy

import numpy as np

from ..right import SAMPLES
from ..specimen import Specimen

MISTAKES: list[Specimen] = []


def mistake(cause, *also, of, sample=None):
    """Signs in the class below as a wrong version of the class `of`, checked on its sample."""

    def sign_in(cls):
        arguments, inputs = (sample or SAMPLES[of])(np.random.default_rng(0))
        MISTAKES.append(
            Specimen(
                name=f"{cls.__module__.rpartition('.')[2]}.{cls.__name__}",
                make=lambda: cls(*deepcopy(arguments)),
                inputs=inputs,
                cause=cause,
                also=also,
                right=lambda: of(*deepcopy(arguments)),
            )
        )
        return cls

    return sign_in
