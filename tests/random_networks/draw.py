"""Draw: a random training from a seed, small enough to be read when it fails."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

import handgrad as hg
from handgrad.optim.schedules import CosineDecay, ExponentialDecay, StepDecay, WarmUp

CLASSES, VOCABULARY = 4, 9
Shape = tuple[int, ...]


@dataclass
class Training:
    """A network, its data, and how it learns. `options` are of `fit`."""

    network: hg.Network
    x: np.ndarray
    t: np.ndarray
    options: dict[str, Any]

    def __str__(self) -> str:
        options = self.options | {
            name: "given" for name in ("validation", "sample_weights") if name in self.options
        }
        shown = show(self.network, uses(self.network))
        x, t = (f"{a.dtype}{a.shape}" for a in (self.x, self.t))
        return f"{shown}\n  x {x}, t {t}, {options}"


def show(layer: Any, uses: Counter[int]) -> str:
    """A layer with what it holds, as one would write it; what is used twice has a name."""
    text = repr(layer)
    if isinstance(layer, hg.Network):
        text = f"{type(layer).__name__}({', '.join(show(m, uses) for m in layer.members)})"
    return f"[shared {list(uses).index(id(layer))}: {text}]" if uses[id(layer)] > 1 else text


def uses(layer: Any) -> Counter[int]:
    """How often each layer is used in a network, by its identity."""
    members = layer.members if isinstance(layer, hg.Network) else ()
    return sum(map(uses, members), Counter([id(layer)]))


class Draw:
    """Layers drawn for a shape; `shared` are those that may be used again."""

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)
        self.shared: dict[Shape, list[Any]] = {}

    def pick(self, *choices: Any) -> Any:
        """One of the choices, called where it is a function without arguments."""
        chosen = choices[self.rng.integers(len(choices))]
        return chosen() if callable(chosen) and not isinstance(chosen, type) else chosen

    def integer(self, low: int, high: int) -> int:
        """low ≤ i ≤ high."""
        return int(self.rng.integers(low, high + 1))

    def activation(self) -> Any:
        """An elementwise layer, smooth or with a kink."""
        return self.pick(
            hg.ReLU, hg.Tanh, hg.Sigmoid, hg.ELU, hg.GELU, hg.SELU, hg.SiLU, hg.Softplus, hg.Mish,
            hg.LeakyReLU, hg.CELU, hg.Softsign, hg.ReLU6, hg.HardSwish, hg.HardSigmoid, hg.PReLU,
        )()  # fmt: skip

    def keeping(self, shape: Shape) -> Any:
        """A layer whose output has the shape of its input."""
        rank, last = len(shape), shape[-1]
        choices: list[Any] = [self.activation, self.activation, lambda: hg.Dropout(0.3),
                              lambda: self.residual(shape)]  # fmt: skip
        if shape in self.shared:
            choices += [lambda: self.pick(*[lambda s=s: s for s in self.shared[shape]])] * 2
        if rank == 1:
            choices += [lambda: self.share(shape, hg.Affine(last)), hg.BatchNorm, hg.LayerNorm,
                        hg.RMSNorm]  # fmt: skip
        if rank == 2:
            heads = next(h for h in (2, 1) if last % h == 0)
            choices += [
                lambda: self.share(shape, hg.Affine(last)), hg.LayerNorm,
                lambda: hg.MultiHeadAttention(heads, causal=self.pick(True, False)),
                lambda: hg.VariationalDropout(0.3), hg.SinePosition, hg.RMSNorm,
                lambda: self.share(shape, self.recurrent(last)),
            ]  # fmt: skip
        if rank == 3:
            channels = shape[0]
            choices += [
                hg.BatchNorm, lambda: hg.SpatialDropout(0.3), hg.InstanceNorm,
                lambda: self.share(shape, hg.Convolution(channels, 3, pad=1)),
                lambda: hg.GroupNorm(1), lambda: hg.MaxPooling(3, stride=1, pad=1),
            ]  # fmt: skip
        layer = self.pick(*choices)
        return layer() if isinstance(layer, type) else layer

    def share(self, shape: Shape, layer: Any) -> Any:
        """Remembers a layer, so that it may be used once more."""
        self.shared.setdefault(shape, []).append(layer)
        return layer

    def recurrent(self, hidden: int) -> Any:
        """(T, D) → (T, hidden)."""
        kind = self.pick(hg.RNN, hg.LSTM, hg.GRU)
        if hidden % 2 == 0 and self.rng.random() < 0.3:
            return hg.Bidirectional(kind(hidden // 2), kind(hidden // 2))
        return kind(hidden)

    def residual(self, shape: Shape) -> Any:
        """x + f(x)."""
        return hg.Residual(*[self.keeping(shape) for _ in range(self.integer(1, 2))])

    def changing(self, shape: Shape) -> tuple[Any, Shape]:
        """A layer with another output shape, and that shape."""
        width = self.integer(3, 6)  # of two, a norm keeps only the sign
        if len(shape) == 1:
            if self.rng.random() < 0.3:
                other = self.integer(3, 6)
                return hg.Parallel(hg.Affine(width), hg.Affine(other)), (width + other,)
            return hg.Affine(width), (width,)
        if len(shape) == 2:
            layer = self.pick(lambda: hg.Affine(width), lambda: self.recurrent(width))
            return layer, (shape[0], width)
        channels, h, w = shape
        if h >= 4 and w >= 4 and self.rng.random() < 0.5:
            pool = self.pick(lambda: hg.MaxPooling(2), lambda: hg.AveragePooling(2))
            return pool, (channels, h // 2, w // 2)
        return hg.Convolution(width, 3, pad=1), (width, h, w)

    def body(self, shape: Shape) -> tuple[list[Any], Shape]:
        """A few layers, nested here and there, and the shape of their output."""
        layers: list[Any] = []
        for _ in range(self.integer(1, 4)):
            if self.rng.random() < 0.6:
                some: Any = [self.keeping(shape) for _ in range(self.integer(1, 2))]
            else:
                layer, shape = self.changing(shape)
                some = [layer]
            layers += [hg.Sequential(*some)] if self.rng.random() < 0.2 else some
        return layers, shape

    def rate(self, loss: Any) -> Any:
        """A learning rate or a schedule of it; a smaller one for a sum: nothing shall diverge."""
        lr = 0.001 if isinstance(loss, hg.SumSquaredError) else 0.02
        return self.pick(
            lr, lambda: StepDecay(lr, every=2, factor=0.5), lambda: CosineDecay(lr, steps=5),
            lambda: ExponentialDecay(lr, every=3, factor=0.5),
            lambda: WarmUp(CosineDecay(lr, steps=4), steps=2),
        )  # fmt: skip

    def optimizer(self, loss: Any) -> Any:
        """An update rule. Where it divides by gradients, ε is large: 0 / 0 is no difference."""
        kind = self.pick(hg.SGD, hg.Momentum, hg.Nesterov, hg.AdaGrad, hg.RMSProp, hg.AdaDelta,
                         hg.Adam, hg.AdamW, hg.AMSGrad, hg.NAdam, hg.RAdam)  # fmt: skip
        options = self.pick({}, {}, {"l2": 0.01}, {"clip_norm": 0.5}, {"clip_value": 0.05})
        if kind not in (hg.SGD, hg.Momentum, hg.Nesterov):
            options = options | {"eps": 0.01}
        return kind(self.rate(loss), **options)

    def labels(self, count: Shape, options: dict[str, Any]) -> Any:
        """Labels of this shape, with a loss for them."""
        t = self.rng.integers(0, CLASSES, count)
        settings: dict[str, Any] = {}
        if self.rng.random() < 0.3:
            settings["class_weights"] = self.rng.uniform(0.2, 3, CLASSES).astype(np.float32)
        if self.rng.random() < 0.3:
            settings["ignore_index"] = -1
            t[self.rng.random(count) < 0.3] = -1
            t[0] = 0  # something counts in every part of the data
        if self.rng.random() < 0.2:
            settings["label_smoothing"] = 0.1
        if settings or self.rng.random() < 0.5:
            options["loss"] = hg.SoftmaxCrossEntropy(**settings)
        return t

    def values(self, shape: Shape, options: dict[str, Any]) -> Any:
        """Real targets of this shape, with a loss for them."""
        losses = [hg.MeanSquaredError, hg.SumSquaredError, hg.MeanAbsoluteError, hg.Huber,
                  hg.SigmoidCrossEntropy, hg.Hinge]  # fmt: skip
        options["loss"] = loss = self.pick(*losses)()
        if isinstance(loss, hg.Hinge):
            return self.rng.choice([-1.0, 1.0], shape).astype(np.float32)
        return self.rng.uniform(0, 1, shape).astype(np.float32)

    def training(self, seed: int) -> Training:
        """Everything together."""
        rows = self.integer(5, 14)
        kind = self.pick("vector", "sequence", "image", "ids", "integers")
        shape: Shape = {
            "vector": (self.integer(3, 7),), "integers": (self.integer(3, 7),),
            "sequence": (self.integer(2, 5), self.integer(3, 6)),
            "image": (self.integer(1, 3), self.integer(4, 6), self.integer(4, 6)),
            "ids": (self.integer(2, 5),),
        }[kind]  # fmt: skip
        x: Any = self.rng.normal(size=(rows, *shape)).astype(np.float32)
        first: list[Any] = []
        if kind == "integers":
            x = self.rng.integers(0, 5, x.shape)
        if kind == "ids":
            x, width = self.rng.integers(0, VOCABULARY, x.shape), self.integer(3, 6)
            first, shape = [hg.Embedding(VOCABULARY, width)], (*shape, width)
        layers, shape = self.body(shape)
        each = len(shape) == 2 and self.rng.random() < 0.6  # a label for each step
        if len(shape) > 1 and not each:
            layers, shape = [*layers, hg.Flatten()], (int(np.prod(shape)),)
        options: dict[str, Any] = {"seed": seed, "epochs": 2, "batch": self.integer(2, rows)}
        target = self.labels if self.rng.random() < 0.5 else self.values
        t = target((rows, *shape[:-1], *[CLASSES] * (target == self.values)), options)
        options["optimizer"] = self.optimizer(options.get("loss"))
        if self.rng.random() < 0.3:
            options["sample_weights"] = self.rng.uniform(0.1, 4, rows).astype(np.float32)
        if self.rng.random() < 0.3:
            options["validation"] = x[:4], t[:4]
        if self.rng.random() < 0.3:
            options["accumulate"] = self.integer(2, 3)
        network = hg.Sequential(*first, *layers, hg.Affine(CLASSES), seed=seed)
        self.tie(network.build(x))
        return Training(network, x, t, options)

    def tie(self, network: Any) -> None:
        """Now and then, two parameters of one shape become one."""
        if self.rng.random() < 0.8:
            return
        shapes: dict[Shape, list[str]] = {}
        for path, array in network.named_parameters().items():
            shapes.setdefault(array.shape, []).append(path)
        alike = [paths for paths in shapes.values() if len(paths) > 1]
        if alike:
            network.tie(*self.pick(*alike)[:2])


def draw(seed: int) -> Training:
    """The training of this seed."""
    return Draw(seed).training(seed)
