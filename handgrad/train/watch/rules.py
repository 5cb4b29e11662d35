"""The rules of the training doctor, one table: what each measures, its bounds, and why those.

A rule is skipped where one that explains it has found something. Where a rule is about the curves
it also reads a history alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from handgrad.train.watch.finding import GRADES, Finding
from handgrad.train.watch.judge import curves, inputs, network, rate, targets
from handgrad.train.watch.judge.sign import Sign
from handgrad.train.watch.measure.evidence import Evidence

DATA = ("constant-inputs", "inputs-scale", "constant-targets", "targets-scale")
STUCK = ("nothing-moves", "gradient-stops", "equal-weights", "wrong-gradient")
SIGNALS = ("exploding", "saturated", "dead-relu", "vanishing-gradient")


class Rule(NamedTuple):
    """One thing that may ail a training.

    name: also the anchor of its section in docs/doctor.md. bounds: of what `find` measures;
    reason: why these. after: the rules that explain it. alone: whether a history is enough.
    """

    name: str
    title: str
    find: Callable[[Evidence, tuple[float, ...]], Iterator[Sign]]
    bounds: tuple[float, ...]
    reason: str
    advice: str
    after: tuple[str, ...] = ()
    alone: bool = False


RULES = (
    Rule(
        "constant-inputs", "constant inputs", inputs.constant, (0.9,),
        "what never changes says nothing; where others hardly ever change (pixels of the rim), one "
        "that never does is no surprise; 0 does no harm",
        "look at how x is read: integer division, a wrong column, one file in place of many; "
        "leave constant columns out",
    ),
    Rule(
        "inputs-scale", "unscaled inputs", inputs.scale, (30.0, 1 / 30, 10.0),
        "the best learning rates of two columns differ by the square of the ratio of their sizes "
        "(LeCun 1998, section 4.3): 30 is a factor of 900, an offset of 10 deviations one of 100",
        "let Standardize.of(x) be the first layer, or divide pixels by 255 once",
    ),
    Rule(
        "constant-targets", "constant targets", targets.constant, (),
        "there is nothing to learn", "look at how t is read",
    ),
    Rule(
        "targets-scale", "unscaled targets", targets.scale, (30.0, 0.01, 10.0),
        "a new network gives values around 1: the bounds are those of inputs; below 0.01 the usual "
        "step of Adam moves outputs by more than the targets vary",
        "train on (t - t.mean()) / t.std(), and undo that on what is predicted",
    ),
    Rule(
        "validation-inputs", "validation inputs differ", inputs.held_out_differs, (3.0, 10.0),
        "half of the columns three standard deviations away are no chance; ten times the size is "
        "another unit",
        "scale both with the mean and deviation of the training data: Standardize.of(x_train)",
    ),
    Rule(
        "leakage", "validation samples in the training data", inputs.leakage, (0.01, 0.05),
        "copies across the two parts are compared with copies inside one, three standard errors "
        "and a percent above; where a column has nearly as many values as samples, copies are no "
        "chance",
        "take copies away before the data are divided: np.unique(x, axis=0); divide first, and "
        "augment or oversample after that",
    ),
    Rule(
        "target-among-inputs", "the target among the inputs", inputs.target_inside,
        (50, 0.9999),
        "a rank correlation of 1 is a copy, whatever its scale; 0.9999 leaves room for rounding",
        "leave the column out: it will not be known when predictions are made",
    ),
    Rule(
        "label-range", "labels begin at 1", targets.shifted_range, (10.0,),
        "of ten expected samples of a class none comes once in 20,000 times",
        "use t - 1, and one output fewer",
    ),
    Rule(
        "missing-class", "a class without training samples", targets.missing, (0.0,),
        "what was never shown cannot be named",
        "divide with split(x, t), which keeps the shares of classes, or shuffle first",
    ),
    Rule(
        "words", "words without training", inputs.tokens, (0.2, 0.5),
        "an embedding that was never trained is noise: a fifth of a text of it, or half of it one "
        "word, hides the rest",
        "build the vocabulary from the training text alone, map rare words to one unknown word "
        "there too, or use a larger vocabulary",
    ),
    Rule(
        "sorted-batches", "batches of one class", inputs.sorted_batches, (0.5,),
        "half of the batches, and twice what chance gives", "leave shuffle=False out",
    ),
    Rule(
        "softmax-twice", "softmax applied twice", network.twice, (1e-3,),
        "probabilities as scores lie in [0, 1]: then no class gets more than e / (e + C - 1)",
        "leave the last activation out",
    ),
    Rule(
        "last-activation", "the last activation does not fit the loss", network.out_of_reach,
        (0.01,), "a hundredth of the targets that no output reaches keep a part of the loss",
        "leave the last activation out, or choose the loss that belongs to it", ("softmax-twice",),
    ),
    Rule(
        "labels-as-values", "labels taken as values", network.labels_as_numbers, (20,),
        "values of a few classes, evenly filled from 0 on, are rarely a quantity",
        "give t as integers and the last layer one output per class",
    ),
    Rule(
        "dropout", "dropout in the wrong place, or too strong", network.dropout, (0.8,),
        "with four fifths off, the noise of a unit is twice its signal: √(p / (1 - p))",
        "put it between hidden layers, with a ratio from 0.1 to 0.5",
    ),
    Rule(
        "batchnorm-small-batch", "BatchNorm in a small batch", network.small_batches, (4,),
        "of n values the normalized ones are at most √(n - 1): of one 0, of two ±1, whatever comes",
        "use larger batches, or LayerNorm or GroupNorm, which do not look at other samples",
    ),
    Rule(
        "no-activation", "linear layers without an activation between", network.no_activation, (),
        "a product of matrices is a matrix; only a narrow middle layer makes it a smaller one",
        "put ReLU() between them, or leave one out",
    ),
    Rule(
        "nothing-moves", "nothing moves", network.unmoved, (), "the update is 0 to the bit",
        "unfreeze() the network, or give a learning rate above 0",
    ),
    Rule(
        "random-evaluation", "predictions are random", curves.evaluation_random, (),
        "the same weights and samples give the same bits",
        "let the layer look at self.training: noise is for training mode alone",
    ),
    Rule(
        "wrong-gradient", "backward disagrees with the loss", network.wrong_gradient, (0.5,),
        "the derivative along the gradient, by central differences, has errors of a few percent",
        "`handgrad check FILE.py`, or check(layer, x), says which mistake it is",
    ),
    Rule(
        "equal-weights", "equal weights", network.symmetric, (),
        "equal units with equal gradients stay equal for ever",
        "leave init out, or draw: init=\"he\" before ReLU, \"xavier\" before tanh",
    ),
    Rule(
        "exploding", "signals or gradients explode", network.exploding, (1000.0, 1000.0),
        "weights of the usual size keep both within about 10 times; a loss whose relative change "
        "is 1000 times that of the weights has no step that fits",
        "use the initial weights that belong to the activation, normalization between layers, and "
        "clip_norm=1", ("inputs-scale", "targets-scale"),
    ),
    Rule(
        "saturated", "saturated activations", network.saturated, (0.5, 0.9),
        "two layers with a derivative of a twentieth let a four-hundredth of the gradient through; "
        "sizes around 1 do not put half of the elements there",
        "use smaller initial weights (init=\"xavier\"), scaled inputs, or ReLU",
        ("inputs-scale", "equal-weights", "exploding"),
    ),
    Rule(
        "loss-at-start", "a first loss far too high", network.loss_at_start, (2.0, 3.0),
        "scores with deviation σ cost about σ²/2 more than ln C: 2 is σ = 2; weights of the usual "
        "size give scores of about the size of the inputs",
        "use smaller initial weights in the last layer",
        ("inputs-scale", "exploding", "softmax-twice"),
    ),
    Rule(
        "diverged", "the training diverged", rate.diverged, (), "NaN and infinity are measured",
        "look at the layer where it began: a logarithm or a quotient of 0, or steps too long",
        alone=True,
    ),
    Rule(
        "lr-too-high", "the learning rate is too high", rate.too_high, (0.5, 0.5, 1.2),
        "a step beyond twice the distance to the minimum along it raises the loss; weights that "
        "change by half of their size in a step have no memory; a loss that rises above that of "
        "no learning is not that of a minimum",
        "use a learning rate ten times smaller", ("inputs-scale", "targets-scale",
        "wrong-gradient"), alone=True,
    ),
    Rule(
        "dead-relu", "dead ReLUs", network.dead, (0.9,),
        "with weights drawn around 0 a unit is off for all samples half of the time at most, three "
        "standard errors above; a unit that is off gets no gradient",
        "use a smaller learning rate, biases that start at 0, init=\"he\", or LeakyReLU",
        ("equal-weights",),
    ),
    Rule(
        "gradient-stops", "gradients do not come through", network.stops, (),
        "a gradient of exactly 0 at the start and at the end",
        "use an activation with a derivative (Step has none), and look at its backward",
        ("dead-relu", "equal-weights", "nothing-moves", "wrong-gradient"),
    ),
    Rule(
        "vanishing-gradient", "vanishing gradients", network.vanishing, (0.01, 0.001),
        "a layer that moves a hundredth as far needs a hundred times the updates; weights of the "
        "usual size keep signals within a factor of ten or so",
        "use ReLU, the initial weights that belong to the activation, Residual blocks or "
        "BatchNorm; Adam makes up for a part", ("dead-relu", *STUCK, "saturated"),
    ),
    Rule(
        "lr-schedule", "the learning rate fades too early", rate.faded, (0.01,),
        "at a hundredth of the rate half of the training does a two-hundredth of the work",
        "let the schedule reach its end with the training: CosineDecay(lr, steps=…), in "
        "updates",
        alone=True,
    ),
    Rule(
        "decay-too-strong", "weight decay is too strong", rate.decay, (0.5, 0.5),
        "weights that halve while half of the loss is left are held by the decay, not the data",
        "use a hundredth of it", ("inputs-scale", *STUCK),
    ),
    Rule(
        "few-updates", "too few updates", rate.too_few, (100, 0.3),
        "a batch of a quarter of the data or more makes few updates, and smaller ones cost nothing",
        "use a smaller batch, 32 for example, or more epochs",
        (*STUCK, "decay-too-strong", "lr-too-high"),
    ),
    Rule(
        "lr-too-low", "the learning rate is too low", rate.too_low, (64.0, 0.5, 200.0),
        "where the rate is right the lowest loss along an update is a few updates away; here it is "
        "64, and more than were made, or 200",
        "use a learning rate ten times larger",
        (*DATA, *STUCK, *SIGNALS, "lr-too-high", "lr-schedule", "decay-too-strong",
         "last-activation", "softmax-twice", "batchnorm-small-batch"), alone=True,
    ),
    Rule(
        "imbalance", "no better than the most frequent class", targets.imbalance, (0.8, 0.05),
        "a score within two standard errors of naming the class that makes up 80 % each time",
        "give rare classes weights: SoftmaxCrossEntropy(class_weights=…), `--balance`; judge by "
        "balanced_accuracy or average_precision", (*DATA, *STUCK),
    ),
    Rule(
        "misaligned-labels", "targets shifted by a sample", targets.misaligned, (3.0, 5.0),
        "below three standard errors with their own targets, above five with those of others",
        "shift them back", (*DATA, *STUCK),
    ),
    Rule(
        "validation-targets", "validation targets do not belong to their inputs",
        targets.held_out_wrong, (3.0, 5.0),
        "below three standard errors across the two parts, above five inside the training data",
        "order both by the same permutation; look for a sorted or shuffled column",
        (*DATA, "validation-inputs", "missing-class"),
    ),
    Rule(
        "shuffled-labels", "inputs say nothing about the targets", targets.shuffled,
        (3.0, 5.0, 2.0),
        "three standard errors above chance, for neighbours and for least squares; two where no "
        "validation data say so too",
        "order x and t by the same permutation; look for a sort of one of them",
        (*DATA, *STUCK, *SIGNALS, "diverged", "sorted-batches", "validation-inputs",
         "validation-targets", "misaligned-labels", "last-activation", "missing-class",
         "lr-too-high", "lr-too-low", "imbalance", "words"),
    ),
    Rule(
        "evaluation-differs", "evaluation differs from training", curves.evaluation_differs,
        (2.0, 0.1), "twice the loss, and a tenth of what chance gives",
        "let running statistics follow faster (BatchNorm momentum=0.9), train longer, or use "
        "larger batches", ("batchnorm-small-batch", "diverged", "random-evaluation"),
    ),
    Rule(
        "overfitting", "overfitting", curves.overfitting, (0.25, 0.5, 0.4),
        "a quarter of what was learnt on validation data is lost again, or half of what is learnt "
        "does not hold there; without the loss of no learning, four tenths",
        "stop early (EarlyStopping), augment, use more data, dropout, weight decay, or a smaller "
        "network", ("shuffled-labels", "validation-targets", "misaligned-labels",
        "validation-inputs", "missing-class", "evaluation-differs", "random-evaluation",
        "batchnorm-small-batch", "sorted-batches", "lr-too-high", "diverged"), alone=True,
    ),
    Rule(
        "one-answer", "always the same answer", curves.one_answer, (5,),
        "a score that repeats to the bit for half of the epochs",
        "look at the shares of the classes, and at dead layers: train with watch=True",
        alone=True,
    ),
    Rule(
        "no-learning", "no learning", curves.not_learning, (0.97, 0.01, 50),
        "the loss of one answer for all is what the shares of classes, or the mean, give",
        "overfit ten samples first: fit(network, x[:10], t[:10]); if that fails, look at the "
        "network, else at the data",
        (*DATA, *STUCK, *SIGNALS, "diverged", "lr-too-high", "lr-too-low", "lr-schedule",
         "decay-too-strong", "few-updates", "imbalance", "misaligned-labels", "shuffled-labels",
         "softmax-twice", "last-activation", "dropout", "sorted-batches", "one-answer",
         "batchnorm-small-batch", "loss-at-start"), alone=True,
    ),
)  # fmt: skip


def findings_of(evidence: Evidence) -> list[Finding]:
    """What the rules find, the surest first."""
    found: list[Finding] = []
    for rule in RULES:
        names = {finding.name for finding in found}
        if names.isdisjoint(rule.after) and (rule.alone or evidence.watched):
            found += [_finding(rule, sign) for sign in rule.find(evidence, rule.bounds)]
    return sorted(found, key=lambda finding: GRADES.index(finding.grade))


def _finding(rule: Rule, sign: Sign) -> Finding:
    advice = sign.advice or rule.advice
    return Finding(rule.name, rule.title, sign.grade, sign.where, sign.measured, advice,
                   sign.step, dict(sign.numbers))  # fmt: skip
