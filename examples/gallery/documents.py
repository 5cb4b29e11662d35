"""Document classification: is a piece of text Python, C++ or English? From this repository."""

import numpy as np
from frame import ROOT, done, of, panels

from handgrad import (
    Adam,
    Affine,
    Convolution,
    Embedding,
    GlobalMaxPooling,
    ReLU,
    Sequential,
    Transpose,
    fit,
)
from handgrad.metrics import confusion_matrix
from handgrad.train import split

SORTS = {"Python": "handgrad/layers/**/*.py", "C++": "native/*.cpp", "English": "docs/**/*.md"}
LENGTH = 60
rng = np.random.default_rng(0)
x, t = [], []
for label, pattern in enumerate(SORTS.values()):
    text = "".join(p.read_text(encoding="utf-8") for p in sorted(ROOT.glob(pattern)))
    text = " ".join(text.split())  # line ends and indentation would tell too much
    codes = np.minimum(np.frombuffer(text.encode("utf-32-le"), np.uint32), 127).astype(int)
    starts = rng.integers(0, len(codes) - LENGTH, of(2000, 300))
    x += [codes[i : i + LENGTH] for i in starts]
    t += [label] * len(starts)
x, t, x_test, t_test = split(np.array(x), np.array(t))
network = Sequential(
    Embedding(128, 16), Transpose((0, 2, 1)), Convolution(48, (5,)), ReLU(), GlobalMaxPooling(),
    Affine(len(SORTS)), seed=1,
)  # fmt: skip
history = fit(network, x, t, optimizer=Adam(0.003), epochs=of(8, 1), batch=64,
              validation=(x_test, t_test))  # fmt: skip
table = confusion_matrix(network.predict(x_test), t_test)
figure, (panel,) = panels(1, width=3)
panel.imshow(table, cmap="Blues")
for (i, j), count in np.ndenumerate(table):
    panel.text(j, i, int(count), ha="center", color="white" if count > table.max() / 2 else "black")
panel.set_xticks(range(3), SORTS)
panel.set_yticks(range(3), SORTS)
panel.set(xlabel="said", ylabel="is")
done(
    __file__, figure,
    f"{history['val_accuracy'][-1]:.1%} of {len(x_test)} unseen pieces of {LENGTH} characters",
)  # fmt: skip
