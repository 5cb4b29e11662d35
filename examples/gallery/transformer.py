"""A transformer language model in small: causal attention, SwiGLU, RMSNorm; and where it looks."""

import numpy as np
from frame import curves, done, english, of, panels

import handgrad as hg
from handgrad.train.text import preprocess

LENGTH, WIDTH, HEADS, BLOCKS = 64, of(64, 32), 4, 2
text = "".join(c for c in english().lower() if c in "abcdefghijklmnopqrstuvwxyz .,\n")
corpus, vocabulary = preprocess(text[: of(60_000, 6000)], list)
V, cut = len(vocabulary), len(corpus) * 9 // 10
rng = np.random.default_rng(0)


def block():
    attention = hg.Sequential(hg.RMSNorm(), hg.MultiHeadAttention(HEADS, causal=True))
    gated = hg.Sequential(hg.RMSNorm(), hg.Affine(4 * WIDTH), hg.SwiGLU(), hg.Affine(WIDTH))
    return hg.Residual(attention), hg.Residual(gated)


network = hg.Sequential(
    hg.Embedding(V, WIDTH), hg.LearnedPosition(LENGTH),
    *(part for _ in range(BLOCKS) for part in block()), hg.RMSNorm(), hg.Affine(V), seed=1,
)  # fmt: skip


def rows(part, step):
    at = np.arange(0, len(part) - LENGTH - 1, step)[:, None] + np.arange(LENGTH + 1)
    return part[at][:, :-1], part[at][:, 1:]


(x, t), (x_test, t_test) = rows(corpus[:cut], LENGTH // 2), rows(corpus[cut:], LENGTH)
steps = of(6, 1) * -(-len(x) // 32)
history = hg.fit(
    network, x, t, optimizer=hg.AdamW(hg.optim.CosineDecay(0.004, steps=steps), clip_norm=1.0),
    epochs=of(6, 1), batch=32, metrics=[], validation=(x_test, t_test),
)  # fmt: skip
ids = [vocabulary.word_to_id[c] for c in "the gradient "]
for _ in range(of(80, 10)):
    scores = network.predict(np.array([ids[-LENGTH:]]))[0, -1].astype(float) / 0.7
    p = np.exp(scores - scores.max())
    ids.append(int(rng.choice(V, p=p / p.sum())))
said = "".join(vocabulary.id_to_word[c] for c in ids).replace("\n", " ")
network.eval()
network.forward(x_test[:1])
layers = [layer for _, layer in hg.layer.walk(network) if isinstance(layer, hg.DotProductAttention)]
figure, axes = panels(3)
curves(axes[0], "loss", "epoch", training=history["loss"], held=history["val_loss"])
for panel, layer, name in zip(axes[1:], layers, ("first block", "second block")):
    panel.imshow(layer.weights[0].reshape(-1, LENGTH, LENGTH)[0] ** 0.5, cmap="Blues")
    panel.set(title=f"{name}: who looks where", xticks=[], yticks=[])
figure.suptitle(said, fontsize=7)
perplexity = np.exp(history["val_loss"][-1])
done(
    __file__, figure,
    f"{len(corpus):,} characters, {network.parameters.size:,} weights: perplexity "
    f"{perplexity:.2f} of {V} on the last tenth of the text",
)  # fmt: skip
