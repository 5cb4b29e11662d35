"""The public surface: everything is shown, found at once, and unknown names are answered."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import handgrad
from handgrad.foreign import FOREIGN
from handgrad.protocols import LayerLike, OptimizerLike

MODULES = (handgrad, handgrad.layers, handgrad.optim, handgrad.train)
ROOMS = (
    "book", "compile", "datasets", "explain", "layers", "metrics", "optim", "prove", "stream",
    "train",
)  # fmt: skip


def run(code: str) -> str:
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_rooms_are_there_at_once_and_imported_when_asked_for():
    code = "import handgrad as hg, sys; print(*sys.modules)"
    loaded, *found = run("; ".join([code, *(f"print(hg.{room})" for room in ROOMS)])).splitlines()
    for room, module in zip(ROOMS, found, strict=True):
        assert f".{room}' from" in module
    late = ("book", "compile", "explain", "prove", "stream", "train")
    late = {f"handgrad.{room}" for room in late}
    assert not {*late, "urllib.request", "ssl", "tarfile"} & set(loaded.split())


def test_dir_shows_everything_and_all_of_it_is_there():
    out = run("import handgrad as hg; print(*dir(hg))").split()  # before anything is used
    assert {*ROOMS, *handgrad.__all__} <= set(out)
    for module in MODULES:
        assert set(module.__all__) <= set(dir(module))
        for name in dir(module):
            getattr(module, name)


def test_a_star_import_leaves_the_builtins_alone():
    out = run("from handgrad import *; print(compile is __builtins__.compile, Affine.__name__)")
    assert out.strip() == "True Affine"


def test_metrics_schedules_and_data_sets_are_two_imports_deep():
    from handgrad.optim import CosineDecay, WarmUp
    from handgrad.train import accuracy, cifar10, digits, f1, mnist, split

    assert all(map(callable, (CosineDecay, WarmUp, accuracy, cifar10, split)))
    assert handgrad.metrics.f1 is f1
    assert handgrad.datasets.digits is digits
    assert handgrad.datasets.mnist is mnist


@pytest.mark.parametrize("name", ["datasets", "metrics"])
def test_modules_of_the_training_room_are_imported_by_their_short_names_too(name):
    code = f"from handgrad.{name} import *; import handgrad.{name} as m, handgrad as hg, sys; "
    said = f"print(m is hg.{name} is sys.modules['handgrad.train.{name}'])"
    assert run(code + said).strip() == "True"


def test_names_of_metrics_and_data_sets_are_imported_from_the_short_ones():
    from handgrad.datasets import digits
    from handgrad.metrics import r2

    assert r2 is handgrad.train.r2
    assert digits is handgrad.train.digits


@pytest.mark.parametrize("name", FOREIGN)
def test_every_answer_to_a_foreign_name_exists(name):
    thing = handgrad
    for part in FOREIGN[name].partition(": ")[0].split("."):
        thing = getattr(thing, part)
    assert name not in handgrad.__all__, "it would never be asked for"


def test_the_usual_names_are_known():
    assert len(FOREIGN) >= 60


@pytest.mark.parametrize(
    ("module", "name", "answer"),
    [
        (handgrad, "Linear", "handgrad calls it Affine"),
        (handgrad.layers, "Linear", "handgrad calls it Affine"),
        (handgrad.optim, "Linear", "handgrad calls it handgrad.Affine"),
        (handgrad, "StepLR", "handgrad calls it handgrad.optim.StepDecay"),
        (handgrad.optim, "StepLR", "handgrad calls it StepDecay"),
        (handgrad, "CosineDecay", "handgrad calls it handgrad.optim.CosineDecay"),
        (handgrad.layers, "Adam", "handgrad calls it handgrad.Adam"),
        (handgrad.train, "DataLoader", "handgrad calls it fit: fit("),
        (handgrad, "relu", "handgrad calls it ReLU"),
        (handgrad, "Relu", "handgrad calls it ReLU"),
        (handgrad, "conv2d", "handgrad calls it Convolution"),
        (handgrad, "Sofmax", "handgrad calls it Softmax"),
        (handgrad, "Activation", "handgrad calls it ReLU: each activation is"),
        (handgrad, "state_dict", "handgrad calls it save: save(network, path)"),
        (handgrad, "Adamax", "handgrad calls it handgrad.optim.Optimizer: it lacks this rule"),
        (handgrad, "LambdaLR", "handgrad calls it handgrad.optim.Schedule: any function"),
        (handgrad.optim, "Momentun", "handgrad calls it Momentum"),
        (handgrad.train, "acuracy", "handgrad calls it accuracy"),
    ],
)
def test_an_unknown_name_is_answered(module, name, answer):
    said = f"module {module.__name__!r} has no attribute {name!r}; {answer}"
    with pytest.raises(AttributeError) as error:
        getattr(module, name)
    assert str(error.value).startswith(said)
    with pytest.raises(ImportError) as error:
        exec(f"from {module.__name__} import {name}")
    assert str(error.value).startswith(said)


@pytest.mark.parametrize("name", ["nonsense", "_private", "__wrapped__"])
def test_a_name_that_is_like_nothing_is_only_refused(name):
    for module in MODULES:
        assert not hasattr(module, name)
        with pytest.raises(AttributeError, match=rf"has no attribute '{name}'$"):
            getattr(module, name)


def _signatures():
    """Every public function, and every public method and constructor of a public class."""
    found = {}
    for module in (handgrad, *(getattr(handgrad, room) for room in ROOMS)):
        for name in getattr(module, "__all__", ()):
            thing = getattr(module, name)
            if inspect.isfunction(thing):
                found[f"{thing.__module__}.{name}"] = thing
            elif inspect.isclass(thing) and not issubclass(thing, BaseException):
                for key, method in vars(thing).items():
                    if inspect.isfunction(method) and (key == "__init__" or key[0] != "_"):
                        found[f"{thing.__module__}.{name}.{key}"] = method
    return found


NAMED_BY_OTHERS = {
    "handgrad.optim.optimizer.Optimizer.rule": "each rule names its own state arrays",
    "handgrad.train.history.History.add": "metrics have any names",
}


@pytest.mark.parametrize("name", sorted(_signatures().keys() - NAMED_BY_OTHERS.keys()))
def test_signatures_are_written(name):
    """No **options, and no *args without a meaning: help and completion show every name."""
    parameters = inspect.signature(_signatures()[name]).parameters.values()
    kinds = {p.name: p.kind for p in parameters}
    assert inspect.Parameter.VAR_KEYWORD not in kinds.values()
    assert kinds.get("args") is not inspect.Parameter.VAR_POSITIONAL


def test_only_those_have_other_names_that_need_them():
    assert NAMED_BY_OTHERS.keys() <= _signatures().keys()


def _undocumented(cls):
    """The public methods and properties of a class of handgrad's that say nothing on help()."""
    for key in dir(cls):
        owner = next(base for base in cls.__mro__ if key in vars(base) or base is object)
        member = getattr(cls, key)
        spoken = callable(member) or isinstance(member, property)
        ours = key[0] != "_" and owner.__module__.startswith("handgrad")
        if ours and spoken and not inspect.getdoc(member):
            yield f"{owner.__name__}.{key}"


def test_every_public_method_has_a_docstring():
    modules = (handgrad, *(getattr(handgrad, room) for room in ROOMS))
    things = [getattr(m, name) for m in modules for name in getattr(m, "__all__", ())]
    classes = {thing for thing in things if inspect.isclass(thing)}
    assert handgrad.Tensor in classes
    assert sorted({key for cls in classes for key in _undocumented(cls)}) == []


def test_protocols_are_met_by_shape():
    class Plain:
        def forward(self, x):
            return x

        def backward(self, dy):
            return dy

    assert isinstance(Plain(), LayerLike)
    assert isinstance(handgrad.Affine(2), LayerLike)
    assert isinstance(handgrad.SoftmaxCrossEntropy(), LayerLike)
    assert not isinstance(object(), LayerLike)
    rule: OptimizerLike = handgrad.Adam()  # mypy tells whether it is one
    assert callable(rule.update)


@pytest.mark.parametrize(
    ("thing", "shown"),
    [(handgrad.EarlyStopping(3, min_delta=0.1), "EarlyStopping(3, min_delta=0.1)"),
     (handgrad.SaveModel("m"), "SaveModel("), (handgrad.UnigramSampler([1, 2]), "UnigramSampler(")],
)  # fmt: skip
def test_a_repr_says_the_arguments(thing, shown):
    assert repr(thing).startswith(shown)


def test_a_member_that_cannot_keep_attributes_is_refused():
    class Slotted:
        __slots__ = ("k",)

        def forward(self, x):
            return x

        def backward(self, dy):
            return dy

    with pytest.raises(ValueError, match="member 0, a Slotted, has __slots__"):
        handgrad.Sequential(Slotted())
