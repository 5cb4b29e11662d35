"""Text by a model of characters: greedy, by temperature, from the top k, by beam search."""

import numpy as np
from frame import curves, done, english, of, panels

from handgrad import LSTM, Adam, Affine, Embedding, Sequential, fit
from handgrad.train.text import preprocess, truncated_batches

text = "".join(c if c in "abcdefghijklmnopqrstuvwxyz.," else " " for c in english().lower())
text = " ".join(text.split())[: of(150_000, 20_000)]
corpus, vocabulary = preprocess(text, list)
V = len(vocabulary)
x, t = (np.concatenate(part) for part in zip(*truncated_batches(corpus, 32, 40)))
network = Sequential(Embedding(V, 32), LSTM(128, stateful=True), Affine(V), seed=1)
history = fit(network, x, t, optimizer=Adam(0.003, clip_norm=1.0), epochs=of(15, 1), batch=32,
              shuffle=False, metrics=[])  # fmt: skip
start = [vocabulary.word_to_id[c] for c in "the "]
rng = np.random.default_rng(0)


def log_p(ids):
    """ln p of what follows each of some texts."""
    y = network.predict(np.array(ids))[:, -1].astype(float)
    y -= y.max(axis=1, keepdims=True)
    return y - np.log(np.exp(y).sum(axis=1, keepdims=True))


def sampled(length, temperature=1.0, k=V):
    ids = list(start)
    for _ in range(length):
        scores = log_p([ids])[0] / temperature
        scores[np.argsort(scores)[:-k]] = -np.inf
        p = np.exp(scores - scores.max())
        ids.append(int(rng.choice(V, p=p / p.sum())))
    return ids


def beam(length, width=5):
    beams = [(0.0, list(start))]
    for _ in range(length):
        after = log_p([ids for _, ids in beams])
        best = [(s + row[c], [*ids, c]) for (s, ids), row in zip(beams, after) for c in range(V)]
        beams = sorted(best, key=lambda pair: -pair[0])[:width]
    return beams[0][1]


length = of(60, 10)
ways = {
    "greedy": sampled(length, k=1), "beam of 5": beam(length), "top 5": sampled(length, k=5),
    "temperature 0.5": sampled(length, 0.5), "temperature 1.5": sampled(length, 1.5),
}  # fmt: skip
figure, axes = panels(2, width=4)
curves(axes[0], "loss", "epoch", loss=history["loss"])
axes[1].axis("off")
for i, (name, ids) in enumerate(ways.items()):
    said = "".join(vocabulary.id_to_word[c] for c in ids).replace("\n", " ")
    mean = np.mean([log_p([ids[:j]])[0, ids[j]] for j in range(4, len(ids))])
    axes[1].text(0, 0.9 - 0.2 * i, f"{name} (ln p {mean:.2f} a character)\n   {said}", fontsize=7)
perplexity = np.exp(history["loss"][-1])
done(__file__, figure, f"{len(corpus):,} characters, perplexity {perplexity:.2f} of {V}")
