"""word2vec: CBOW with negative sampling, on a made language in which analogies can be measured."""

import numpy as np
from frame import curves, done, of, panels

from handgrad import Adam, Embedding, Mean, NegativeSampling, Network
from handgrad.plots import draw_embedding
from handgrad.train.text import analogy, contexts_and_targets, preprocess

PAIRS = [
    ("king", "queen"),
    ("man", "woman"),
    ("boy", "girl"),
    ("uncle", "aunt"),
    ("son", "daughter"),
]
AGES = ["rules the land", "works all day", "plays outside", "visits us often", "goes to school"]
rng = np.random.default_rng(0)


def sentence():
    person, sex = rng.integers(5), rng.integers(2)
    pronoun, wear = (("he", "beard"), ("she", "dress"))[sex]
    return f"the {PAIRS[person][sex]} {AGES[person]} and {pronoun} has a {wear} ."


class CBOW(Network):
    """The word in the middle from the mean of its neighbours, told from a few drawn words."""

    def __init__(self, counts):
        self.inside, self.mean = Embedding(len(counts), 20, init=0.1), Mean(axis=1)
        self.loss = NegativeSampling(counts, negatives=5, init=0.1)

    def __call__(self, x):
        return self.loss(self.mean(self.inside(x[:, :-1])), x[:, -1])


corpus, vocabulary = preprocess(" ".join(sentence() for _ in range(3000)), str.split)
contexts, targets = contexts_and_targets(corpus, window=4)
rows = np.concatenate([contexts, targets[:, None]], axis=1)
network, rule, losses = CBOW(np.bincount(corpus)), Adam(0.003), []
for _ in range(of(2000, 600)):
    losses.append(float(network.forward(rows[rng.integers(0, len(rows), 128)])))
    network.backward(1.0)
    rule.step(network)

questions = [(a, b, c, d) for a, b in PAIRS for c, d in PAIRS if a != c]
vectors = network.inside.W - network.inside.W.mean(axis=0)
right = [analogy(a, b, c, vocabulary, vectors, 1)[0][0] == d for a, b, c, d in questions]
figure, axes = panels(2, width=3.2)
curves(axes[0], "loss", "100 updates", loss=np.reshape(losses, (-1, 100)).mean(axis=1))
people = [word for pair in PAIRS for word in pair]
chosen = vectors[[vocabulary.word_to_id[word] for word in people]]
draw_embedding(chosen, people, groups=["man", "woman"] * 5, axes=axes[1])
done(__file__, figure, f"{np.mean(right):.0%} of {len(right)} analogies such as king:queen = man:?")
