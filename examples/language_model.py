"""A language model of characters: its perplexity on the end of the text, which it does not learn.

python language_model.py [text file] [epochs]
"""

import sys
from math import exp
from pathlib import Path
from typing import Any

import numpy as np
from networks import language_model

from handgrad import Adam, fit
from handgrad.train import Call
from handgrad.train.text import preprocess, truncated_batches

BATCH, STEPS = 20, 35  # sequences side by side, and characters until gradients end

if sys.argv[1:]:
    text = Path(sys.argv[1]).read_text(encoding="utf-8")
else:
    guides = sorted(Path(__file__).parents[1].glob("docs/*.md"))
    text = "".join(path.read_text(encoding="utf-8") for path in guides)
epochs = int(sys.argv[2]) if sys.argv[2:] else 10

corpus, vocabulary = preprocess(text, list)
end = len(corpus) * 9 // 10
held = corpus[end:]
# A batch goes on where the one before ended, so rows keep their order and layers their state.
x, t = (np.concatenate(part) for part in zip(*truncated_batches(corpus[:end], BATCH, STEPS)))
network = language_model(len(vocabulary))


def report(trainer: Any) -> None:
    """The perplexity: from how many characters, as it were, the model has to guess."""
    loss = trainer.network.evaluate(held[None, :-1], held[None, 1:])["loss"]
    print(f"epoch {trainer.epoch}: perplexity {exp(loss):.2f} of {len(vocabulary)}", flush=True)
    trainer.network.layers[1].reset_state()  # the next epoch begins the text anew


fit(network, x, t, epochs=epochs, batch=BATCH, shuffle=False, metrics=[],
    optimizer=Adam(0.003, clip_norm=1.0), callbacks=[Call(report)])  # fmt: skip
