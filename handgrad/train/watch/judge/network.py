"""Signs in the network: what it is made of, how it starts, what its layers let through."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from handgrad.layers import BatchNorm, Dropout, SoftmaxCrossEntropy
from handgrad.train.watch.finding import OutputReading, ParameterReading, Reading
from handgrad.train.watch.judge.inputs import Bounds, is_values
from handgrad.train.watch.judge.sign import Sign, percent, some
from handgrad.train.watch.measure.data import blind_loss, middle
from handgrad.train.watch.measure.evidence import Evidence, where
from handgrad.train.watch.measure.network import rms

# The values that activations can give, by what their names contain, lowest and highest.
RANGES = {"logsoftmax": (-np.inf, 0.0), "logsigmoid": (-np.inf, 0.0), "sigmoid": (0.0, 1.0),
          "tanh": (-1.0, 1.0), "softsign": (-1.0, 1.0), "softmax": (0.0, 1.0),
          "softplus": (0.0, np.inf), "leakyrelu": None, "prelu": None,
          "relu": (0.0, np.inf)}  # fmt: skip


def loss_at_start(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """A first loss far above that of a network that knows nothing."""
    start = e.readings[0]
    blind = blind_loss(e.trainer.loss, e.outputs)
    more, times = bounds
    if blind is None or start.step or not start.loss > blind + more:
        return
    size = max(_input_size(e), 1.0)
    if (scores := start.outputs[-1].rms) > times * size:
        yield Sign(
            _last(e), f"the loss is {start.loss:.3g}, that of equal probabilities {blind:.3g}, the "
            f"bound {more:g} more; the scores are {scores / size:.3g} times as large as the inputs",
            "likely", 0, {"loss": start.loss, "blind": blind, "scores": scores},
        )  # fmt: skip


def twice(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """Probabilities given to a loss that makes them of scores itself."""
    loss, y = e.trainer.loss, e.looks[0].y
    kind, name = e.readings[0].outputs[-1].kind, type(e.trainer.loss).__name__
    if isinstance(loss, SoftmaxCrossEntropy):
        whole = (y >= 0).all() and np.abs(y.sum(axis=-1, dtype=float) - 1).max() < bounds[0]
        if whole and y.shape[-1] > 1:
            yield Sign(
                _last(e), f"its outputs are ≥ 0 and sum to 1, and {name} takes scores, of which it "
                "makes the softmax itself", step=e.readings[0].step,
                advice=f"leave {kind} out, or use NegativeLogLikelihood after LogSoftmax",
            )  # fmt: skip
    elif name == "SigmoidCrossEntropy" and "sigmoid" in kind.lower():
        yield Sign(_last(e), f"its outputs lie from {y.min():.3g} to {y.max():.3g}, and {name} "
                   "takes scores, of which it makes the sigmoid itself", step=e.readings[0].step,
                   advice=f"leave {kind} out, or use BinaryCrossEntropy")  # fmt: skip


def out_of_reach(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """A last activation that cannot give what the loss asks for."""
    loss, kind, y = e.trainer.loss, e.readings[0].outputs[-1].kind, e.looks[0].y
    name, reach = type(loss).__name__, _range(kind)
    if name in ("NegativeLogLikelihood", "KLDivergence"):
        sums = np.exp(y.astype(float)).sum(axis=-1)
        if np.abs(sums - 1).max() > bounds[0]:
            yield Sign(
                _last(e), f"{name} takes logarithms of probabilities; those of its outputs sum to "
                f"{middle(sums):.3g}", advice="let LogSoftmax be the last layer",
            )  # fmt: skip
    elif reach is None:
        return
    elif name in ("SoftmaxCrossEntropy", "SigmoidCrossEntropy", "Hinge"):
        told = kind.lower() in ("logsoftmax",) or (name == "Hinge" and "tanh" in kind.lower())
        if not told and not any(True for _ in twice(e, (1e-3,))):
            yield Sign(_last(e), f"its outputs lie {_words(reach)}, and {name} "
                       "takes scores from −∞ to ∞", advice=f"leave {kind} out")  # fmt: skip
    elif is_values(loss):
        t = e.trainer.t
        outside = float(((t < reach[0]) | (t > reach[1])).mean())
        if outside > bounds[0]:
            yield Sign(
                _last(e), f"its outputs lie {_words(reach)}; {percent(outside)} of the "
                f"targets, from {t.min():.3g} to {t.max():.3g}, lie outside",
                numbers={"outside": outside},
                advice=f"leave {kind} out, or scale the targets to its range",
            )  # fmt: skip


def labels_as_numbers(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """Classes 0, 1, 2, … that the loss takes as values."""
    t = e.trainer.t
    if not is_values(e.trainer.loss) or t.size != len(t) or (t != np.round(t)).any():
        return
    if t.min() < 0 or t.max() > bounds[0]:
        return
    counts = np.bincount(t.ravel().astype(int))
    classes = len(counts)
    low, high = counts.min() / len(t), counts.max() / len(t)
    if classes >= 3 and low * 3 * classes >= 1 and len(t) >= 10 * classes:
        yield Sign(
            "t", f"the integers from 0 to {classes - 1}, each in {percent(low)} to {percent(high)} "
            f"of the samples: they look like labels, and {type(e.trainer.loss).__name__} takes "
            "them as values", "hint", numbers={"classes": float(classes)},
        )  # fmt: skip


def symmetric(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """Units that start equal, get equal gradients, and so stay equal."""
    if e.readings[0].step == 0 and (alike := e.looks[0].alike):
        yield Sign(some(alike), "all units have the same weights and the same gradients", step=0)


def dropout(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """Dropout of the outputs themselves, or of nearly everything."""
    outputs = [o for o in e.readings[0].outputs if "softmax" not in o.kind.lower()]
    if outputs and "dropout" in outputs[-1].kind.lower():
        last = outputs[-1]
        yield Sign(where(last.path, last.kind), "no layer with weights follows: the outputs "
                   "themselves are switched off", step=0)  # fmt: skip
        return
    for path, layer in e.layers(Dropout):
        if layer.ratio >= bounds[0]:
            yield Sign(
                where(path, type(layer).__name__), f"it switches {percent(layer.ratio)} off, the "
                f"bound is {percent(bounds[0])}; {percent(e.left)} of the loss is left", "likely",
                numbers={"ratio": layer.ratio, "left": e.left},
            )  # fmt: skip


def small_batches(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """BatchNorm over too few values for a mean and a variance."""
    shapes = {o.path: o.shape for o in e.readings[0].outputs}
    for path, _ in e.layers(BatchNorm):
        if (shape := shapes.get(path)) is None:
            continue
        values = e.trainer.task.batch * int(np.prod(shape[2:]))
        if values < bounds[0]:
            said = "then its output is β, whatever comes in" if values == 1 else \
                f"the bound is {bounds[0]:g}"  # fmt: skip
            yield Sign(
                where(path, "BatchNorm"), f"{values} value{'s' if values > 1 else ''} of a channel "
                f"in a batch of {e.trainer.task.batch}; {said}",
                "measured" if values == 1 else "likely", numbers={"values": float(values)},
            )  # fmt: skip


def no_activation(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """Two linear layers with nothing between them, which are one."""
    for path, (inputs, units), (_, outputs) in e.looks[0].stacked:
        if units >= min(inputs, outputs):
            yield Sign(f"layer {path}", "its input is the output of another linear layer, with "
                       f"{units} units: together they are one of {inputs} × {outputs}")  # fmt: skip


def dead(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """ReLUs that give 0 for every sample."""
    last = e.readings[-1]
    for o in last.outputs:
        if o.dead is None:
            continue
        units = o.shape[1] if len(o.shape) > 3 else o.shape[-1]
        bound = min(0.5 + 1.5 / units**0.5, bounds[0])
        if o.dead >= bounds[0] or (o.dead > bound and e.left > 0.5):
            begin = next((r.step for r in e.readings if _at(r, o.path, o.kind) >= bound), last.step)
            yield Sign(where(o.path, o.kind), f"{percent(o.dead)} of {units} units give 0 for all "
                       f"{last.samples} samples looked at, the bound is {percent(bound)}",
                       step=begin, numbers={"dead": o.dead})  # fmt: skip


def saturated(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """Sigmoids and tanhs so far out that their derivative is nearly 0."""
    first, last = e.readings[0], e.readings[-1]
    for a, b in zip(first.outputs[:-1], last.outputs[:-1]):
        if a.saturated is not None and a.saturated > bounds[0]:
            yield _flat(a, first, bounds[0])
        elif b.saturated is not None and b.saturated > bounds[1] and e.left > 0.5:
            yield _flat(b, last, bounds[1])


def vanishing(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """A first layer that moves far less than the last, because little gradient comes to it; or
    signals that fade on their way through."""
    start = e.readings[0]
    sizes = [o for o in start.outputs if o.rms > 0]
    faint = sizes[-1].rms / _input_size(e) if sizes and _input_size(e) else 1.0
    if start.step == 0 and faint < bounds[1] and e.left > 0.5 and sizes[-1] is start.outputs[-1]:
        yield Sign(_last(e), f"its outputs are {faint:.2g} times as large as the inputs, the bound "
                   f"is {bounds[1]:g}: so small are the weights, and the gradients", step=0,
                   numbers={"signal": faint})  # fmt: skip
        return
    seen = [r for r in e.readings if any(p.update for p in r.parameters)]
    found = []
    for r in seen:
        weights = _weights(e, r)
        gradients = _gradients_of(r, [p.path for p in weights])
        if len(weights) < 2 or len(gradients) < 2:
            return
        ratios = [p.ratio or 0.0 for p in weights]
        fast = max(ratios)
        share = gradients[0][1] / max(g for _, g in gradients) if gradients else 1.0
        bound = bounds[0]
        if fast and ratios[0] < bound * fast and share < bound:
            found.append((r, weights[0].path, ratios[0] / fast, share))
    if len(found) < max(2, 0.6 * len(seen)):
        return
    r, path, move, share = found[-1]
    yield Sign(path, f"the gradient is {share:.2g} of that of the last layer, and an update moves "
               f"it {move:.2g} times as far in proportion; the bound of both is {bounds[0]:g}",
               step=r.step, numbers={"gradient": share, "update": move})  # fmt: skip


def exploding(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """Signals or gradients that grow from layer to layer, or a loss that a breath moves."""
    r = e.readings[0]
    times, sensitivity = bounds
    outputs = [o for o in r.outputs if o.path and o.signal > 0]
    if len(outputs) > 2:
        grown = max(o.signal for o in outputs) / outputs[0].signal
        if grown > times:
            top = max(outputs, key=lambda o: o.signal)
            yield Sign(where(top.path, top.kind), f"its outputs are {grown:.3g} times as large as "
                       f"those of the first layer, the bound is {times:g}", step=r.step,
                       numbers={"growth": grown})  # fmt: skip
            return
    size = float(np.linalg.norm([p.rms * np.prod(p.shape) ** 0.5 for p in r.parameters]))
    loss = abs(r.loss)
    if loss and (s := r.gradient_norm * size / loss) > sensitivity:
        top_p = max(r.parameters, key=lambda p: p.gradient * np.prod(p.shape) ** 0.5)
        yield Sign(
            top_p.path, f"one percent more weight changes the loss by {s:.3g} percent, the bound "
            f"is {sensitivity:g}", step=r.step, numbers={"sensitivity": s},
        )  # fmt: skip


def stops(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """A layer that gradients do not pass, and parameters that no output depends on."""
    if unused := e.looks[0].unused:
        yield Sign(some(unused), "no output depends on it", advice="use the layer in __call__, or "
                   "leave it out")  # fmt: skip
    first, last = e.readings[0], e.readings[-1]
    still = [p.path for p, q in zip(first.parameters, last.parameters)
             if not (p.gradient or q.gradient or p.frozen) and p.path not in unused]  # fmt: skip
    if not still:
        return
    for o in reversed(last.outputs):
        if o.gradient and _blocks(o, last):
            yield Sign(where(o.path, o.kind), f"a gradient of size {o.gradient:.3g} comes to it, "
                       f"and 0 leaves it: {some(still)} cannot learn", step=last.step)  # fmt: skip
            return


def wrong_gradient(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """A backward that disagrees with the loss itself."""
    wrong = [(p, r) for p, r in e.slopes.items() if abs(r - 1) > bounds[0]]
    if wrong:
        path, ratio = wrong[-1]
        others = f"; wrong too: {some(p for p, _ in wrong[:-1])}" if wrong[1:] else ""
        yield Sign(path, f"along its gradient the loss changes {ratio:.3g} times as fast as the "
                   f"gradient says{others}", step=e.readings[0].step,
                   numbers={"ratio": ratio})  # fmt: skip


def unmoved(e: Evidence, bounds: Bounds) -> Iterator[Sign]:
    """Updates that change no parameter."""
    if e.trials and not any(trial.moved for trial in e.trials):
        frozen = all(p.frozen for p in e.readings[0].parameters)
        why = "all parameters are frozen" if frozen else \
            f"the learning rate is {e.readings[0].lr:.3g}"  # fmt: skip
        if e.readings[0].gradient_norm or frozen:
            yield Sign("all parameters", f"no update changed one; {why}",
                       step=e.trials[0].step)  # fmt: skip


def _input_size(e: Evidence) -> float:
    """The root mean square of the inputs; of integers, such as words, that of the first output."""
    return rms(e.columns.rms) if e.trainer.x.dtype.kind == "f" else e.readings[0].outputs[0].rms


def _last(e: Evidence) -> str:
    o = e.readings[0].outputs[-1]
    return where(o.path, o.kind)


def _words(reach: tuple[float, float]) -> str:
    return f"from {reach[0]:g} to {reach[1]:g}".replace("inf", "∞").replace("-∞", "−∞")


def _range(kind: str) -> tuple[float, float] | None:
    return next((r for name, r in RANGES.items() if name in kind.lower()), None)


def _at(r: Reading, path: str, kind: str) -> float:
    return max((o.dead or 0.0 for o in r.outputs if (o.path, o.kind) == (path, kind)), default=0.0)


def _flat(o: OutputReading, r: Reading, bound: float) -> Sign:
    assert o.saturated is not None
    return Sign(where(o.path, o.kind), f"at {percent(o.saturated)} of its outputs the derivative "
                f"is below a twentieth of its largest, the bound is {percent(bound)}", step=r.step,
                numbers={"saturated": o.saturated})  # fmt: skip


def _weights(e: Evidence, r: Reading) -> list[ParameterReading]:
    """Matrices and kernels in forward order, but for frozen ones and tables of rows."""
    order = {o.path: i for i, o in reversed(list(enumerate(r.outputs)))}
    kinds = {o.path: o.kind for o in r.outputs}
    held = [p for p in r.parameters if len(p.shape) > 1 and not p.frozen
            and "Embedding" not in kinds.get(p.path.rpartition(".")[0], "")]  # fmt: skip
    return sorted(held, key=lambda p: order.get(p.path.rpartition(".")[0], 0))


def _gradients_of(r: Reading, paths: list[str]) -> list[tuple[str, float]]:
    """The gradients with respect to the outputs of the layers with these parameters."""
    owners = {path.rpartition(".")[0] for path in paths}
    return [(o.path, o.gradient) for o in r.outputs if o.path in owners and o.gradient is not None]


def _blocks(o: OutputReading, r: Reading) -> bool:
    """Whether no gradient leaves a layer: no output before it has one."""
    before = r.outputs[: r.outputs.index(o)]
    return bool(before) and not any(b.gradient for b in before)
