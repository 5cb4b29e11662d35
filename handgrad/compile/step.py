"""Steps: those of a program one at a time, where nothing is prepared for each but its data."""

from __future__ import annotations

import numpy as np

from handgrad.arrays import Array
from handgrad.compile.program import Program

BLOCK = 256  # steps whose numbers are made together
NOT_NUMBERS = 7  # of hg_program_step, besides the codes of a run


class Steps:
    """The steps of a program on the first `count` samples of its data, whatever these are then.

    What changes with the step, such as learning rates, is made for a block of steps ahead: of one
    step at first, and of more while nothing else moves it. made: steps of the present block that
    were made, whose losses are losses[:made]; room: the block's size.
    numbers: the float32 memory of the data that must be finite.
    """

    def __init__(self, program: Program, numbers: Array):
        self.program = program
        self._order = np.arange(program.batch, dtype=np.int32)
        self._starts, self._counts = np.zeros(BLOCK, np.int64), np.ones(BLOCK, np.int64)
        self.step = program.native.stepper(numbers)  # the code; `made` is for the caller to count
        self.made = self.room = 0

    def begin(self, anew: bool) -> None:
        """A block of steps: one, or, where what was made ahead has all been used, more."""
        size = 1 if anew or not self.room else min(4 * self.room, BLOCK)
        self.program.start(self._order, self._starts[:size], self._counts[:size])
        self.made, self.room = 0, size

    @property
    def count(self) -> int:
        """Samples of a step."""
        return int(self._counts[0])

    @count.setter
    def count(self, count: int) -> None:
        if count != self._counts[0]:
            self._counts[:] = count
