"""Text without spaces, split into words by a recurrent network that sees where they begin."""

import numpy as np
from frame import curves, done, english, of, panels

from handgrad import GRU, Adam, Affine, Bidirectional, Embedding, Sequential, fit
from handgrad.metrics import f1

text = english().lower()[: of(200_000, 10_000)]
text = " ".join("".join(c if "a" <= c <= "z" else " " for c in text).split())
letters = np.frombuffer(text.replace(" ", "").encode(), np.uint8).astype(int) - ord("a")
begins = np.array([i == 0 or text[i - 1] == " " for i, c in enumerate(text) if c != " "]).astype(
    int
)
STEPS, cut = 40, len(letters) * 9 // 10


def rows(a):
    return a[: len(a) // STEPS * STEPS].reshape(-1, STEPS)


x, t = rows(letters[:cut]), rows(begins[:cut])
x_test, t_test = rows(letters[cut:]), rows(begins[cut:])
network = Sequential(
    Embedding(26, 24), Bidirectional(GRU(of(64, 16)), GRU(of(64, 16))), Affine(2), seed=1
)
history = fit(network, x, t, optimizer=Adam(0.005, clip_norm=1.0), epochs=of(12, 2), batch=32,
              validation=(x_test, t_test))  # fmt: skip
found = network.predict(x_test).argmax(axis=-1)
score = f1(found.reshape(-1), t_test.reshape(-1), average=None)[1]
names = {"training": history["accuracy"], "end of the text": history["val_accuracy"]}
figure, axes = panels(2, width=3.6)
curves(axes[0], "borders right", "epoch", **names)
axes[1].axis("off")
for i, (ids, starts) in enumerate(zip(x_test[:8], found)):
    said = "".join((" " if s else "") + chr(97 + c) for c, s in zip(ids, starts))
    axes[1].text(0, 0.9 - 0.12 * i, said, family="monospace", fontsize=7)
done(__file__, figure, f"F1 of the word borders in the last tenth of the text: {score:.1%}")
