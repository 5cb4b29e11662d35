"""Name tagging: a bidirectional LSTM says which words are people and places, by context."""

import numpy as np
from frame import done, of, panels

from handgrad import (
    LSTM,
    Adam,
    Affine,
    Bidirectional,
    Embedding,
    Sequential,
    SoftmaxCrossEntropy,
    fit,
)
from handgrad.metrics import f1
from handgrad.train.text import pad

NAMES = str.split("anna ben carla david emma finn greta hugo ida jonas jordan paris")
PLACES = str.split("berlin kyoto lima oslo quito rome tunis vienna zurich jordan paris sydney")
FRAMES = [
    "PERSON lives in PLACE", "PERSON met PERSON in PLACE", "the train to PLACE was late",
    "PERSON wrote to PERSON", "from PLACE to PLACE by bus", "yesterday PERSON flew to PLACE",
    "PERSON says that PLACE is cold", "in PLACE it rains", "PERSON likes tea",
]  # fmt: skip
TAGS = ["other", "person", "place"]
rng = np.random.default_rng(0)


def sentences(n):
    words, tags = [], []
    for _ in range(n):
        frame = rng.choice(FRAMES).split()
        kinds = [{"PERSON": 1, "PLACE": 2}.get(word, 0) for word in frame]
        pools = [None, NAMES, PLACES]
        words.append([rng.choice(pools[k]) if k else word for k, word in zip(kinds, frame)])
        tags.append(kinds)
    return words, tags


words, tags = sentences(of(3000, 300))
known = {
    word: i for i, word in enumerate(sorted({w for row in words for w in row} - {"lima", "ida"}), 2)
}
EMPTY, UNKNOWN, LENGTH = 0, 1, 8  # lima and ida count as unknown: only what is around tells


def numbered(rows):
    return pad([[known.get(word, UNKNOWN) for word in row] for row in rows], EMPTY, LENGTH)


test, truth = sentences(500)
x, t, x_test, t_test = (
    numbered(words),
    pad(tags, -1, LENGTH),
    numbered(test),
    pad(truth, -1, LENGTH),
)
network = Sequential(
    Embedding(len(known) + 2, 16), Bidirectional(LSTM(16), LSTM(16)), Affine(3), seed=1
)
fit(network, x, t, loss=SoftmaxCrossEntropy(ignore_index=-1), optimizer=Adam(0.01),
    epochs=of(8, 3), batch=32)  # fmt: skip
guess = network.predict(x_test).argmax(axis=-1)
on = t_test >= 0
both = np.isin(x_test, [known.get("jordan", -9), known.get("paris", -9), UNKNOWN]) & on
scores = f1(guess[on], t_test[on], average=None)
right = (guess == t_test)[both].mean()
figure, (panel,) = panels(1, width=5)
panel.axis("off")
for i, row in enumerate(np.flatnonzero(both.any(axis=1))[:8]):
    said = [
        word if tag == 0 else f"[{word}: {TAGS[tag]}]" for word, tag in zip(test[row], guess[row])
    ]
    panel.text(0, 0.95 - 0.12 * i, " ".join(said), family="monospace", fontsize=7)
done(
    __file__, figure,
    f"F1 of people {scores[1]:.1%}, of places {scores[2]:.1%}; {right:.1%} of the words that are "
    "unknown, or may be either, right",
)  # fmt: skip
