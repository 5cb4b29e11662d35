"""Word vectors of a small text: CBOW and skip-gram with softmax, CBOW with negative sampling."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad import Adam, Affine, Embedding, Mean, NegativeSampling, Network, Sequential, fit
from handgrad.train.text import contexts_and_targets, most_similar, preprocess

TEXT = "you say goodbye and i say hello . you say yes and i say no . they say goodbye and go ."


def cbow(words: int, dimension: int) -> Sequential:
    """The middle word from the mean of its neighbours. Shapes: x (N, 2·window), y (N, V)."""
    return Sequential(Embedding(words, dimension), Mean(axis=1), Affine(words, bias=False))


def skip_gram(words: int, dimension: int) -> Sequential:
    """A neighbour from the middle word. Shapes: x (N), y (N, V)."""
    return Sequential(Embedding(words, dimension), Affine(words, bias=False))


class SampledCBOW(Network):
    """CBOW that tells the middle word from a few drawn ones; it gives its loss itself."""

    def __init__(self, counts: Any, dimension: int):
        self.inside, self.mean = Embedding(len(counts), dimension), Mean(axis=1)
        self.loss = NegativeSampling(counts, negatives=3)

    def __call__(self, x: Any) -> Any:
        contexts, target = x[:, :-1], x[:, -1]
        return self.loss(self.mean(self.inside(contexts)), target)


corpus, vocabulary = preprocess(TEXT)
contexts, targets = contexts_and_targets(corpus)
words = int(corpus.max()) + 1

for name, network, x, t in (
    ("CBOW", cbow(words, 8), contexts, targets),
    ("skip-gram", skip_gram(words, 8), targets.repeat(contexts.shape[1]), contexts.reshape(-1)),
):
    history = fit(network, x, t, optimizer=Adam(0.02), epochs=100, metrics=[])
    print(f"{name}: loss {history['loss'][0]:.2f} → {history['loss'][-1]:.2f}")

sampled = SampledCBOW(np.bincount(corpus), 8)
optimizer, x = Adam(0.02), np.concatenate([contexts, targets[:, None]], axis=1)
losses = []
for _ in range(300):
    losses.append(float(sampled.forward(x)))
    sampled.backward(1.0)
    optimizer.step(sampled)
print(f"CBOW, sampled: loss {np.mean(losses[:10]):.2f} → {np.mean(losses[-10:]):.2f}")
print("like 'goodbye':", most_similar("goodbye", vocabulary, sampled.inside.W, 3))
