"""Learning to rank: ListNet and RankNet against a regression of the relevance, by NDCG."""

import numpy as np
from frame import curves, done, of, panels

import handgrad as hg
from handgrad.metrics import ndcg

rng = np.random.default_rng(0)
DOCUMENTS = 12


def queries(n):
    """Lists of documents of which a few are relevant; each user grades by a scale of his own."""
    x = rng.standard_normal((n, DOCUMENTS, 6))
    merit = x[..., 0] + np.tanh(2 * x[..., 1]) - 0.5 * x[..., 2] ** 2 + 0.5 * x[..., 3] * x[..., 4]
    merit += 0.5 * rng.standard_normal(merit.shape)
    strict = rng.normal(1.0, 1.0, (n, 1))  # what one calls good is poor to another
    return x.astype(np.float32), np.clip(np.round(merit - strict + 1), 0, 4)


x, t = queries(of(1500, 150))
x_test, t_test = queries(500)
lines = {}
for loss in (hg.ListNet(), hg.RankNet(), hg.MeanSquaredError()):
    network = hg.Sequential(hg.Affine(32), hg.ReLU(), hg.Affine(32), hg.ReLU(), hg.Affine(1),
                            hg.Flatten(), seed=1)  # fmt: skip
    name = type(loss).__name__
    lines[name] = []

    def measure(trainer, line=lines[name]):
        line.append(ndcg(trainer.network.predict(x_test), t_test, k=5))

    hg.fit(network, x, t.astype(np.float32), loss=loss, optimizer=hg.Adam(0.003), metrics=[],
           epochs=of(15, 3), batch=50, callbacks=[hg.train.Call(measure)])  # fmt: skip
chance = ndcg(rng.standard_normal(t_test.shape), t_test, k=5)
figure, (panel,) = panels(1, width=3.5)
curves(panel, "NDCG of the first five", "epoch", **lines)
done(
    __file__, figure,
    "NDCG@5 of unseen queries: "
    + ", ".join(f"{name} {line[-1]:.3f}" for name, line in lines.items())
    + f", by chance {chance:.3f}",
)  # fmt: skip
