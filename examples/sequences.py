"""Sequence to sequence: additions read as characters, with a peeky or an attentive decoder.

python sequences.py [additions|dates] [peeky|attention|plain] [epochs] [pairs]
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from handgrad import LSTM, Adam, Affine, DotProductAttention, Embedding, Network, fit
from handgrad.layers import Broadcast, Concat
from handgrad.optim import CosineDecay
from handgrad.train import Call
from handgrad.train.text import additions, as_arrays, dates


class Seq2Seq(Network):
    """The encoder's last state starts the decoder, which writes one character after the other.

    peeky: that state is also beside every input and output of the decoder. attention: every
    output of the decoder looks over all of the encoder's. x (N, Tq + Ta − 1) holds question and
    answer side by side, both as numbers; y (N, Ta − 1, V) are scores of the answer's next
    character.
    """

    def __init__(self, vocabulary: int, question: int, *, kind: str = "plain",
                 dimension: int = 16, hidden: int = 256):  # fmt: skip
        self.question, self.kind, self.hidden = question, kind, hidden
        self.read, self.encode = Embedding(vocabulary, dimension), LSTM(hidden)
        self.reread, self.decode = Embedding(vocabulary, dimension), LSTM(hidden)
        self.look, self.side = DotProductAttention(), Concat(-1)
        self.write = Affine(vocabulary)

    def __call__(self, x: Any) -> Any:
        question, answer = x[:, : self.question], x[:, self.question :]
        states = self.encode(self.read(question))
        last = states[:, -1]
        given = self.reread(answer)
        if self.kind == "peeky":
            n, steps = answer.shape
            everywhere = Broadcast((n, steps, self.hidden))(last.reshape(n, 1, self.hidden))
            given = self.side(given, everywhere)
        h = self.decode(given, None, last, 0 * last)
        if self.kind == "peeky":
            h = self.side(h, everywhere)
        if self.kind == "attention":
            h = self.side(h, self.look(h, states, states))
        return self.write(h)

    def answer(self, question: Any, start: int, length: int) -> Any:
        """The answers, each character the likeliest one after those before."""
        written = np.full((len(question), 1), start)
        for _ in range(length):
            scores = self.predict(np.concatenate([question, written], axis=1))
            written = np.concatenate([written, scores[:, -1:].argmax(-1)], axis=1)
        return written[:, 1:]


def main() -> None:
    """Train and show how many of the held-out questions are answered without a mistake."""
    usual = ("additions", "peeky", "1", "2000")
    task, kind, epochs, pairs = [*sys.argv[1:], *usual[len(sys.argv) - 1 :]]
    questions, answers, _ = as_arrays((additions if task == "additions" else dates)(int(pairs)))
    questions = questions[:, ::-1]  # reversed: the beginnings of both are then close
    x, t = np.concatenate([questions, answers[:, :-1]], axis=1), answers[:, 1:]
    held = len(x) // 10
    network = Seq2Seq(int(x.max()) + 1, questions.shape[1], kind=kind)

    def report(trainer: Any) -> None:
        said = network.answer(questions[:held], int(answers[0, 0]), t.shape[1])
        right = (said == t[:held]).all(axis=1).mean()
        print(f"epoch {trainer.epoch}: {right:.1%} of {held} answers right", flush=True)

    steps = int(epochs) * -(-(len(x) - held) // 128)
    fit(network, x[held:], t[held:], steps=steps, batch=128, metrics=[],
        optimizer=Adam(CosineDecay(0.001, steps=steps), clip_norm=5.0),
        callbacks=[Call(report)])  # fmt: skip


if __name__ == "__main__":
    main()
