"""DeepConvNet: six convolutions and dropout; saved, loaded, and the mistakes it is surest of."""

import sys
import tempfile
from pathlib import Path

import numpy as np
from frame import done, handwritten, images, of, panels

import handgrad as hg

sys.path.append(str(Path(__file__).parents[1]))
from networks import deep_convnet

name, x, t, x_test, t_test = handwritten(images=True)
x, t = x[: of(20_000, 200)], t[: of(20_000, 200)]
x_test, t_test = x_test[: of(10_000, 300)], t_test[: of(10_000, 300)]
network = deep_convnet(seed=1)
hg.fit(network, x, t, optimizer=hg.Adam(0.001), epochs=of(2, 1), batch=100)
with tempfile.TemporaryDirectory() as folder:
    hg.save(network, Path(folder) / "deep.safetensors")
    size = (Path(folder) / "deep.safetensors").stat().st_size
    pretrained = hg.load(Path(folder) / "deep.safetensors")
scores = pretrained.predict(x_test)
guess = scores.argmax(axis=1)
wrong = np.flatnonzero(guess != t_test)
sure = np.argsort(-scores[wrong, guess[wrong]])[:16]
figure, (panel,) = panels(1, width=3.5, height=3.5)
images(panel, "mistakes it is surest of", x_test[wrong[sure], 0], 4)
pairs = " ".join(f"{t_test[i]}→{guess[i]}" for i in wrong[sure])
panel.set_xlabel(pairs, fontsize=6, wrap=True)
same = np.array_equal(scores, network.predict(x_test))
done(
    __file__, figure,
    f"{name}, {len(x)} samples: test accuracy {np.mean(guess == t_test):.2%} from a file of "
    f"{size / 1e6:.1f} MB, {'the same bits' if same else 'other bits'} as before",
)  # fmt: skip
