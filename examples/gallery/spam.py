"""Spam: a bag of words and an LSTM on made mail; words that training never saw; the ROC curve."""

import numpy as np
from frame import done, of, panels

from handgrad import LSTM, Adam, Affine, Embedding, Index, Sequential, fit
from handgrad.metrics import roc_auc

GOOD = str.split(
    "meeting report project lunch draft schedule review budget thanks notes team update"
)
BAD = str.split("free winner cash prize offer click urgent credit cheap bonus deal pills")
BOTH = str.split("the a you your we please today now is are for with on this money time call")
LENGTH, UNKNOWN = 12, 0
rng = np.random.default_rng(0)


def mail(n, rare):
    """Sentences and labels; in spam bad words are many. "not spam" said before turns one over."""
    words, t = np.empty((n, LENGTH), object), rng.integers(0, 2, n)
    for i in range(n):
        own, other = (BAD, GOOD) if t[i] else (GOOD, BAD)
        for j in range(LENGTH):
            kind = rng.choice(3, p=(0.25, 0.2, 0.55))
            words[i, j] = rng.choice((own, other, BOTH)[kind])
            if rng.random() < rare:
                words[i, j] = f"{words[i, j]}{rng.integers(1000)}"  # misspelt: never seen again
        if rng.random() < 0.3:  # a sign in the order of the words, not in their number
            pair = ("report", "attached") if not t[i] else ("attached", "report")
            at = rng.integers(0, LENGTH - 1)
            words[i, at], words[i, at + 1] = pair
    return words, t


def numbered(words):
    return np.array([[known.get(word, UNKNOWN) for word in row] for row in words])


def bags(ids):
    counts = (ids[..., None] == np.arange(len(known) + 1)).sum(axis=1)
    return counts.astype(np.float32)


words, t = mail(of(6000, 800), rare=0.05)
seen, times = np.unique(words.astype(str), return_counts=True)
known = {word: i for i, word in enumerate(seen[times > 2], 1)}
test, t_test = mail(1000, rare=0.3)
x, x_test = numbered(words), numbered(test)
models = {
    "bag of words": (Sequential(Affine(1), seed=1), bags),
    "LSTM": (Sequential(Embedding(len(known) + 1, 16), LSTM(32), Index((slice(None), -1)),
                        Affine(1), seed=1), np.asarray),
}  # fmt: skip
figure, (panel,) = panels(1, width=3.2, height=2.6)
area = {}
for name, (network, reading) in models.items():
    fit(network, reading(x), t, optimizer=Adam(0.005), epochs=of(15, 2), batch=64, metrics=[])
    scores = network.predict(reading(x_test))[:, 0]
    area[name] = roc_auc(1 / (1 + np.exp(-scores)), t_test)
    order = np.argsort(-scores)
    hits = np.cumsum(t_test[order] == 1) / (t_test == 1).sum()
    false = np.cumsum(t_test[order] == 0) / (t_test == 0).sum()
    panel.plot(false, hits, label=f"{name}: {area[name]:.3f}")
panel.set(title="ROC curve", xlabel="good mail taken for spam", ylabel="spam found")
panel.legend(frameon=False)
unknown = np.mean(x_test == UNKNOWN)
done(
    __file__, figure,
    f"area under the curve with {unknown:.0%} unknown words: "
    + ", ".join(f"{name} {a:.3f}" for name, a in area.items()),
)  # fmt: skip
