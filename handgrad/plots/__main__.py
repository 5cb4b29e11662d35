"""`python -m handgrad.plots FOLDER`: one picture of each kind, as docs/pictures.md shows them."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from handgrad import plots
from handgrad.layers import (
    GELU,
    Affine,
    BatchNorm,
    Convolution,
    DotProductAttention,
    Mean,
    ReLU,
    Sigmoid,
    Tanh,
)
from handgrad.network import Sequential
from handgrad.optim import SGD, AdaGrad, Adam, Momentum
from handgrad.train import accuracy, digits, fit, spiral, split

DPI = 90


def convnet() -> tuple[Any, ...]:
    """A small convolutional network that has learned the digits, and the part held out."""
    x, t, x_test, t_test = split(*digits(images=True))
    network = Sequential(
        Convolution(16, 3, pad=1), ReLU(), Convolution(32, 3, pad=1), ReLU(), Mean(axis=(2, 3)),
        Affine(10),
    )  # fmt: skip
    history = fit(network, x, t, epochs=30, validation=(x_test, t_test), progress=False)
    return network, history, x_test, t_test


def of_digits() -> Iterator[tuple[str, Any]]:
    """The pictures of a network that reads digits."""
    network, history, x, t = convnet()
    yield "learning-curve", plots.draw_learning_curve(history, "accuracy", held_out="test")
    yield "images", plots.draw_images(x[:40], columns=10)
    yield "filters", plots.draw_filters(network, columns=8)
    yield "feature-maps", plots.draw_feature_maps(network, x[0], columns=8)
    yield "misclassified", plots.draw_misclassified(network, x, t, most=6)
    yield "saliency", plots.draw_saliency(network, x[:4])
    yield "grad-cam", plots.draw_grad_cam(network, x[:4], layer="3")
    yield "integrated-gradients", plots.draw_integrated_gradients(network, x[:4])
    yield "occlusion", plots.draw_occlusion(network, x[:4], size=2)
    vectors = plots.activations(network, x)["4"]
    yield "embedding", plots.draw_embedding(vectors[t < 5], groups=t[t < 5])


def of_functions() -> Iterator[tuple[str, Any]]:
    """The pictures of functions, initial weights and optimizers."""
    yield "functions", plots.draw_functions([Sigmoid(), Tanh(), ReLU(), GELU()])
    x = np.random.default_rng(0).normal(size=(500, 100)).astype(np.float32)

    def deep(init: Any) -> Any:
        return Sequential(*(part for _ in range(4) for part in (Affine(100, init=init), Tanh())))

    rules: dict[str, Any] = {"std 1": 1.0, "std 0.01": 0.01, "xavier": "xavier"}
    by_rule = {rule: list(plots.activations(deep(init), x).values())[1::2]
               for rule, init in rules.items()}  # fmt: skip
    yield "initial-weights", plots.draw_activations(by_rule, limits=(-1, 1))
    optimizers = {"SGD": SGD(0.95), "Momentum": Momentum(0.1), "AdaGrad": AdaGrad(1.5),
                  "Adam": Adam(0.3)}  # fmt: skip
    yield (
        "optimizers",
        plots.draw_optimizer_paths(lambda x, y: x**2 / 20 + y**2, optimizers, (-7, 2)),
    )


def of_networks() -> Iterator[tuple[str, Any]]:
    """The pictures of decisions, attention and depth."""
    x, t = spiral()
    network = Sequential(Affine(50), ReLU(), Affine(50), ReLU(), Affine(3))
    fit(network, x, t, epochs=150, progress=False)
    yield "boundary", plots.draw_boundary(network, x, t)
    words = ["the", "cat", "sat", "on", "the", "mat"]
    known = {w: np.random.default_rng(i).normal(size=8) for i, w in enumerate(sorted({*words}))}
    q = np.array([[known[w] for w in words]])
    layer = DotProductAttention()
    layer.forward(q, q, q)
    yield "attention", plots.draw_attention(layer.weights[0], words, words)
    x, t, x_test, t_test = split(*digits())
    depths: dict[str, dict[int, float]] = {"plain": {}, "batch norm": {}}
    for name, by in depths.items():
        for depth in (1, 2, 4, 8, 12):
            norm = [BatchNorm] * (name == "batch norm")
            parts: list[Any] = [lambda: Affine(30), *norm, ReLU]
            hidden = [make() for _ in range(depth - 1) for make in parts]
            network = Sequential(*hidden, Affine(10))
            fit(network, x, t, epochs=8, progress=False)
            by[depth] = accuracy(network.predict(x_test), t_test)
    yield "depth", plots.draw_depth(depths)


GROUPS: tuple[Callable[[], Iterator[tuple[str, Any]]], ...] = (of_digits, of_functions, of_networks)


def main(folder: Path) -> None:
    """Write every picture into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for group in GROUPS:
        for name, axes in group():
            write_small(np.ravel(axes)[0].figure, folder / f"{name}.png")


def write_small(figure: Any, path: Path) -> None:
    """A PNG file of few colours, which is a third as large and looks the same."""
    from PIL import Image

    whole = io.BytesIO()
    figure.savefig(whole, dpi=DPI)
    few = Image.open(whole).convert("RGB").quantize(48, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("python -m handgrad.plots FOLDER")
    main(Path(sys.argv[1]))
