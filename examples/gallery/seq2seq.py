"""Sequence to sequence: additions read as characters; reversed questions, a peeky decoder."""

import sys
from pathlib import Path

import numpy as np
from frame import curves, done, of, panels

from handgrad import Adam, fit
from handgrad.train import Call
from handgrad.train.text import additions, as_arrays

sys.path.append(str(Path(__file__).parents[1]))
from sequences import Seq2Seq

questions, answers, _ = as_arrays(additions(of(10_000, 600)))
held = len(questions) // 10
figure, (panel,) = panels(1, width=4)
lines = {}
for name, kind, order in (
    ("plain", "plain", 1), ("reversed", "plain", -1), ("reversed, peeky", "peeky", -1),
):  # fmt: skip
    q = questions[:, ::order]
    x, t = np.concatenate([q, answers[:, :-1]], axis=1), answers[:, 1:]
    network = Seq2Seq(int(x.max()) + 1, q.shape[1], kind=kind, hidden=of(96, 32))
    right = []

    def measure(trainer, network=network, q=q, t=t, right=right):
        said = network.answer(q[:held], int(answers[0, 0]), t.shape[1])
        right.append((said == t[:held]).all(axis=1).mean())

    fit(network, x[held:], t[held:], epochs=of(10, 1), batch=64, metrics=[],
        optimizer=Adam(0.005, clip_norm=5.0), callbacks=[Call(measure)])  # fmt: skip
    lines[name] = right
curves(panel, "additions without a mistake", "epoch", **lines)
said = ", ".join(f"{name} {row[-1]:.1%}" for name, row in lines.items())
done(__file__, figure, f"of {held} unseen additions right: {said}")
