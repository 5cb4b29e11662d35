"""Attention: dates as people write them become ISO 8601, and the map of where the decoder looks."""

import sys
from pathlib import Path

import numpy as np
from frame import done, of, panels

from handgrad import Adam, fit
from handgrad.plots import draw_attention
from handgrad.train.text import as_arrays, dates

sys.path.append(str(Path(__file__).parents[1]))
from sequences import Seq2Seq

questions, answers, vocabulary = as_arrays(dates(of(10_000, 400)))
reverse = questions[:, ::-1]
x, t = np.concatenate([reverse, answers[:, :-1]], axis=1), answers[:, 1:]
held = len(x) // 10
network = Seq2Seq(int(x.max()) + 1, reverse.shape[1], kind="attention", hidden=of(64, 24))
fit(network, x[held:], t[held:], epochs=of(5, 1), batch=64, metrics=[],
    optimizer=Adam(0.005, clip_norm=5.0))  # fmt: skip
said = network.answer(reverse[:held], int(answers[0, 0]), t.shape[1])
right = (said == t[:held]).all(axis=1).mean()

figure, axes = panels(2, width=3.6, height=2.6)
for panel, row in zip(axes, (0, 3)):
    network(x[row : row + 1])  # on arrays nothing is recorded: the layers themselves run
    weights = network.look.weights[0][:, ::-1]  # (steps of the answer, steps of the question)
    letters, said_ = ([vocabulary.id_to_word[c] for c in ids] for ids in (questions[row], t[row]))
    draw_attention(weights, said_, letters, axes=panel)
done(
    __file__, figure, f"{right:.1%} of {held} unseen dates right, in every form in which they come"
)
